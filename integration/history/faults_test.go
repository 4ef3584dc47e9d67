package history_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/integration/history"
)

// fault is something that goes wrong for a while.
type fault struct {
	name string
	run  func(f *fleet)
	// settle is how long the cache may then take to serve as before.
	settle time.Duration
	// spares: every process is still able to tell Redis of its changes.
	spares bool
}

// afterLoss is how long a new epoch is in quarantine, and some more.
const afterLoss = 6 * time.Second

var (
	cut = fault{"one process cut off", func(f *fleet) {
		p := f.proxies[f.random.IntN(fleetSize)]
		p.Stop()
		f.wait(2500 * time.Millisecond)
		f.must(p.Start())
	}, time.Second, false}

	// What is told to Redis arrives late, or what it answers.
	latency = fault{"slow network", func(f *fleet) {
		for i, p := range f.proxies {
			stream := []string{"upstream", "downstream"}[i%2]
			defer f.poison(p, toxic{"latency", stream, map[string]any{"latency": 10 + f.random.IntN(40), "jitter": 10}})()
		}
		f.wait(3 * time.Second)
	}, time.Second, false}

	verySlow = fault{"one process slower than time-outs", func(f *fleet) {
		defer f.poison(f.proxies[f.random.IntN(fleetSize)], toxic{"latency", "upstream", map[string]any{"latency": 300, "jitter": 250}})()
		f.wait(1500 * time.Millisecond)
	}, 2 * time.Second, false}

	deafAndMute = fault{"half-open to one process", func(f *fleet) {
		stream := []string{"upstream", "downstream"}[f.random.IntN(2)]
		defer f.poison(f.proxies[f.random.IntN(fleetSize)], toxic{"timeout", stream, map[string]any{"timeout": 0}})()
		f.wait(2500 * time.Millisecond)
	}, 2 * time.Second, false}

	// Answers of the database to two processes are old when they arrive: others have written since. What a third one
	// asks for arrives late: others read between its fence and its change.
	farDatabase = fault{"database far from some", func(f *fleet) {
		for i, stream := range []string{"downstream", "downstream", "upstream"} {
			defer f.poison(f.databases[i], toxic{"latency", stream, map[string]any{"latency": 20, "jitter": 20}})()
		}
		f.wait(3 * time.Second)
	}, 0, true}

	slicer = fault{"packets cut up", func(f *fleet) {
		for i := range f.proxies {
			defer f.poison(f.proxies[i], toxic{"slicer", "upstream", map[string]any{"average_size": 40, "size_variation": 30, "delay": 200}})()
			defer f.poison(f.proxies[i], toxic{"slicer", "downstream", map[string]any{"average_size": 20, "size_variation": 15, "delay": 200}})()
		}
		f.wait(time.Second)
	}, time.Second, false}

	reset = fault{"connections reset", func(f *fleet) {
		for range 5 {
			remove := f.poison(f.proxies[f.random.IntN(fleetSize)], toxic{"reset_peer", "downstream", map[string]any{"timeout": 0}})
			f.wait(100 * time.Millisecond)
			remove()
			f.wait(100 * time.Millisecond)
		}
	}, time.Second, false}

	deafen = fault{"subscriptions cut", func(f *fleet) {
		for range 5 {
			f.must(f.admin().Do(f.t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Err())
			f.wait(200 * time.Millisecond)
		}
	}, 0, true}

	stall = fault{"Redis hangs for 5s", func(f *fleet) {
		f.redis.Pause()
		f.wait(5 * time.Second)
		f.redis.Resume()
	}, 3 * time.Second, false}

	shortStalls = fault{"Redis hangs again and again", func(f *fleet) {
		for range 4 {
			f.redis.Pause()
			f.wait(time.Duration(50+f.random.IntN(300)) * time.Millisecond)
			f.redis.Resume()
			f.wait(200 * time.Millisecond)
		}
	}, 2 * time.Second, false}

	restart = fault{"Redis killed, back empty", func(f *fleet) {
		f.redis.Kill()
		f.wait(time.Duration(f.random.IntN(1000)) * time.Millisecond)
		f.redis.Start()
		f.wait(500 * time.Millisecond)
	}, afterLoss, false}

	flush = fault{"FLUSHALL", func(f *fleet) {
		for range 2 {
			f.must(f.admin().FlushAll(f.t.Context()).Err())
			f.wait(500 * time.Millisecond)
		}
	}, afterLoss, true}

	loseVersions = fault{"versions evicted", func(f *fleet) {
		for range 3 {
			keys, err := f.admin().Keys(f.t.Context(), "*}:v").Result()
			f.must(err)
			f.must(f.admin().Del(f.t.Context(), keys...).Err())
			f.wait(300 * time.Millisecond)
		}
	}, afterLoss, true}

	evict = fault{"memory full, allkeys-lru", func(f *fleet) {
		admin := f.admin()
		used, err := admin.InfoMap(f.t.Context(), "memory").Result()
		f.must(err)
		var bytes int64
		fmt.Sscan(used["Memory"]["used_memory"], &bytes)
		f.must(admin.ConfigSet(f.t.Context(), "maxmemory-policy", "allkeys-lru").Err())
		for range 3 {
			f.must(admin.ConfigSet(f.t.Context(), "maxmemory", fmt.Sprint(bytes)).Err())
			f.wait(300 * time.Millisecond)
			f.must(admin.ConfigSet(f.t.Context(), "maxmemory", "1000000").Err()) // less than the server itself
			f.wait(200 * time.Millisecond)
		}
		f.must(admin.ConfigSet(f.t.Context(), "maxmemory", "0").Err())
	}, afterLoss, false}

	// It answers who reads. All its memory is taken, and nothing may be evicted, which is what Redis does by default.
	full = fault{"memory full, noeviction", func(f *fleet) {
		admin := f.admin()
		f.must(admin.ConfigSet(f.t.Context(), "maxmemory-policy", "noeviction").Err())
		f.must(admin.ConfigSet(f.t.Context(), "maxmemory", "1000000").Err()) // less than the server itself
		f.wait(5 * time.Second)
		f.must(admin.ConfigSet(f.t.Context(), "maxmemory", "0").Err())
	}, 3 * time.Second, false}

	noReplicas = fault{"too few replicas to take writes", func(f *fleet) {
		admin := f.admin()
		f.must(admin.ConfigSet(f.t.Context(), "min-replicas-to-write", "1").Err())
		f.wait(5 * time.Second)
		f.must(admin.ConfigSet(f.t.Context(), "min-replicas-to-write", "0").Err())
	}, 3 * time.Second, false}

	failover = fault{"failover to a replica that lags", func(f *fleet) { f.failover(false) }, afterLoss, false}

	flipFlop = fault{"failover, and back to the old master", func(f *fleet) { f.failover(true) }, afterLoss, false}

	suspend = fault{"a process stands still", func(f *fleet) {
		p := f.processes[f.random.IntN(fleetSize)]
		for range 2 {
			p.Writing(time.Second)
			f.wait(time.Duration(f.random.IntN(3000)) * time.Microsecond)
			p.Suspend()
			f.wait(time.Duration(100+f.random.IntN(900)) * time.Millisecond)
			p.Resume()
			f.wait(200 * time.Millisecond)
		}
	}, time.Second, true}

	// Longer than the lease of a fence, so that a writer can commit when its fence
	// has ended.
	suspendLong = fault{"a process stands still for 7s", func(f *fleet) {
		p := f.processes[f.random.IntN(fleetSize)]
		p.Writing(time.Second)
		f.wait(time.Duration(f.random.IntN(3000)) * time.Microsecond)
		p.Suspend()
		f.wait(7 * time.Second)
		p.Resume()
	}, time.Second, true}

	kill = fault{"a writer killed", (*fleet).killWriter, time.Second, true}

	// The change is visible, and nobody is left who could tell of it: only the fence does.
	killUnanswered = fault{"writers killed after commit", func(f *fleet) {
		for i := range 2 {
			f.killUnanswered(i)
		}
	}, 0, true}
)

// killUnanswered kills a process that has sent a change to the database, which has carried it out, while the answer is
// still on its way. Nobody else writes for a while: another change would make that one known.
func (f *fleet) killUnanswered(i int) {
	remove := f.poison(f.databases[i], toxic{"latency", "downstream", map[string]any{"latency": 400}})
	for _, p := range f.processes {
		p.Hold()
	}
	f.wait(time.Second) // for the writes under way to end, and for the others to cache what they have made
	before := f.versions()
	var asked time.Time
	harness.Eventually(f.t, 20*time.Second, "the change is visible", func() bool {
		if time.Since(asked) > 7*time.Second { // what a fault before this one has left of a connection may have failed the first
			f.processes[i].WriteOnce(f.anyRegister(), 3*time.Second)
			asked = time.Now()
		}
		return f.versions() > before
	})
	f.processes[i].Kill()
	remove()
	f.kill(i)
	f.processes[i].Hold()
	f.wait(rest)
	for _, p := range f.processes {
		p.Write()
	}
}

// anyRegister is one that the processes read often.
func (f *fleet) anyRegister() int {
	return f.random.IntN(f.recorder.Shape.Tables * f.recorder.Shape.Rows)
}

// versions is how many versions the database has of all registers.
func (f *fleet) versions() (n int) {
	f.t.Helper()
	f.must(f.direct.QueryRowContext(f.t.Context(), "SELECT count(*) FROM audit").Scan(&n))
	return n
}

// rest is how long nobody writes, so that whoever gives an old answer then gives it beyond the bound.
const rest = 1500 * time.Millisecond

// rest lets the processes only read. What a fault has left in a cache is not driven out by new writes then.
func (f *fleet) rest() {
	for _, p := range f.processes {
		p.Hold()
	}
	f.wait(rest)
	for _, p := range f.processes {
		p.Write()
	}
}

// killWriter kills a process right after it has begun a write.
func (f *fleet) killWriter() {
	i := f.random.IntN(fleetSize)
	f.processes[i].Writing(time.Second)
	f.wait(time.Duration(f.random.IntN(4000)) * time.Microsecond)
	f.kill(i)
}

func (f *fleet) wait(d time.Duration) { time.Sleep(d) }

func (f *fleet) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// failover brings all processes to a replica that has stopped following a while
// ago; and, if back is set, to the old master again, which has heard nothing of
// what the new one was told.
func (f *fleet) failover(back bool) {
	old := f.redis
	replica := startBrokenRedis(f.t)
	c := redis.NewClient(&redis.Options{Addr: hostPort(f.t, replica.URL())})
	defer c.Close()
	host, port := old.Address()
	f.must(c.Do(f.t.Context(), "REPLICAOF", host, port).Err())
	harness.Eventually(f.t, time.Minute, "the replica follows", func() bool {
		return strings.Contains(c.Info(f.t.Context(), "replication").Val(), "master_link_status:up")
	})
	// The first replica gives a master a new identity, which is a new epoch. Let the
	// cache be in use before it is lost.
	f.wait(afterLoss)
	f.must(c.Do(f.t.Context(), "REPLICAOF", "NO", "ONE").Err())
	f.wait(500 * time.Millisecond) // what is written now is lost
	f.lead(replica)
	f.wait(3 * time.Second) // for breakers to close again
	if back {
		f.lead(old)
		replica.Kill()
		return
	}
	old.Kill()
	f.redis = replica
}

// lead leads all processes to another Redis. Nobody is connected to both.
func (f *fleet) lead(to redisServer) {
	for _, p := range f.proxies {
		p.Stop()
	}
	for _, p := range f.proxies {
		p.Upstream = hostPort(f.t, to.URL())
		f.must(p.Start())
	}
}

// suffer runs a fault between quiet times.
func (f *fleet) suffer(x fault) {
	f.t.Helper()
	f.recorder.Phase(history.Phase{Name: x.name, RedisBroken: !x.spares, Refuses: x.name == full.name || x.name == noReplicas.name, Orderly: x.name == farDatabase.name})
	x.run(f)
	f.rest()
	if x.settle > 0 {
		// What went wrong may still be on its way.
		f.recorder.Phase(history.Phase{Name: "  settling", RedisBroken: !x.spares})
		time.Sleep(x.settle)
	}
	f.recorder.Phase(history.Phase{Name: "  quiet", Quiet: true})
	if torture > 0 {
		time.Sleep(3 * time.Second) // most of the time the cache is in use
	}
	time.Sleep(time.Second)
}
