package test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/invalidation"
)

// holdUp keeps commands that carry out an operation of the script from being sent, until let.
type holdUp struct {
	op   string
	held chan struct{} // one for each command
	let  chan struct{}
}

func (h holdUp) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h holdUp) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h holdUp) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if slices.Contains(cmd.Args(), any(h.op)) {
			h.held <- struct{}{}
			<-h.let
		}
		return next(ctx, cmd)
	}
}

func holdingUp(t *testing.T, p *peer, op string) holdUp {
	t.Helper()
	p.know("warm-up") // the script is in Redis now
	h := holdUp{op, make(chan struct{}, 100), make(chan struct{})}
	p.client.AddHook(h)
	return h
}

// A fence whose command cannot be written gives the caller's time back, and its release does not wait for it.
func TestInvalidationFenceThatCannotBeSent(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	writer, reader := newPeer(t, m.Addr()), newPeer(t, m.Addr())
	for _, outcome := range []invalidation.Outcome{invalidation.Committed, invalidation.RolledBack} {
		old := reader.before("t", "u")
		h := holdingUp(t, writer, "fence")
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		f, err := writer.Fence(ctx, []string{"t", "u"}, invalidation.FenceOptions{})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Fence: %v, want the context's error", err)
		}
		if writer.Cell("t").Load() != 0 {
			t.Error("readable in the writer's process")
		}
		release(t, f, outcome)
		for i, scope := range []string{"t", "u"} {
			if c := reader.Cell(scope); reader.current(c, old.versions[i+1]) != (outcome == invalidation.RolledBack) {
				t.Errorf("%v: the old version of %s: current %v", outcome, scope, outcome != invalidation.RolledBack)
			}
		}
		released := reader.know("t").Load()
		if released == 0 {
			t.Error("shut after the release")
		}
		close(h.let)
		eventually(t, "the fence has come", func() bool { return writer.Stats().OpenFences == 0 && len(h.held) == 1 && answered(writer) })
		if c := reader.Cell("t"); !reader.current(c, released) {
			t.Errorf("%v: a fence that comes after its release fences, or changes the version", outcome)
		}
	}
}

// answered reports whether as many commands were answered as were sent, for a while.
func answered(p *peer) bool {
	before := p.Stats().Calls
	time.Sleep(50 * time.Millisecond)
	return p.Stats().Calls == before
}

// The same for everything.
func TestInvalidationWideFenceThatComesLate(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	writer, reader := newPeer(t, m.Addr()), newPeer(t, m.Addr())
	h := holdingUp(t, writer, "fence")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	f, _ := writer.Fence(ctx, nil, invalidation.FenceOptions{All: true})
	release(t, f, invalidation.Committed)
	now := reader.before("t")
	close(h.let)
	eventually(t, "the fence has come", func() bool { return len(h.held) == 1 && answered(writer) })
	if !reader.current(reader.Epoch(), now.versions[0]) {
		t.Error("a fence of everything that comes after its release fences")
	}
}

// After an unknown outcome a late fence must stand, and does not stand for ever.
func TestInvalidationLateFenceOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	const leaseTime = 400 * time.Millisecond
	writer, reader := newPeer(t, m.Addr(), lease(leaseTime)), newPeer(t, m.Addr())
	h := holdingUp(t, writer, "fence")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	f, _ := writer.Fence(ctx, []string{"t"}, invalidation.FenceOptions{})
	start := time.Now()
	release(t, f, invalidation.Unknown)
	if reader.know("t").Load() != 0 && time.Since(start) < leaseTime {
		t.Error("open after an unknown outcome")
	}
	start = time.Now()
	close(h.let)
	eventually(t, "the fence has come", func() bool { return len(h.held) == 1 && answered(writer) })
	if reader.know("t").Load() != 0 && time.Since(start) < leaseTime {
		t.Error("open after the fence has come late")
	}
	eventually(t, "open again", func() bool { return reader.know("t").Load() != 0 })
}
