package mlcache

import (
	"testing"
	"time"
)

// Only a statement whose versions change all the time, and whose answers are not
// asked for again meanwhile, goes past the cache, and only for a while.
func TestChurn(t *testing.T) {
	for _, c := range []struct {
		name          string
		hits          uint32 // in each window
		missesAChange int
		want          bool
	}{
		{"a new process with cold levels", 0, churnMisses * 10, false},
		{"a table that is written now and then", 0, churnMisses / 2, false},
		{"a table that is written between reads", 0, 1, true},
		{"a table that is written after some reads", churnMisses/2 - 1, 10, true},
		{"one hit for two misses", churnMisses / 2, 1, false},
	} {
		var ch churn
		now := time.Now()
		version := uint64(1)
		for window := range 3 {
			if window > 0 { // the first has the change from nothing
				ch.hits.Add(c.hits)
			}
			for i := range churnMisses {
				if i%c.missesAChange == 0 && c.missesAChange < churnMisses*10 {
					version++
				}
				ch.miss([]uint64{7, version}, now)
			}
			if window == 0 {
				ch.until.Store(0)
				ch.pause = 0
			}
		}
		if got := ch.is(now); got != c.want {
			t.Errorf("%s: goes past the cache: %v, want %v", c.name, got, c.want)
		}
		if ch.is(now.Add(2 * churnPause)) {
			t.Errorf("%s: for longer than two pauses", c.name)
		}
	}
}

// A statement that has been tried again and again is tried less often, until it pays.
func TestChurnPause(t *testing.T) {
	var ch churn
	now := time.Now()
	version := uint64(1)
	window := func(hits uint32) (pause time.Duration) {
		ch.until.Store(0)
		ch.hits.Add(hits)
		for range churnMisses {
			version++
			ch.miss([]uint64{version}, now)
		}
		return time.Duration(max(0, ch.until.Load()-now.UnixNano()))
	}
	for i, want := range []time.Duration{churnPause, 2 * churnPause, 4 * churnPause, churnMaxPause, churnMaxPause} {
		if got := window(0); got != want {
			t.Errorf("window %d: a pause of %v, want %v", i, got, want)
		}
	}
	if got := window(churnMisses); got != 0 {
		t.Errorf("a window that pays: a pause of %v", got)
	}
	if got := window(0); got != churnPause {
		t.Errorf("after a window that paid: a pause of %v, want %v", got, churnPause)
	}
}

// A plan learns of the hits of all its connections, and of no others: of the first
// at once, of the rest in batches.
func TestHitCounts(t *testing.T) {
	var one, two plan // of one slot
	var h hitCounts
	hit := func(p *plan) {
		if n := h.hit(p); n > 0 {
			p.told(n)
		}
	}
	for i := range uint32(1000) {
		hit(&one)
		if n := one.churn.hits.Load(); n > i+1 || n+tellHits <= i+1 {
			t.Fatalf("after %d hits the plan knows of %d", i+1, n)
		}
		if i == 0 && one.churn.hits.Load() != 1 {
			t.Error("the plan does not know of the first hit")
		}
	}
	hit(&two)
	h.tell(&one)
	h.tell(&two)
	if n, m := one.churn.hits.Load(), two.churn.hits.Load(); n != 1000 || m != 1 {
		t.Errorf("the plans know of %d and %d hits, want 1000 and 1", n, m)
	}
}
