package invalidation

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestQueueKeepsEachScopeOnce(t *testing.T) {
	t.Parallel()
	v := withRedis(t)
	c := v.Cell("t")
	for i := range 100 {
		f, _ := v.Fence(context.Background(), []string{"t"}, FenceOptions{})
		if err := f.Release(context.Background(), Committed); err == nil {
			t.Fatal("no error without a Redis")
		}
		if got := v.Stats().Queued; got > 1 {
			t.Fatalf("%d scopes queued after %d changes", got, i+1)
		}
	}
	// What the background is trying to tell Redis is not in the queue for that long.
	v.draining.Lock()
	v.mu.Lock()
	w := v.queue.cells[c]
	if w.holds != 100 || len(w.ids) != queueIDs || c.holds != 100 {
		t.Errorf("%d holds, %d ids, %d holds on the cell", w.holds, len(w.ids), c.holds)
	}
	v.mu.Unlock()
	v.draining.Unlock()
	if err := v.Close(); err == nil {
		t.Error("Close lost a change and has no error")
	}
}

// holdReleases fails every command, those that end a fence not before somebody takes the error from it.
type holdReleases chan error

func (holdReleases) DialHook(next redis.DialHook) redis.DialHook { return next }

func (holdReleases) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h holdReleases) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error {
		err := errors.New("no Redis here")
		if slices.Contains(cmd.Args(), any("release")) {
			h <- err
			h <- err
		}
		cmd.SetErr(err)
		return err
	}
}

// Close must not take the queue for empty while the background is at it: what it has under way may fail, and then the
// change would be lost and nobody told.
func TestCloseWaitsForWhatIsBeingDelivered(t *testing.T) {
	t.Parallel()
	v := withRedis(t)
	releases := make(holdReleases)
	v.client.AddHook(releases)
	c := v.Cell("t")
	f, _ := v.Fence(t.Context(), []string{"t"}, FenceOptions{})
	released := make(chan error)
	go func() { released <- f.Release(context.Background(), Committed) }()
	<-releases
	<-releases
	if err := <-released; err == nil {
		t.Fatal("no error without a Redis")
	}
	<-releases // the background
	v.mu.Lock()
	if c.holds != 1 || !v.queue.empty() {
		t.Errorf("%d holds on the cell, %d cells queued", c.holds, len(v.queue.cells))
	}
	v.mu.Unlock()
	closed := make(chan error)
	go func() { closed <- v.Close() }()
	time.Sleep(20 * time.Millisecond)
	for {
		select {
		case <-releases:
		case err := <-closed:
			if err == nil {
				t.Error("Close lost a change and has no error")
			}
			return
		}
	}
}

func TestQueueTurnsIntoEverything(t *testing.T) {
	t.Parallel()
	v := withRedis(t)
	learn(t, v, answer(birthA, 1, 1))
	var kept []*Cell
	for i := range queueMax + 1 {
		c := v.Cell(strconv.Itoa(i))
		c.hold()
		kept = append(kept, c)
		v.queue.add(v.epoch, waiting{ids: []string{"f"}, holds: 1}, false, []*Cell{c})
	}
	if v.queue.all.holds != 1 || len(v.queue.cells) != 0 || v.Epoch().Load() != 0 {
		t.Errorf("%d holds, %d scopes, epoch %d", v.queue.all.holds, len(v.queue.cells), v.Epoch().Load())
	}
	if v.Stats().Queued != -1 {
		t.Errorf("Queued is %d", v.Stats().Queued)
	}
	for _, c := range kept {
		if c.holds != 0 || c.Load() != 0 {
			t.Fatalf("cell %s: %d holds, version %d", c.Scope(), c.holds, c.Load())
		}
	}
}

// An unknown outcome that is delivered late keeps its fence still, and does not fence what others committed.
// After the lease a fence that names who can carry its change out stands still, for others to find out.
func TestQueueLeavesNamedFencesToOthers(t *testing.T) {
	t.Parallel()
	long := time.Now().Add(-time.Hour)
	for id, want := range map[string]bool{"plain": false, "process~1": true, "!process~1": true} {
		w := waiting{ids: []string{id}, holds: 1, unknownUntil: long}
		if got := w.unknown(time.Now()); got != want {
			t.Errorf("%s: unknown %t", id, got)
		}
		if (waiting{ids: []string{id}, holds: 1}).unknown(time.Now()) {
			t.Errorf("%s: a change that was made is unknown", id)
		}
	}
}

func TestQueueKeepsUnknownOutcomesApart(t *testing.T) {
	t.Parallel()
	v := withRedis(t)
	now := time.Now()
	sure, unsure, past := v.Cell("sure"), v.Cell("unsure"), v.Cell("past")
	v.queue.add(v.epoch, waiting{ids: []string{"a"}, holds: 1}, false, []*Cell{sure})
	v.queue.add(v.epoch, waiting{ids: []string{"b"}, holds: 1, unknownUntil: now.Add(time.Second)}, false, []*Cell{unsure})
	v.queue.add(v.epoch, waiting{ids: []string{"c"}, holds: 1, unknownUntil: now.Add(-1)}, false, []*Cell{past})
	got := map[*Cell]bool{}
	for range 2 {
		_, cells, _, unknown := v.queue.take(now)
		for _, c := range cells {
			got[c] = unknown
		}
	}
	if len(got) != 3 || got[sure] || !got[unsure] || got[past] {
		t.Errorf("%v", got)
	}
	if !v.queue.empty() {
		t.Error("something is left")
	}
}
