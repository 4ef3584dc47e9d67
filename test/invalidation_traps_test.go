package test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/invalidation"
)

// store is what a cache does: an answer under the versions read before it was asked for.
type store struct {
	cells    []*invalidation.Cell
	versions []uint64
}

func (p *peer) before(scopes ...string) store {
	p.t.Helper()
	s := store{cells: []*invalidation.Cell{p.Epoch()}}
	for _, scope := range scopes {
		s.cells = append(s.cells, p.know(scope))
	}
	for _, c := range s.cells {
		s.versions = append(s.versions, c.Load())
	}
	return s
}

// usable reports whether the answer may be given from memory.
func (s store) usable() bool {
	for i, c := range s.cells {
		if s.versions[i] == 0 || c.Load() != s.versions[i] {
			return false
		}
	}
	return true
}

// on is the same answer as another process finds it in a shared cache.
func (s store) on(p *peer) store {
	o := store{cells: []*invalidation.Cell{p.Epoch()}, versions: s.versions}
	for _, c := range s.cells[1:] {
		o.cells = append(o.cells, p.know(c.Scope()))
	}
	return o
}

// Late fill: the reader asks the origin before the change and stores after it.
func TestInvalidationLateFill(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	writer, reader := newPeer(t, m.Addr()), newPeer(t, m.Addr())
	old := reader.before("t")
	if !old.usable() || !old.on(writer).usable() {
		t.Fatal("nothing is usable from the start")
	}
	writer.write("t")
	if old.on(writer).usable() {
		t.Error("the writer can use an answer from before its change")
	}
	if reader.current(reader.Cell("t"), old.versions[1]) {
		t.Error("Redis vouches for an answer from before the change")
	}
	if old.usable() {
		t.Error("the reader, having asked, can use the old answer")
	}
}

// A reader that asks while the change is in flight stores nothing, and one that did not notice the fence stores what is
// not good after the release.
func TestInvalidationFillDuringFence(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	writer, reader, late := newPeer(t, m.Addr()), newPeer(t, m.Addr()), newPeer(t, m.Addr())
	unaware := reader.before("t")
	f := writer.fence(true, "t")
	if got := late.before("t"); got.usable() {
		t.Error("a reader got a version of a fenced scope")
	}
	if !f.Valid() {
		t.Error("the fence is not valid")
	}
	release(t, f, invalidation.Committed)
	if unaware.on(writer).usable() || reader.current(reader.Cell("t"), unaware.versions[1]) {
		t.Error("an answer from before the fence is usable")
	}
}

// Own write visible before the push arrives: nothing is pushed here, since nobody listens.
func TestInvalidationOwnWrite(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	p := newPeer(t, m.Addr())
	for range 50 {
		old := p.before("a", "b")
		p.write("b")
		if old.usable() {
			t.Fatal("an answer from before the own write is usable")
		}
		if fresh := p.before("a", "b"); !fresh.usable() {
			t.Fatal("nothing is known after the own write")
		}
	}
}

// Two writers on one scope: the first release must not open the scope.
func TestInvalidationTwoWritersOnOneScope(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	first, second, reader := newPeer(t, m.Addr()), newPeer(t, m.Addr()), newPeer(t, m.Addr())
	a, b := first.fence(true, "t"), second.fence(true, "t")
	release(t, a, invalidation.Committed)
	for _, p := range []*peer{first, second, reader} {
		if p.know("t").Load() != 0 {
			t.Error("open with a second writer in flight")
		}
	}
	release(t, b, invalidation.Committed)
	if second.know("t").Load() == 0 || reader.current(reader.Cell("t"), second.Cell("t").Load()) == false {
		t.Error("shut after both releases")
	}
}

