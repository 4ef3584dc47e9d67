package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/invalidation"
)

// A restart, with or without its data, forgets what was known, and revives nothing.
func TestInvalidationRestart(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"empty": nil, "with its data": {"--appendonly", "yes", "--appendfsync", "always"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := harness.StartRedis(t, args...)
			a := openVersions(t, redisAt(t, server.URL()), "ns", 300*time.Millisecond)
			b := openVersions(t, redisAt(t, server.URL()), "ns", time.Second)
			old := a.read("t")
			b.read("t")
			server.Stop()
			if err := b.write("t"); err == nil {
				t.Error("told a Redis that is not there")
			}
			if b.usable(old) {
				t.Error("usable after the own change")
			}
			harness.Eventually(t, 2*time.Second, "the lease ends", func() bool { return !a.Live(300 * time.Millisecond) })
			server.Start()
			fresh := openVersions(t, redisAt(t, server.URL()), "ns", time.Second)
			for _, p := range []struct {
				*versionsPeer
				bound time.Duration
			}{{fresh, time.Second}, {a, 300 * time.Millisecond}, {b, time.Second}} {
				// Until the first answer after the restart the old versions are still there, which is all that usable
				// looks at. No process goes by them: its lease has ended.
				now := p.read("t")
				if err := p.ask(old); err == nil || p.usable(old) && p.Live(p.bound) {
					t.Errorf("usable after the restart, with a bound of %v: was %+v, is %+v, asked %v", p.bound, old, now, err)
				}
				harness.Eventually(t, 5*time.Second, "the news of the restart", func() bool { return !p.usable(old) })
				if p.Quarantine() == 0 {
					t.Error("fences may have been lost, and there is no quarantine")
				}
			}
			harness.Eventually(t, 5*time.Second, "the queue is delivered", func() bool { return b.Stats().Queued == 0 })
			now := a.read("t")
			if err := b.write("t"); err != nil {
				t.Error(err)
			}
			harness.Eventually(t, 5*time.Second, "the message arrives after the restart", func() bool { return !a.usable(now) })
		})
	}
}

// A Redis that hangs stops nobody for longer than the client's timeout, and the cache by the end of its lease.
func TestInvalidationHang(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	const limit = 300 * time.Millisecond
	a := openVersions(t, redisAt(t, server.URL()), "ns", limit)
	b := openVersions(t, redisAt(t, server.URL()), "ns", limit)
	old := a.read("t")
	b.read("t")
	server.Pause()
	paused := time.Now()
	slowest := time.Duration(0)
	timed := func(f func()) {
		start := time.Now()
		f()
		slowest = max(slowest, time.Since(start))
	}
	for i := range 20 {
		timed(func() { _ = a.Ensure(t.Context(), []*invalidation.Cell{a.Cell(fmt.Sprint("new", i))}) })
		timed(func() { _ = a.write("u") })
		if time.Since(paused) > limit && a.Live(limit) {
			t.Fatal("live after the lease")
		}
	}
	_ = b.write("t")
	if b.usable(old) {
		t.Error("usable after the own change")
	}
	server.Resume()
	t.Logf("the slowest call took %v", slowest)
	if slowest > 2*time.Second {
		t.Errorf("a call took %v", slowest)
	}
	harness.Eventually(t, 10*time.Second, "live again, with all delivered", func() bool {
		return a.Live(limit) && b.Live(limit) && a.Stats().Queued+b.Stats().Queued == 0
	})
	if a.current(old) || a.usable(old) {
		t.Error("usable after the change")
	}
	// What was left in the sockets may have set fences; none outlives its lease.
	for _, scope := range []string{"t", "u"} {
		a.read(scope)
	}
}

// A subscription that is cut is set up again, and what was missed is asked for.
func TestInvalidationSubscriptionIsCut(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	a := openVersions(t, redisAt(t, server.URL()), "ns", time.Minute)
	b := openVersions(t, redisAt(t, server.URL()), "ns", time.Minute)
	for round := range uint64(3) {
		harness.Eventually(t, 10*time.Second, "subscribed", func() bool { a.know("t"); return a.Stats().Subscriptions > round })
		old := a.read("t")
		if err := b.client.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
			t.Fatal(err)
		}
		if err := b.write("t"); err != nil {
			t.Error(err)
		}
		harness.Eventually(t, 10*time.Second, "the change is noticed", func() bool { return !a.usable(old) })
	}
}

// What is written first may be the name of a script that Redis does not have: that fences nothing, and if the process
// died of it, nothing would ever. So Fence returns only when Redis has the script.
func TestInvalidationFirstFenceSendsTheScript(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	admin := redisWith(t, server.URL(), patientTimeouts)
	defer admin.Close()
	for n := range 20 {
		if err := admin.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		namespace := "first" + strconv.Itoa(n)
		v := openVersions(t, redisWith(t, server.URL(), patientTimeouts), namespace, time.Minute)
		fence, err := v.Fence(t.Context(), []string{"t"}, invalidation.FenceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if there, err := admin.HExists(t.Context(), "{"+namespace+"}:v", "st").Result(); err != nil || !there {
			t.Fatalf("Redis was sent the fence and has none: %v", err)
		}
		if err := fence.Release(t.Context(), invalidation.Committed); err != nil {
			t.Fatal(err)
		}
	}
}

const envWriter = "MLCACHE_TEST_DYING_WRITER"

// TestInvalidationDyingWriter is the process that TestInvalidationKilledWriter starts.
func TestInvalidationDyingWriter(t *testing.T) {
	url := os.Getenv(envWriter)
	if url == "" {
		return // there is nothing to test without its parent
	}
	v := openVersions(t, redisWith(t, url, patientTimeouts), "ns", time.Second)
	v.read("warm-up")
	if _, err := v.Fence(context.Background(), []string{"t"}, invalidation.FenceOptions{}); err != nil {
		t.Fatal(err) // of a fence of which Redis cannot be told nothing is promised
	}
	// Here the COMMIT would be written to the database's socket.
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// A writer is killed right after Fence has returned, without having waited for Redis: the fence must be there all the
// same, since the change may be. It ends with its lease.
func TestInvalidationKilledWriter(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	reader := openVersions(t, redisWith(t, server.URL(), patientTimeouts), "ns", time.Second)
	const times = 20
	for range times {
		var old answer
		harness.Eventually(t, 20*time.Second, "Redis vouches for an answer", func() bool {
			old = reader.read("t")
			return reader.current(old)
		})
		writer := exec.Command(os.Args[0], "-test.run=^TestInvalidationDyingWriter$")
		writer.Env = append(os.Environ(), envWriter+"="+server.URL(),
			harness.EnvRedis+"="+harness.RedisURL(), harness.EnvPostgres+"="+harness.AdminDSN())
		out, err := writer.CombinedOutput()
		if state, ok := writer.ProcessState.Sys().(syscall.WaitStatus); err == nil || !ok || state.Signal() != syscall.SIGKILL {
			t.Fatalf("the writer ended otherwise: %v\n%s", err, out)
		}
		// What was written to a socket may still be on its way, where a proxy forwards it. What was lost never comes.
		harness.Eventually(t, 5*time.Second, "the fence outlives its writer", func() bool {
			switch err := reader.ask(old); err {
			case invalidation.ErrStale:
				return true
			case nil:
				return false
			default:
				t.Fatal(err)
				return false
			}
		})
		reader.client.(*redis.Client).HDel(context.Background(), "{ns}:v", "st") // do not wait for the lease each time
		if err := reader.Invalidate(t.Context(), "t"); err != nil {
			t.Fatal(err)
		}
	}
}
