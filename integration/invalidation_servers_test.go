package integration

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/invalidation"
)

// versionsPeer stands for one process that shares versions through Redis.
type versionsPeer struct {
	*invalidation.Versions
	t      testing.TB
	client redis.UniversalClient
	kept   sync.Map // the cells, by scope: one that nobody holds is forgotten, and its version with it
}

func openVersions(t testing.TB, client redis.UniversalClient, namespace string, maxStaleness time.Duration) *versionsPeer {
	t.Helper()
	v, err := invalidation.Open(invalidation.Config{Client: client, Namespace: namespace, MaxStaleness: maxStaleness, OwnConnections: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		v.Close()
		client.Close()
	})
	return &versionsPeer{Versions: v, t: t, client: client}
}

// shortTimeouts are those of a cache: who waits longer is better served by the database.
func shortTimeouts(o *redis.Options) *redis.Options {
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.MaxRetries, o.DialerRetries = 250*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond, -1, 1
	return o
}

// patientTimeouts are for tests in which every answer counts and no server hangs: on a machine that is busy with other
// tests an answer may be late, and nothing is wrong.
func patientTimeouts(o *redis.Options) *redis.Options {
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout, o.MaxRetries, o.DialerRetries = 10*time.Second, 10*time.Second, 10*time.Second, 10*time.Second, -1, 1
	return o
}

func redisAt(t testing.TB, url string) *redis.Client { return redisWith(t, url, shortTimeouts) }

func redisWith(t testing.TB, url string, timeouts func(*redis.Options) *redis.Options) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return redis.NewClient(timeouts(o))
}

// know makes the versions of everything and of the scope known, if it can.
func (p *versionsPeer) know(scope string) *invalidation.Cell {
	c := p.Cell(scope)
	p.kept.Store(scope, c)
	_ = p.Ensure(context.Background(), []*invalidation.Cell{c})
	return c
}

// answer is what a cache keeps: the versions before the origin was asked.
type answer struct {
	scope          string
	epoch, version uint64
}

// read waits until an answer can be cached.
func (p *versionsPeer) read(scope string) answer {
	p.t.Helper()
	var a answer
	harness.Eventually(p.t, 20*time.Second, "an answer can be cached", func() bool {
		c := p.know(scope)
		a = answer{scope, p.Epoch().Load(), c.Load()}
		return a.epoch != 0 && a.version != 0
	})
	return a
}

// usable reports whether the answer could be given now from what this process knows.
func (p *versionsPeer) usable(a answer) bool {
	c := p.know(a.scope)
	return p.Live(time.Minute) && p.Epoch().Load() == a.epoch && c.Load() == a.version
}

// ask asks Redis whether the answer may still be given.
func (p *versionsPeer) ask(a answer) error {
	return p.Current(context.Background(), []*invalidation.Cell{p.Epoch(), p.Cell(a.scope)}, []uint64{a.epoch, a.version}, nil)
}

// current reports whether Redis vouches for the answer.
func (p *versionsPeer) current(a answer) bool { return p.ask(a) == nil }

func (p *versionsPeer) write(scope string) error {
	f, _ := p.Fence(context.Background(), []string{scope}, invalidation.FenceOptions{})
	return f.Release(context.Background(), invalidation.Committed)
}