// Counter reborn: after the loss of everything no version may come back, though the sequence starts again.
func TestInvalidationVersionsAreNotReborn(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(p *peer) error{
		"FLUSHALL": func(p *peer) error { return p.client.FlushAll(context.Background()).Err() },
		"eviction": func(p *peer) error { return p.client.Del(context.Background(), "{test}:v").Err() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newRedis(t)
			p, fresh := newPeer(t, m.Addr(), bound(30*time.Millisecond)), newPeer(t, m.Addr())
			var olds []store
			for range 5 {
				olds = append(olds, p.before("t"))
				p.write("t")
			}
			olds = append(olds, p.before("t"))
			if err := lose(p); err != nil {
				t.Fatal(err)
			}
			for range 10 {
				for i, old := range olds {
					if old.on(fresh).usable() {
						t.Fatalf("version %d is back in a new process", i)
					}
				}
				fresh.write("t")
			}
			eventually(t, "the loss is noticed", func() bool { return !olds[len(olds)-1].usable() })
			eventually(t, "quarantine: fences may have been lost", func() bool { return p.Quarantine() > 0 })
			eventually(t, "something is usable again", func() bool { return p.before("t").usable() })
			for i, old := range olds {
				if old.usable() {
					t.Fatalf("version %d is back", i)
				}
			}
		})
	}
}

// A field that somebody removes is unknown, and never unchanged.
func TestInvalidationMissingFieldIsUnknown(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	p := newPeer(t, m.Addr())
	old := p.before("t")
	m.HDel("{test}:v", "st")
	if p.current(p.Cell("t"), old.versions[1]) {
		t.Error("a missing version counts as unchanged")
	}
}

// Lost message: the poll finds the change, in time.
func TestInvalidationLostMessage(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	const limit = 300 * time.Millisecond
	writer, reader := newPeer(t, m.Addr()), newPeer(t, m.Addr(), bound(limit), deaf)
	for range 5 {
		// A poll may have seen the fence, and not yet its release.
		var old store
		eventually(t, "an answer is usable", func() bool { old = reader.before("t"); return old.usable() && reader.Live(limit) })
		writer.write("t")
		done := time.Now()
		for old.usable() && reader.Live(limit) {
			if time.Since(done) > limit {
				t.Fatalf("usable %v after the change", time.Since(done))
			}
			time.Sleep(time.Millisecond)
		}
	}
	if n := reader.Stats().Messages; n != 0 {
		t.Fatalf("%d messages came through", n)
	}
}

// deaf lets no message through.
func deaf(c *invalidation.Config) { c.Client = deafClient{c.Client.(*redis.Client)} }

type deafClient struct{ *redis.Client }

func (c deafClient) Subscribe(ctx context.Context, _ ...string) *redis.PubSub {
	return c.Client.Subscribe(ctx, "nobody-publishes-here")
}

// The push is what makes it quick.
func TestInvalidationPush(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	writer, reader := newPeer(t, m.Addr()), newPeer(t, m.Addr())
	subscribed(t, writer, reader)
	for range 20 {
		old := reader.before("t")
		writer.write("t")
		eventually(t, "the message arrives", func() bool { return !old.usable() })
		if reader.Cell("t").Load() != writer.Cell("t").Load() {
			eventually(t, "the new version is known", func() bool { return reader.Cell("t").Load() == writer.Cell("t").Load() })
		}
	}
	old := reader.before("t")
	if err := writer.Invalidate(context.Background()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "everything is invalid", func() bool { return !old.usable() })
	eventually(t, "the new epoch is known", func() bool { return reader.before("t").usable() })
	if s := reader.Stats(); s.BadMessages != 0 || s.Resyncs != 0 {
		t.Errorf("%+v", s)
	}
}

// Stuck fence: a writer that died holds the scope until its lease ends, and no longer; what it changed or not, nothing
// from before its fence is usable.
func TestInvalidationStuckFence(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	start := time.Now()
	m.SetTime(start)
	dead, reader := newPeer(t, m.Addr()), newPeer(t, m.Addr())
	old := reader.before("t")
	dead.fence(true, "t")
	if reader.current(reader.Cell("t"), old.versions[1]) {
		t.Error("current though fenced")
	}
	m.SetTime(start.Add(4999 * time.Millisecond))
	late := newPeer(t, m.Addr())
	if late.know("t").Load() != 0 {
		t.Error("open before the lease has ended")
	}
	m.SetTime(start.Add(5001 * time.Millisecond))
	later := newPeer(t, m.Addr())
	if later.know("t").Load() == 0 {
		t.Error("shut after the lease has ended")
	}
	if old.on(later).usable() {
		t.Error("an answer from before the dead writer's fence is usable")
	}
}

