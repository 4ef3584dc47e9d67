package test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/invalidation"
)

// finding has changes in doubt found out about by f, for all of them alike.
func finding(f func(ctx context.Context) bool) func(*invalidation.Config) {
	return func(c *invalidation.Config) {
		c.Over = func(ctx context.Context, doubts []invalidation.Doubt) []bool {
			over := make([]bool, len(doubts))
			is := f(ctx)
			for i := range over {
				over[i] = is
			}
			return over
		}
	}
}

func never(context.Context) bool  { return false }
func always(context.Context) bool { return true }

// held puts up a fence of somebody who can carry a change out when its process is gone.
func (p *peer) held(scope string) *invalidation.Fence {
	p.t.Helper()
	f, err := p.Fence(p.t.Context(), []string{scope}, invalidation.FenceOptions{Wait: true, Holder: "server/1"})
	if err != nil {
		p.t.Fatal(err)
	}
	return f
}

// leaveOrphan leaves a fence of a process that is gone, whose lease ends soon.
func leaveOrphan(t *testing.T, addr, scope string) {
	t.Helper()
	const leaseTime = 100 * time.Millisecond
	dead := newPeer(t, addr, lease(leaseTime), finding(never))
	dead.held(scope)
	dead.client.Close()
	time.Sleep(2 * leaseTime)
}

// open says whether somebody who knows nothing yet can use answers of the scope.
func open(t *testing.T, addr, scope string) bool {
	t.Helper()
	return newPeer(t, addr).know(scope).Load() != 0
}

// closing closes the peer and returns how long that has taken.
func (p *peer) closing() time.Duration {
	begun := time.Now()
	_ = p.Close() // the error is about changes that Redis has not been told of
	return time.Since(begun)
}

// A process that does not live for long settles what it has in doubt before it ends, also where the session takes a moment to end.
func TestInvalidationCloseSettlesWhatIsInDoubt(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]int64{"over": 0, "over soon": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newRedis(t)
			var asked atomic.Int64
			writer := newPeer(t, m.Addr(), finding(func(context.Context) bool { return asked.Add(1) > after }))
			reader := newPeer(t, m.Addr())
			old := reader.before("t")
			release(t, writer.held("t"), invalidation.Unknown)
			writer.closing()
			eventually(t, "open again", func() bool { return reader.know("t").Load() != 0 })
			if reader.current(reader.Cell("t"), old.versions[1]) {
				t.Error("the version from before the change")
			}
		})
	}
}

// What a process was to find out for others, and has not, others find out at once.
func TestInvalidationCloseGivesBackWhatItWasToFindOut(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	leaveOrphan(t, m.Addr(), "t")
	if open(t, m.Addr(), "t") {
		t.Fatal("the fence is gone")
	}
	short := newPeer(t, m.Addr(), bound(30*time.Millisecond), finding(never))
	short.know("u")
	eventually(t, "it was told to find out", func() bool { return short.Stats().Orphans > 0 })
	short.closing()
	long := newPeer(t, m.Addr(), bound(30*time.Millisecond), finding(always))
	long.know("u")
	eventually(t, "open again", func() bool { return open(t, m.Addr(), "t") })
}

// Nor does a process ask for it that cannot find out.
func TestInvalidationWhoCannotFindOutIsNotAsked(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	reader := newPeer(t, m.Addr(), bound(30*time.Millisecond))
	leaveOrphan(t, m.Addr(), "t")
	if open(t, m.Addr(), "t") {
		t.Fatal("the fence is gone")
	}
	reader.know("u")
	polls := reader.Stats().Polls
	eventually(t, "polls", func() bool { return reader.Stats().Polls > polls+2 })
	able := newPeer(t, m.Addr(), bound(30*time.Millisecond), finding(always))
	able.know("u")
	eventually(t, "open again", func() bool { return open(t, m.Addr(), "t") })
}