// checkProtocol goes through what two processes must see of each other.
func checkProtocol(t *testing.T, a, b *versionsPeer) {
	t.Helper()
	old := b.read("t")
	if !a.usable(a.read("t")) || !b.current(old) {
		t.Fatal("nothing is usable from the start")
	}
	f, err := a.Fence(context.Background(), []string{"t"}, invalidation.FenceOptions{Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	if b.current(old) || a.usable(old) || !f.Valid() {
		t.Error("usable though fenced")
	}
	if err := f.Release(context.Background(), invalidation.Committed); err != nil {
		t.Error(err)
	}
	if a.usable(old) || b.current(old) {
		t.Error("usable after the change")
	}
	fresh := a.read("t")
	harness.Eventually(t, 5*time.Second, "the other process can use the new answer", func() bool { return b.usable(fresh) })
	harness.Eventually(t, 5*time.Second, "subscribed", func() bool { return b.Stats().Subscriptions > 0 })
	start := time.Now()
	if err := a.write("t"); err != nil {
		t.Error(err)
	}
	harness.Eventually(t, 5*time.Second, "the message arrives", func() bool { return !b.usable(fresh) })
	t.Logf("seen by the other process after %v", time.Since(start))
	if err := a.Invalidate(context.Background()); err != nil {
		t.Error(err)
	}
	if b.current(b.read("t")); a.current(fresh) || b.current(fresh) {
		t.Error("usable after everything was invalidated")
	}
	for _, p := range []*versionsPeer{a, b} {
		if s := p.Stats(); s.BadMessages > 0 || s.CallErrors > 0 {
			t.Errorf("%+v", s)
		}
	}
}

func TestInvalidationOverBothProtocols(t *testing.T) {
	t.Parallel()
	for _, version := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", version), func(t *testing.T) {
			t.Parallel()
			namespace := harness.NewNamespace(t)
			peer := func() *versionsPeer {
				c := redisWith(t, harness.RedisURL(), func(o *redis.Options) *redis.Options {
					o.Protocol = version
					return patientTimeouts(o)
				})
				return openVersions(t, c, namespace, 10*time.Second)
			}
			checkProtocol(t, peer(), peer())
		})
	}
}

// The user of an application needs no more rights than the package comment of invalidation lists.
func TestInvalidationAccessControl(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	admin := redisWith(t, server.URL(), patientTimeouts)
	defer admin.Close()
	rights := []any{"on", ">secret", "resetkeys", "resetchannels", "-@all", "~{acl}:v", "&{acl}:bus",
		"+evalsha", "+eval", "+subscribe", "+unsubscribe", "+ping", "+hello",
		"+time", "+hmget", "+hset", "+publish", "+info", "+pubsub|numsub", "+multi", "+exec"}
	user := func(name string, rights []any) *versionsPeer {
		if err := admin.Do(t.Context(), append([]any{"ACL", "SETUSER", name}, rights...)...).Err(); err != nil {
			t.Fatal(err)
		}
		o, _ := redis.ParseURL(strings.Replace(server.URL(), "://", "://"+name+":secret@", 1))
		return openVersions(t, redis.NewClient(patientTimeouts(o)), "acl", 10*time.Second)
	}
	checkProtocol(t, user("a", rights), user("b", rights))

	// A server that does not say who it is cannot be trusted after a failover.
	blind := user("blind", without(rights, "+info"))
	err := blind.Ensure(t.Context(), []*invalidation.Cell{blind.Cell("t")})
	if err == nil || !strings.Contains(err.Error(), "+info") {
		t.Errorf("without +info: %v", err)
	}
	if blind.Live(time.Hour) || blind.Cell("t").Load() != 0 {
		t.Error("usable without +info")
	}
	// Without the channel there is no push, and the poll does it alone.
	deaf := user("deaf", without(rights, "&{acl}:bus"))
	deaf.Tighten(100 * time.Millisecond)
	old := deaf.read("t")
	if err := user("c", rights).write("t"); err != nil {
		t.Error(err)
	}
	harness.Eventually(t, 5*time.Second, "the poll notices", func() bool { return !deaf.usable(old) })
}

func without(rights []any, right string) []any {
	var out []any
	for _, r := range rights {
		if r != right {
			out = append(out, r)
		}
	}
	return out
}

// A replica may lag: it is not asked.
func TestInvalidationReplicaIsNotAsked(t *testing.T) {
	t.Parallel()
	master, replica := startServer(t), startServer(t)
	replica.follow(master)
	checkProtocol(t, openVersions(t, master.client(), "ns", 10*time.Second), openVersions(t, master.client(), "ns", 10*time.Second))
	p := openVersions(t, replica.client(), "ns", time.Second)
	if err := p.Ensure(t.Context(), []*invalidation.Cell{p.Cell("t")}); err == nil {
		t.Error("a replica was asked")
	}
	if p.Cell("t").Load() != 0 || p.Live(time.Hour) {
		t.Error("a replica was believed")
	}
}

