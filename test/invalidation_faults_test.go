package test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/mlcache/mlcache/invalidation"
)

// The queue: changes that Redis was not told of keep their scopes shut here, and are delivered before this process is
// live again.
func TestInvalidationQueueIsDeliveredFirst(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	const limit = 90 * time.Millisecond
	writer, reader := newPeer(t, m.Addr(), bound(limit)), newPeer(t, m.Addr())
	old := reader.before("t", "u", "v")
	writer.know("t")
	m.SetError("LOADING on purpose")
	for _, o := range []invalidation.Outcome{invalidation.Committed, invalidation.Committed, invalidation.Unknown} {
		f, err := writer.Fence(context.Background(), []string{"t", "u"}, invalidation.FenceOptions{Wait: true})
		if err == nil || f == nil {
			t.Fatalf("Fence: %v, %v", f, err)
		}
		if f.Valid() {
			t.Error("a fence that Redis does not know is valid")
		}
		if err := f.Release(context.Background(), o); err == nil {
			t.Error("Release has no error")
		}
	}
	for range 3 {
		if err := writer.Invalidate(context.Background(), "v"); err == nil {
			t.Error("Invalidate has no error")
		}
	}
	if got := writer.Stats().Queued; got != 3 {
		t.Errorf("%d scopes queued, want 3", got)
	}
	eventually(t, "not live", func() bool { return !writer.Live(limit) })
	for _, scope := range []string{"t", "u", "v"} {
		if writer.Cell(scope).Load() != 0 {
			t.Errorf("%s is readable", scope)
		}
	}
	if err := writer.Ensure(context.Background(), []*invalidation.Cell{writer.Cell("w")}); err == nil {
		t.Error("Ensure has no error")
	}
	m.SetError("")
	eventually(t, "live again", func() bool { return writer.Live(limit) })
	if got := writer.Stats().Queued; got != 0 {
		t.Errorf("live with %d scopes queued", got)
	}
	for i, scope := range []string{"t", "u", "v"} {
		if reader.current(reader.Cell(scope), old.versions[1+i]) {
			t.Errorf("%s is unchanged for others", scope)
		}
	}
	if writer.know("v").Load() == 0 {
		t.Error("v is shut after its delivery")
	}
	if writer.know("t").Load() != 0 {
		t.Error("t is open although a change may become visible")
	}
}

// Everything queued is delivered as everything.
func TestInvalidationEverythingIsQueued(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	const limit = 60 * time.Millisecond
	writer, reader := newPeer(t, m.Addr(), bound(limit)), newPeer(t, m.Addr())
	old := reader.before("t")
	writer.know("t")
	m.SetError("LOADING on purpose")
	for range 3 {
		if err := writer.Invalidate(context.Background()); err == nil {
			t.Error("no error")
		}
	}
	if writer.Epoch().Load() != 0 {
		t.Error("the epoch is readable")
	}
	m.SetError("")
	eventually(t, "live and open again", func() bool { return writer.Live(limit) && writer.Epoch().Load() != 0 })
	if reader.current(reader.Epoch(), old.versions[0]) {
		t.Error("the epoch has not changed for others")
	}
}

// What Redis does not know yet is not current here, even when Redis says so.
func TestInvalidationCurrentKnowsTheQueue(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	p := newPeer(t, m.Addr())
	old := p.before("t")
	var failing atomic.Bool
	p.client.AddHook(failWrites{&failing})
	failing.Store(true)
	f, err := p.Fence(context.Background(), []string{"t"}, invalidation.FenceOptions{Wait: true})
	if err == nil {
		t.Fatal("Fence has no error")
	}
	if err := f.Release(context.Background(), invalidation.Committed); err == nil {
		t.Fatal("Release has no error")
	}
	if p.current(p.Cell("t"), old.versions[1]) {
		t.Error("the own change is forgotten")
	}
}

// failWrites fails every fence and release while it is set.
type failWrites struct{ on *atomic.Bool }