// Close has little time for that, whoever does not answer.
func TestInvalidationCloseIsNotHeldUp(t *testing.T) {
	t.Parallel()
	const long = 3 * time.Second
	for name, find := range map[string]func(ctx context.Context) bool{
		"by a change that goes on": never,
		"by a database that does not answer": func(ctx context.Context) bool {
			<-ctx.Done()
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newRedis(t)
			p := newPeer(t, m.Addr(), finding(find))
			release(t, p.held("t"), invalidation.Unknown)
			if took := p.closing(); took > long {
				t.Errorf("Close took %v", took)
			}
			if open(t, m.Addr(), "t") {
				t.Error("open while it is in doubt")
			}
		})
	}
	t.Run("by a Redis that does not answer", func(t *testing.T) {
		t.Parallel()
		m := newRedis(t)
		leaveOrphan(t, m.Addr(), "u")
		if open(t, m.Addr(), "u") {
			t.Fatal("the fence is gone")
		}
		var over atomic.Bool
		p := newPeer(t, m.Addr(), bound(30*time.Millisecond), finding(func(context.Context) bool { return over.Load() }))
		for n := range 12 {
			release(t, p.held(strconv.Itoa(n)), invalidation.Unknown)
		}
		eventually(t, "it was told to find out", func() bool { return p.Stats().Orphans > 0 })
		p.client.AddHook(silentRedis{})
		over.Store(true)
		if took := p.closing(); took > long {
			t.Errorf("Close took %v", took)
		}
	})
}

// silentRedis lets commands wait for an answer that does not come.
type silentRedis struct{}

func (silentRedis) DialHook(next redis.DialHook) redis.DialHook { return next }

func (silentRedis) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (silentRedis) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if ctx.Err() == nil {
			time.Sleep(400 * time.Millisecond)
		}
		cmd.SetErr(context.DeadlineExceeded)
		return cmd.Err()
	}
}

// Redis remembers who can carry out the changes of a process no longer than it must: programs that live for a moment come
// and go all day.
func TestInvalidationProcessesThatHaveEndedAreForgotten(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	known := func() int { return strings.Count(m.HGet("{test}:v", "k"), ";") }
	for range 20 {
		p := newPeer(t, m.Addr(), finding(never))
		release(t, p.held("t"), invalidation.Committed)
		p.closing()
	}
	if n := known(); n > 0 {
		t.Errorf("%d processes that ended are known", n)
	}
	for range 530 { // they were killed
		p := newPeer(t, m.Addr(), finding(never))
		p.held("t")
		p.client.Close()
		if n := known(); n > 512 {
			t.Fatalf("%d processes are known", n)
		}
	}
	if n := known(); n != 512 {
		t.Errorf("%d processes are known in the end", n)
	}
}

// Of more fences than the queue remembers for a scope Redis is not told when it answers again: it keeps them up. The writer
// knows that they are over.
func TestInvalidationFencesThatTheQueueHasNoRoomForEnd(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	door := openDoor(t, m.Addr())
	writer := newPeer(t, door.listener.Addr().String(), bound(30*time.Millisecond), lease(300*time.Millisecond), finding(never))
	// Each has other scopes, so that none shares another's, and the last ones come late for each of theirs.
	letters := []string{"a", "b", "c", "d", "e"}
	fences := make([]*invalidation.Fence, 1<<len(letters)-1)
	for i := range fences {
		var scopes []string
		for bit, letter := range letters {
			if (i+1)>>bit&1 == 1 {
				scopes = append(scopes, letter)
			}
		}
		f, err := writer.Fence(t.Context(), scopes, invalidation.FenceOptions{Wait: true, Holder: "server/1"})
		if err != nil {
			t.Fatal(err)
		}
		fences[i] = f
	}
	door.setShut(true)
	for _, f := range fences {
		if f.Release(t.Context(), invalidation.Committed) == nil {
			t.Fatal("Redis has been told")
		}
	}
	door.setShut(false)
	eventually(t, "open again", func() bool {
		return !slices.ContainsFunc(letters, func(letter string) bool { return !open(t, m.Addr(), letter) })
	})
}