// Failover that lost writes: the promoted replica holds the versions of a while ago. They must not count.
func TestInvalidationFailoverThatLostWrites(t *testing.T) {
	t.Parallel()
	master, replica := startServer(t), startServer(t)
	replica.follow(master)
	var to atomic.Pointer[string]
	to.Store(&master.addr)
	peer := func(maxStaleness time.Duration) *versionsPeer {
		return openVersions(t, redis.NewClient(shortTimeouts(&redis.Options{
			Addr: "redis",
			Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, *to.Load())
			},
		})), "ns", maxStaleness)
	}
	writer, reader, fresh := peer(time.Second), peer(300*time.Millisecond), peer(time.Second)
	old := reader.read("t")
	admin := replica.client()
	defer admin.Close()
	harness.Eventually(t, 5*time.Second, "replicated", func() bool { return admin.HExists(t.Context(), "{ns}:v", "st").Val() })
	if err := admin.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	if err := writer.write("t"); err != nil { // the replica never hears of it
		t.Fatal(err)
	}
	if reader.current(old) {
		t.Fatal("current after the change")
	}
	to.Store(&replica.addr)
	master.kill()
	harness.Eventually(t, 5*time.Second, "the replica answers", func() bool {
		return fresh.Ensure(t.Context(), []*invalidation.Cell{fresh.Cell("t")}) == nil
	})
	if fresh.current(old) || fresh.usable(old) {
		t.Error("the version from before the change is back in a new process")
	}
	now := reader.read("t")
	if reader.current(old) || reader.usable(old) || now == old {
		t.Error("the version from before the change is back")
	}
	if reader.Quarantine() == 0 {
		t.Error("fences may have been lost, and there is no quarantine")
	}
}

// All version keys of a namespace lie in one slot; namespaces, and entries, lie on different nodes.
func TestInvalidationOnACluster(t *testing.T) {
	t.Parallel()
	var addrs []string
	for _, n := range startCluster(t) {
		addrs = append(addrs, n.addr)
	}
	peer := func(namespace string) *versionsPeer {
		o := &redis.ClusterOptions{Addrs: addrs, ReadTimeout: 10 * time.Second}
		return openVersions(t, redis.NewClusterClient(o), namespace, 10*time.Second)
	}
	for _, namespace := range []string{"a", "b", "c", "d"} { // on different nodes
		checkProtocol(t, peer(namespace), peer(namespace))
	}
	// Entries lie anywhere; one pipeline reads both.
	p := peer("a")
	a := p.read("t")
	for _, key := range []string{"1", "2", "3", "4", "5"} {
		var get *redis.StringCmd
		err := p.Current(t.Context(), []*invalidation.Cell{p.Cell("t")}, []uint64{a.version}, func(pipe redis.Pipeliner) { get = pipe.Get(t.Context(), key) })
		if err != nil || get.Err() != redis.Nil {
			t.Errorf("%v, %v", err, get.Err())
		}
	}
}

func TestInvalidationOverSentinel(t *testing.T) {
	t.Parallel()
	sentinel, master := startSentinel(t)
	peer := func() *versionsPeer {
		return openVersions(t, redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: "main", SentinelAddrs: []string{sentinel.addr}, MaxRetries: -1, ReadTimeout: 10 * time.Second, DialTimeout: 500 * time.Millisecond,
		}), "ns", time.Second)
	}
	a, b := peer(), peer()
	checkProtocol(t, a, b)
	old := b.read("t")
	master.kill()
	if err := a.write("t"); err == nil {
		t.Error("told a dead master")
	}
	if a.usable(old) {
		t.Error("usable after the own change")
	}
	sentinel.do("SENTINEL", "SET", "main", "down-after-milliseconds", "500")
	harness.Eventually(t, 60*time.Second, "the queue is delivered to the new master", func() bool {
		return a.Stats().Queued == 0
	})
	delivered := time.Now()
	if b.current(old) {
		t.Error("current after the change")
	}
	// The other process may not have noticed yet; for how long is its bound.
	harness.Eventually(t, 20*time.Second, "the change is noticed", func() bool {
		start := time.Now()
		given := b.Live(time.Second) && b.usable(old)
		if since := start.Sub(delivered); given && since > time.Second {
			t.Fatalf("usable %v after the change, with a bound of 1s", since)
		}
		return !b.usable(old)
	})
	harness.Eventually(t, 20*time.Second, "cached again", func() bool { return b.Live(time.Second) && b.usable(b.read("t")) })
	if b.usable(old) {
		t.Error("usable after the change")
	}
}