// A dead writer's fence ends also where others write all the time.
func TestInvalidationStuckFenceAmongWriters(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	start := time.Now()
	m.SetTime(start)
	dead, writer := newPeer(t, m.Addr()), newPeer(t, m.Addr())
	dead.fence(true, "t")
	for i := range 8 {
		m.SetTime(start.Add(time.Duration(i) * time.Second))
		open := writer.fence(true, "t")
		next := writer.fence(true, "t")
		release(t, open, invalidation.Committed)
		release(t, next, invalidation.Committed)
	}
	if late := newPeer(t, m.Addr()); late.know("t").Load() == 0 {
		t.Error("shut three seconds after the lease has ended")
	}
}

// A live writer's lease is renewed.
func TestInvalidationLeaseIsRenewed(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	writer, reader := newPeer(t, m.Addr(), lease(600*time.Millisecond)), newPeer(t, m.Addr())
	f := writer.fence(true, "t", "u")
	c := reader.Cell("t")
	held := 0
	for start := time.Now(); time.Since(start) < 1500*time.Millisecond; time.Sleep(20 * time.Millisecond) {
		reader.current(c, 0)
		open := c.Load() != 0
		// On a machine that stands still for half a second the lease does end; then the fence must say so.
		if f.Valid() {
			if open {
				t.Fatalf("open, and the fence says that it holds: %+v", writer.Stats())
			}
			held++
		}
	}
	if held < 20 {
		t.Errorf("the fence held %d times only", held)
	}
	release(t, f, invalidation.Committed)
	if reader.current(c, 0); c.Load() == 0 {
		t.Error("shut after the release")
	}
}

// A fence that Redis has lost is set again while its writer lives.
func TestInvalidationLostFenceIsSetAgain(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	writer, reader := newPeer(t, m.Addr(), bound(30*time.Millisecond)), newPeer(t, m.Addr())
	writer.know("t")
	f := writer.fence(true, "t")
	all := writer.fence(true)
	m.FlushAll()
	c := reader.Cell("t")
	eventually(t, "the fence is back", func() bool { reader.current(c, 1); return m.HGet("{test}:v", "w") != "" && c.Load() == 0 })
	release(t, all, invalidation.Committed)
	release(t, f, invalidation.Committed)
	eventually(t, "open", func() bool { return reader.before("t").usable() })
}

// Unknown outcome: the change may become visible after the release, so the fence stays for its lease.
func TestInvalidationUnknownOutcome(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	start := time.Now()
	m.SetTime(start)
	writer, reader := newPeer(t, m.Addr()), newPeer(t, m.Addr())
	old := reader.before("t")
	// Waited for: by a clock that jumps, a command that is late comes when its mark has ended.
	release(t, writer.fence(true, "t"), invalidation.Unknown)
	if writer.know("t").Load() != 0 || reader.current(reader.Cell("t"), old.versions[1]) || reader.Cell("t").Load() != 0 {
		t.Error("open although the change may become visible")
	}
	release(t, writer.fence(true, "t"), invalidation.Committed)
	m.SetTime(start.Add(4900 * time.Millisecond))
	if newPeer(t, m.Addr()).know("t").Load() != 0 {
		t.Error("another writer's release has opened it")
	}
	m.SetTime(start.Add(5100 * time.Millisecond))
	later := newPeer(t, m.Addr())
	if later.know("t").Load() == 0 || old.on(later).usable() {
		t.Error("shut for good, or old answers are usable")
	}
}

func TestInvalidationRollbackOnlyReleases(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	writer, reader := newPeer(t, m.Addr()), newPeer(t, m.Addr())
	subscribed(t, writer, reader)
	f := writer.fence(true, "t")
	// A cell that nobody holds is forgotten.
	here, there := writer.Cell("t"), reader.know("t")
	if there.Load() != 0 {
		t.Error("not fenced")
	}
	release(t, f, invalidation.RolledBack)
	if here.Load() == 0 {
		t.Error("shut after a rollback")
	}
	eventually(t, "the reader hears of it", func() bool { return there.Load() == here.Load() })
}

