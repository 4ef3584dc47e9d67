package test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/invalidation"
)

// standingStill is a process whose background work stops at its first renewal, as all of a stopped process does.
type standingStill struct {
	holdUp
	stopped *atomic.Bool
}

func (s standingStill) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	held := s.holdUp.ProcessHook(next)
	return func(ctx context.Context, cmd redis.Cmder) error {
		if strings.Contains(fmt.Sprint(cmd.Args()...), s.op) && s.stopped.CompareAndSwap(false, true) {
			return held(ctx, cmd)
		}
		return next(ctx, cmd)
	}
}

// A writer that was stopped for longer than its fence's lease sets the fence again before it goes on: what was read and
// stored meanwhile is of no use.
func TestInvalidationStoppedWriterFencesAgain(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	const leaseTime = 600 * time.Millisecond
	for _, wait := range []bool{true, false} {
		writer, reader := newPeer(t, m.Addr(), lease(leaseTime)), newPeer(t, m.Addr())
		writer.know("t")
		h := standingStill{holdUp{"renew", make(chan struct{}, 1), make(chan struct{})}, new(atomic.Bool)}
		writer.client.AddHook(h)
		defer close(h.let)
		f := writer.fence(wait, "t")
		calls := writer.Stats().Calls
		start := time.Now()
		if err := f.Ensure(t.Context()); err != nil {
			t.Error(err)
		}
		if n := writer.Stats().Calls - calls; n != 0 && time.Since(start) < leaseTime/2 {
			t.Errorf("Ensure asked Redis %d times although the fence was new", n)
		}
		<-h.held
		eventually(t, "the lease ends", func() bool { return reader.know("t").Load() != 0 })
		meanwhile := reader.know("t").Load()
		if err := f.Ensure(t.Context()); err != nil {
			t.Error(err)
		}
		if reader.current(reader.Cell("t"), meanwhile) {
			t.Errorf("wait %v: what was read while the writer stood still is good after Ensure", wait)
		}
		if f.Valid(); reader.know("t").Load() != 0 {
			t.Errorf("wait %v: not fenced after Ensure", wait)
		}
		m.SetError("LOADING on purpose")
		if err := f.Ensure(t.Context()); err != nil {
			t.Errorf("a fence that stands: %v", err)
		}
		time.Sleep(leaseTime / 2)
		if err := f.Ensure(t.Context()); err == nil {
			t.Error("Ensure has no error though Redis cannot be asked")
		}
		m.SetError("")
	}
}

// A poll shows a scope open whose fence has ended, and leaves the fence where it is. When the writer, who stood still,
// renews it, that must be a new version: or what was read in between would be good again once the fence has ended for good.
func TestInvalidationRenewalOfAnEndedFenceIsANewVersion(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	const leaseTime = 300 * time.Millisecond
	writer, reader := newPeer(t, m.Addr(), lease(leaseTime)), newPeer(t, m.Addr())
	writer.know("t")
	reader.know("t")
	subscribed(t, reader) // and has polled for that
	h := standingStill{holdUp{"renew", make(chan struct{}, 1), make(chan struct{})}, new(atomic.Bool)}
	writer.client.AddHook(h)
	defer close(h.let)
	f := writer.fence(true, "t")
	<-h.held
	ended := func() bool {
		s, err := invalidation.Inspect(t.Context(), reader.client, "test")
		return err == nil && len(s.Fences) == 0
	}
	eventually(t, "the lease ends", ended)
	old := writer.versionInRedis("t")
	reader.Tighten(time.Hour - time.Second) // which polls
	eventually(t, "the poll shows the scope open", func() bool { return reader.Cell("t").Load() == old })
	if err := f.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Here the change becomes visible, and the writer dies.
	eventually(t, "the lease ends again", ended)
	if reader.current(reader.Cell("t"), old) {
		t.Error("what was read before the change, and after the fence had ended, is good")
	}
}

// versionInRedis looks at the hash and past the script, which would change it.
func (p *peer) versionInRedis(scope string) uint64 {
	p.t.Helper()
	text, err := p.client.HGet(p.t.Context(), "{test}:v", "s"+scope).Result()
	if err != nil || len(text) < 16 {
		p.t.Fatalf("%q, %v", text, err)
	}
	n, err := strconv.ParseUint(text[:16], 16, 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}