func (failWrites) DialHook(next redis.DialHook) redis.DialHook { return next }
func (h failWrites) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if args := cmd.Args(); h.on.Load() && len(args) > 4 && (args[4] == "fence" || args[4] == "release") {
			err := fmt.Errorf("on purpose")
			cmd.SetErr(err)
			return err
		}
		return next(ctx, cmd)
	}
}
func (failWrites) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// Redis away from the start: nothing is known, nothing hangs, and it begins by itself.
func TestInvalidationRedisAwayAtFirst(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	m.SetError("LOADING on purpose")
	const limit = 60 * time.Millisecond
	p := newPeer(t, m.Addr(), bound(limit))
	c := p.Cell("t")
	start := time.Now()
	for range 1000 {
		if err := p.Ensure(context.Background(), []*invalidation.Cell{c}); err == nil {
			t.Fatal("Ensure has no error")
		}
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("1000 calls took %v", d)
	}
	if calls := p.Stats().Calls; calls > 500 {
		t.Errorf("%d commands for 1000 calls: the pause between tries is not kept", calls)
	}
	m.SetError("")
	eventually(t, "known", func() bool { return p.Ensure(context.Background(), []*invalidation.Cell{c}) == nil && c.Load() != 0 })
}

// An answer in time counts from the question: a slow Redis does not stretch the bound.
func TestInvalidationLeaseCountsFromTheQuestion(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	link := newLink(t, m.Addr())
	const limit = 300 * time.Millisecond
	p := newPeer(t, link.addr(), bound(limit), deaf)
	p.know("t")
	const slow = 200 * time.Millisecond
	link.delay.Store(int64(slow))
	time.Sleep(2 * slow)
	before := p.Stats().Polls
	youngest := time.Hour
	for start := time.Now(); time.Since(start) < 5*slow; time.Sleep(time.Millisecond) {
		if age := p.Stats().Age; age >= 0 {
			youngest = min(youngest, age)
		}
	}
	if p.Stats().Polls < before+3 {
		t.Fatal("too few polls")
	}
	if youngest < slow {
		t.Errorf("an answer that took %v counted as %v old", slow, youngest)
	}
}

// Stall: commands hang. The fence that is not waited for returns at once, since its command was written; reads and
// writes return within the client's timeout; afterwards nothing old is usable.
func TestInvalidationStall(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	link := newLink(t, m.Addr())
	const limit = 100 * time.Millisecond
	writer, reader := newPeer(t, link.addr(), bound(limit)), newPeer(t, m.Addr())
	writer.client.Options().ReadTimeout = 200 * time.Millisecond
	old := reader.before("t")
	writer.know("t")
	writer.write("warm-up")
	link.stall(true)
	start := time.Now()
	f := writer.fence(false, "t")
	if d := time.Since(start); d > 100*time.Millisecond {
		t.Errorf("Fence waited %v for an answer", d)
	}
	eventually(t, "not live", func() bool { return !writer.Live(limit) })
	if err := f.Release(context.Background(), invalidation.Committed); err == nil {
		t.Error("Release has no error")
	}
	link.stall(false)
	eventually(t, "live again", func() bool { return writer.Live(limit) && writer.Stats().Queued == 0 })
	if reader.current(reader.Cell("t"), old.versions[1]) {
		t.Error("unchanged for others")
	}
}

