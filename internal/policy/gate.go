package policy

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/mlcache/mlcache/cache"
)

// Gate finds the statements whose answers are seldom asked for again before a
// write makes them bad. With Redis a miss costs two commands more than the query
// itself, so for these the cache costs more than it gives, and for a while they go
// straight to the database, past L1 too: what is there was read before the last write.
type Gate struct {
	until atomic.Int64  // Unix nanoseconds
	hits  atomic.Uint32 // since the window began, as far as connections have told

	mu              sync.Mutex
	misses, changes int
	versions        uint64        // a digest of those at the last miss
	pause           time.Duration // the last one; 0 when the last window paid
}

// A window is judged when it has gateMisses. A statement that is only new has
// many misses, too, but not gateChanges of its versions (one write in twenty
// statements makes about so many); and less than one hit for two misses does not
// pay. Each window in a row that does not pay makes the pause
// after it twice as long.
const (
	gateMisses   = 64
	gateChanges  = 3
	gatePause    = 500 * time.Millisecond
	gateMaxPause = 8 * gatePause
)

// Closed reports whether the statement should go past the cache. While it never has, that takes no look at the clock.
func (g *Gate) Closed() bool { return g.until.Load() != 0 && g.closedNow() }

func (g *Gate) closedNow() bool { return g.closedAt(time.Now()) }

func (g *Gate) closedAt(now time.Time) bool { return now.UnixNano() < g.until.Load() }

// Hit counts n hits.
func (g *Gate) Hit(n uint32) { g.hits.Add(n) }

// Hits are those that were counted since the last window was judged.
func (g *Gate) Hits() uint32 { return g.hits.Load() }

// Outdates says whether an entry is from before the end of the last pause. The reads
// of the pause may have seen something newer, also of a write that this process has not
// heard of: who had that answer must not get an older one.
func (g *Gate) Outdates(entry []byte) bool {
	until := g.until.Load()
	return until != 0 && cache.StoredAt(entry) <= until/int64(time.Millisecond)
}

// Miss counts one, under these versions.
func (g *Gate) Miss(versions []uint64, now time.Time) {
	var digest uint64
	for _, v := range versions {
		digest = digest*31 + v
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if digest != g.versions {
		g.versions = digest
		g.changes++
	}
	if g.misses++; g.misses < gateMisses {
		return
	}
	switch hits := g.hits.Swap(0); {
	case hits >= gateMisses/2:
		g.pause = 0
	case g.changes >= gateChanges:
		g.pause = min(max(2*g.pause, gatePause), gateMaxPause)
		g.until.Store(now.Add(g.pause).UnixNano())
	}
	g.misses, g.changes = 0, 0
}
