package invalidation

import (
	"context"
	"strconv"
	"testing"
	"time"
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
		if got := v.Stats().Queued; got != 1 {
			t.Fatalf("%d scopes queued after %d changes", got, i+1)
		}
	}
	w := v.queue.cells[c]
	if w.holds != 100 || len(w.ids) != queueIDs || c.holds != 100 {
		t.Errorf("%d holds, %d ids, %d holds on the cell", w.holds, len(w.ids), c.holds)
	}
	if err := v.Close(); err == nil {
		t.Error("Close lost a change and has no error")
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
