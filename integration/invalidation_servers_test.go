package integration

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
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
}

func openVersions(t testing.TB, client redis.UniversalClient, namespace string, maxStaleness time.Duration) *versionsPeer {
	t.Helper()
	v, err := invalidation.Open(invalidation.Config{Client: client, Namespace: namespace, MaxStaleness: maxStaleness})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		v.Close()
		client.Close()
	})
	return &versionsPeer{v, t, client}
}

// shortTimeouts are those of a cache: who waits longer is better served by the database.
func shortTimeouts(o *redis.Options) *redis.Options {
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.MaxRetries, o.DialerRetries = 250*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond, -1, 1
	return o
}

func redisAt(t testing.TB, url string) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return redis.NewClient(shortTimeouts(o))
}

// know makes the versions of everything and of the scope known, if it can.
func (p *versionsPeer) know(scope string) *invalidation.Cell {
	c := p.Cell(scope)
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

// current reports whether Redis vouches for the answer.
func (p *versionsPeer) current(a answer) bool {
	return p.Current(context.Background(), []*invalidation.Cell{p.Epoch(), p.Cell(a.scope)}, []uint64{a.epoch, a.version}, nil) == nil
}

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
				c := redisAt(t, harness.RedisURL())
				o := *c.Options()
				c.Close()
				o.Protocol = version
				return openVersions(t, redis.NewClient(&o), namespace, 10*time.Second)
			}
			checkProtocol(t, peer(), peer())
		})
	}
}

// The user of an application needs no more rights than the package comment of invalidation lists.
func TestInvalidationAccessControl(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	admin := redisAt(t, server.URL())
	defer admin.Close()
	rights := []any{"on", ">secret", "resetkeys", "resetchannels", "-@all", "~{acl}:v", "&{acl}:bus",
		"+evalsha", "+eval", "+subscribe", "+unsubscribe", "+ping", "+hello",
		"+time", "+hmget", "+hget", "+hset", "+publish", "+info", "+pubsub|numsub"}
	user := func(name string, rights []any) *versionsPeer {
		if err := admin.Do(t.Context(), append([]any{"ACL", "SETUSER", name}, rights...)...).Err(); err != nil {
			t.Fatal(err)
		}
		o, _ := redis.ParseURL(strings.Replace(server.URL(), "://", "://"+name+":secret@", 1))
		return openVersions(t, redis.NewClient(shortTimeouts(o)), "acl", 10*time.Second)
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
	var nodes []*server
	var addrs []string
	for range 3 {
		n := startServer(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
		nodes, addrs = append(nodes, n), append(addrs, n.addr)
	}
	for i, n := range nodes {
		c := n.client()
		defer c.Close()
		first, last := i*16384/3, (i+1)*16384/3-1
		if err := c.ClusterAddSlotsRange(t.Context(), first, last).Err(); err != nil {
			t.Fatal(err)
		}
		host, port, _ := net.SplitHostPort(nodes[0].addr)
		if err := c.ClusterMeet(t.Context(), host, port).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range nodes {
		c := n.client()
		defer c.Close()
		harness.Eventually(t, 20*time.Second, "the cluster is up", func() bool {
			info := c.ClusterInfo(t.Context()).Val()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	peer := func(namespace string) *versionsPeer {
		o := &redis.ClusterOptions{Addrs: addrs, ReadTimeout: time.Second}
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
	master, replica := startServer(t), startServer(t)
	replica.follow(master)
	host, port, _ := net.SplitHostPort(master.addr)
	sentinel := startServer(t, "--sentinel")
	admin := sentinel.client()
	defer admin.Close()
	for _, command := range [][]any{
		{"SENTINEL", "MONITOR", "main", host, port, "1"},
		{"SENTINEL", "SET", "main", "down-after-milliseconds", "500"},
		{"SENTINEL", "SET", "main", "failover-timeout", "5000"},
	} {
		if err := admin.Do(t.Context(), command...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	harness.Eventually(t, 20*time.Second, "the sentinel knows the replica", func() bool {
		v, _ := admin.Do(t.Context(), "SENTINEL", "REPLICAS", "main").Slice()
		return len(v) == 1
	})
	peer := func() *versionsPeer {
		return openVersions(t, redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: "main", SentinelAddrs: []string{sentinel.addr}, MaxRetries: -1, ReadTimeout: 200 * time.Millisecond, DialTimeout: 500 * time.Millisecond,
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
	harness.Eventually(t, 60*time.Second, "the queue is delivered to the new master", func() bool {
		return a.Live(time.Second) && a.Stats().Queued == 0
	})
	if b.current(old) {
		t.Error("current after the change")
	}
	harness.Eventually(t, 20*time.Second, "cached again", func() bool { return b.usable(b.read("t")) })
	if b.usable(old) {
		t.Error("usable after the change")
	}
}

// server is a redis-server process, for what needs several that know each other.
type server struct {
	t    testing.TB
	addr string
	cmd  *exec.Cmd
}

func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, addr: l.Addr().String()}
	_, port, _ := net.SplitHostPort(s.addr)
	l.Close()
	dir := t.TempDir()
	all := []string{"--bind", "127.0.0.1", "--port", port, "--dir", dir}
	if len(args) > 0 && args[0] == "--sentinel" {
		// A sentinel wants a file to write to.
		config := dir + "/sentinel.conf"
		if err := exec.Command("touch", config).Run(); err != nil {
			t.Fatal(err)
		}
		all = append([]string{config}, append(all, args...)...)
	} else {
		all = append(append(all, "--save", "", "--repl-diskless-sync-delay", "0"), args...)
	}
	s.cmd = exec.Command("redis-server", all...)
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("tests of several Redis servers need redis-server on the PATH: %v", err)
	}
	t.Cleanup(s.kill)
	c := s.client()
	defer c.Close()
	harness.Eventually(t, 10*time.Second, "redis-server answers", func() bool { return c.Ping(t.Context()).Err() == nil })
	return s
}

func (s *server) kill() {
	if s.cmd.ProcessState == nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
	}
}

func (s *server) client() *redis.Client {
	return redis.NewClient(shortTimeouts(&redis.Options{Addr: s.addr}))
}

func (s *server) follow(master *server) {
	s.t.Helper()
	c := s.client()
	defer c.Close()
	host, port, _ := net.SplitHostPort(master.addr)
	if err := c.Do(s.t.Context(), "REPLICAOF", host, port).Err(); err != nil {
		s.t.Fatal(err)
	}
	harness.Eventually(s.t, 20*time.Second, "the replica follows", func() bool {
		return strings.Contains(c.Info(s.t.Context(), "replication").Val(), "master_link_status:up")
	})
}