// Everything fenced: no scope is readable in any process that asks.
func TestInvalidationEverything(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	writer, reader := newPeer(t, m.Addr()), newPeer(t, m.Addr())
	old := reader.before("t")
	f := writer.fence(true)
	if old.on(writer).usable() {
		t.Error("usable in the writer's process")
	}
	if reader.current(reader.Cell("t"), old.versions[1]) || reader.Epoch().Load() != 0 {
		t.Error("current in another process")
	}
	if newPeer(t, m.Addr()).before("t").usable() {
		t.Error("usable in a new process")
	}
	release(t, f, invalidation.Committed)
	if reader.current(reader.Epoch(), old.versions[0]) {
		t.Error("the epoch has not changed")
	}
	if !reader.before("t").usable() {
		t.Error("nothing is usable afterwards")
	}
}

func TestInvalidationOnChange(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	writer, reader := newPeer(t, m.Addr()), newPeer(t, m.Addr(), bound(30*time.Millisecond), deaf)
	told := make(chan struct{}, 100)
	// Nobody has ever asked for the scope's version.
	reader.OnChange("t", func() { told <- struct{}{} })
	reader.know("u")
	wait := func(what string) {
		t.Helper()
		select {
		case <-told:
		case <-time.After(5 * time.Second):
			t.Fatalf("not told of %s", what)
		}
		time.Sleep(50 * time.Millisecond)
		for len(told) > 0 {
			<-told
		}
	}
	wait("the first epoch")
	writer.write("t")
	wait("a change")
	if err := writer.Invalidate(context.Background()); err != nil {
		t.Fatal(err)
	}
	wait("the change of everything")
	m.FlushAll()
	wait("the loss of everything")
}

// More changes between two polls than Redis remembers: what is known is read again, or forgotten when it is much.
func TestInvalidationResync(t *testing.T) {
	t.Parallel()
	for _, known := range []int{10, 2000} {
		m := newRedis(t)
		writer, reader := newPeer(t, m.Addr()), newPeer(t, m.Addr(), bound(20*time.Second), deaf)
		scopes := make([]string, 5000)
		for i := range scopes {
			scopes[i] = strconv.Itoa(i)
		}
		var cells []*invalidation.Cell
		for _, s := range scopes[:known] {
			cells = append(cells, reader.Cell(s))
		}
		if err := reader.Ensure(context.Background(), cells); err != nil {
			t.Fatal(err)
		}
		eventually(t, "no further poll is due", func() bool { return reader.Stats().Subscriptions > 0 })
		time.Sleep(100 * time.Millisecond)
		was := make([]uint64, known)
		for i, c := range cells {
			was[i] = c.Load()
		}
		for some := range slices.Chunk(scopes, 250) {
			if err := writer.Invalidate(context.Background(), some...); err != nil {
				t.Fatal(err)
			}
		}
		reader.Tighten(200 * time.Millisecond) // asks now
		eventually(t, "every change is noticed", func() bool {
			for i, c := range cells {
				if c.Load() == was[i] {
					return false
				}
			}
			return true
		})
		if reader.Stats().Resyncs == 0 {
			t.Error("the change log was long enough after all")
		}
	}
}

// A client may send a command twice. The version that the first one made must not come back with the second.
func TestInvalidationRepeatedCommand(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	writer, other := newPeer(t, m.Addr()), newPeer(t, m.Addr())
	var last []any
	writer.client.AddHook(record{&last})
	writer.write("t")
	repeated := last
	old := writer.before("t")
	other.write("t")
	if err := other.client.Do(context.Background(), repeated...).Err(); err != nil {
		t.Fatal(err)
	}
	if other.current(other.Cell("t"), old.versions[1]) {
		t.Error("a version is back")
	}
}

// record keeps the arguments of the last release.
type record struct{ last *[]any }

func (record) DialHook(next redis.DialHook) redis.DialHook { return next }
func (h record) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if args := cmd.Args(); len(args) > 4 && args[4] == "release" {
			*h.last = args
		}
		return next(ctx, cmd)
	}
}
func (record) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
