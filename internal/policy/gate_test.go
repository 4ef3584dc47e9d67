package policy

import (
	"testing"
	"time"
)

// Only a statement whose versions change all the time, and whose answers are not
// asked for again meanwhile, goes past the cache, and only for a while.
func TestGate(t *testing.T) {
	for _, c := range []struct {
		name          string
		hits          uint32 // in each window
		missesAChange int
		want          bool
	}{
		{"a new process with cold levels", 0, gateMisses * 10, false},
		{"a table that is written now and then", 0, gateMisses / 2, false},
		{"a table that is written between reads", 0, 1, true},
		{"a table that is written after some reads", gateMisses/2 - 1, 10, true},
		{"one hit for two misses", gateMisses / 2, 1, false},
	} {
		var g Gate
		now := time.Now()
		version := uint64(1)
		for window := range 3 {
			if window > 0 { // the first has the change from nothing
				g.hits.Add(c.hits)
			}
			for i := range gateMisses {
				if i%c.missesAChange == 0 && c.missesAChange < gateMisses*10 {
					version++
				}
				g.Miss([]uint64{7, version}, now)
			}
			if window == 0 {
				g.until.Store(0)
				g.pause = 0
			}
		}
		if got := g.closedAt(now); got != c.want {
			t.Errorf("%s: goes past the cache: %v, want %v", c.name, got, c.want)
		}
		if g.closedAt(now.Add(2 * gatePause)) {
			t.Errorf("%s: for longer than two pauses", c.name)
		}
	}
}

// A statement that has been tried again and again is tried less often, until it pays.
func TestGatePause(t *testing.T) {
	var g Gate
	now := time.Now()
	version := uint64(1)
	window := func(hits uint32) (pause time.Duration) {
		g.until.Store(0)
		g.hits.Add(hits)
		for range gateMisses {
			version++
			g.Miss([]uint64{version}, now)
		}
		return time.Duration(max(0, g.until.Load()-now.UnixNano()))
	}
	for i, want := range []time.Duration{gatePause, 2 * gatePause, 4 * gatePause, gateMaxPause, gateMaxPause} {
		if got := window(0); got != want {
			t.Errorf("window %d: a pause of %v, want %v", i, got, want)
		}
	}
	if got := window(gateMisses); got != 0 {
		t.Errorf("a window that pays: a pause of %v", got)
	}
	if got := window(0); got != gatePause {
		t.Errorf("after a window that paid: a pause of %v, want %v", got, gatePause)
	}
}