// Round trips: an autocommit write costs two commands; in bounded use the caller waits for one. A hit costs none, a
// strict check one, with the caller's own commands in the same pipeline.
func TestInvalidationRoundTrips(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	link := newLink(t, m.Addr())
	p := newPeer(t, link.addr())
	cells := []*invalidation.Cell{p.know("a"), p.know("b"), p.Epoch()}
	p.write("a", "b")
	eventually(t, "subscribed", func() bool { return p.Stats().Subscriptions > 0 })
	time.Sleep(50 * time.Millisecond)
	versions := []uint64{cells[0].Load(), cells[1].Load(), cells[2].Load()}
	ctx := context.Background()

	count := func(what string, want int64, f func()) {
		t.Helper()
		before := link.requests.Load()
		f()
		// A fence that nobody waits for may pass the link after the release that overtakes it.
		for end := time.Now().Add(5 * time.Second); link.requests.Load()-before < want && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		if got := link.requests.Load() - before; got != want {
			t.Errorf("%s: %d requests, want %d", what, got, want)
		}
	}
	count("hit", 0, func() {
		for range 100 {
			p.Live(time.Second)
			cells[0].Load()
			if err := p.Ensure(ctx, cells); err != nil {
				t.Error(err)
			}
		}
	})
	// The client keeps connections of their own for pipelines: the first one opens one.
	if err := p.Current(ctx, cells, versions, func(pipe redis.Pipeliner) { pipe.Get(ctx, "entry") }); err != nil {
		t.Error(err)
	}
	count("strict hit", 1, func() {
		var got *redis.StringCmd
		if err := p.Current(ctx, cells, versions, func(pipe redis.Pipeliner) { got = pipe.Get(ctx, "entry") }); err != nil {
			t.Error(err)
		}
		if got.Err() != redis.Nil {
			t.Errorf("the caller's command: %v", got.Err())
		}
	})
	count("write of many scopes", 2, func() { p.write("a", "b", "c", "d", "e", "f") })
	count("three unknown scopes", 1, func() {
		if err := p.Ensure(ctx, []*invalidation.Cell{p.Cell("x"), p.Cell("y"), p.Cell("z")}); err != nil {
			t.Error(err)
		}
	})

	const slow = 150 * time.Millisecond
	link.delay.Store(int64(slow))
	start := time.Now()
	f := p.fence(false, "a")
	if d := time.Since(start); d > slow/2 {
		t.Errorf("a fence sent alongside took %v", d)
	}
	time.Sleep(2 * slow) // the change itself
	start = time.Now()
	release(t, f, invalidation.Committed)
	if d := time.Since(start); d < slow || d > 2*slow {
		t.Errorf("a release took %v, want one round trip of %v", d, slow)
	}
	start = time.Now()
	f = p.fence(true, "a")
	if d := time.Since(start); d < slow {
		t.Errorf("a fence that is waited for took %v", d)
	}
	release(t, f, invalidation.Committed)
}

// No goroutine outlives Close, whatever was under way.
func TestInvalidationCloseLeavesNothing(t *testing.T) {
	m := newRedis(t)
	before := goleak.IgnoreCurrent()
	for _, fail := range []bool{false, true} {
		client := redis.NewClient(&redis.Options{Addr: m.Addr(), MaxRetries: -1})
		v, err := invalidation.Open(invalidation.Config{Client: client, MaxStaleness: 30 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for n := range 50 {
					scope := fmt.Sprint(i, n%3)
					_ = v.Ensure(context.Background(), []*invalidation.Cell{v.Cell(scope)})
					f, _ := v.Fence(context.Background(), []string{scope}, invalidation.FenceOptions{Wait: n%2 == 0})
					if n%7 > 0 {
						f.Release(context.Background(), invalidation.Committed)
					}
				}
			})
		}
		time.Sleep(20 * time.Millisecond)
		if fail {
			m.SetError("LOADING on purpose")
		}
		v.Close()
		wg.Wait()
		v.Close()
		client.Close()
		if err := goleak.Find(before, goleak.IgnoreAnyFunction("github.com/alicebob/miniredis/v2/server.(*Server).ServeConn")); err != nil {
			t.Error(err)
		}
	}
}

// link is a proxy that can count, delay and stall. A request is one write of the client's.
type link struct {
	listener net.Listener
	requests atomic.Int64
	delay    atomic.Int64
	mu       sync.Mutex
	gate     *sync.Cond
	stalled  bool
}

func newLink(t testing.TB, to string) *link {
	t.Helper()
	l := &link{}
	l.gate = sync.NewCond(&l.mu)
	var err error
	if l.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			client, err := l.listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			t.Cleanup(func() { client.Close(); server.Close() })
			conns.Go(func() { l.copy(server, client, true) })
			conns.Go(func() { l.copy(client, server, false) })
		}
	})
	t.Cleanup(func() {
		l.listener.Close()
		l.stall(false)
	})
	return l
}

func (l *link) addr() string { return l.listener.Addr().String() }

func (l *link) stall(on bool) {
	l.mu.Lock()
	l.stalled = on
	l.mu.Unlock()
	l.gate.Broadcast()
}

func (l *link) copy(to, from net.Conn, request bool) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if request {
			l.requests.Add(1)
			time.Sleep(time.Duration(l.delay.Load()))
		}
		l.mu.Lock()
		for l.stalled {
			l.gate.Wait()
		}
		l.mu.Unlock()
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
