package mlcache

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/mlcache/mlcache/cache"
)

// churn finds the statements whose answers are seldom asked for again before a
// write makes them bad. With Redis a miss costs two commands more than the query
// itself, so for these the cache costs more than it gives, and for a while they go
// straight to the database, past L1 too: what is there was read before the last write.
type churn struct {
	until atomic.Int64  // Unix nanoseconds
	hits  atomic.Uint32 // since the window began, as far as connections have told

	mu              sync.Mutex
	misses, changes int
	versions        uint64        // a digest of those at the last miss
	pause           time.Duration // the last one; 0 when the last window paid
}

// A window is judged when it has churnMisses. A statement that is only new has
// many misses, too, but not churnChanges of its versions (one write in twenty
// statements makes about so many); and less than one hit for two misses does not
// pay. Each window in a row that does not pay makes the pause
// after it twice as long.
const (
	churnMisses   = 64
	churnChanges  = 3
	churnPause    = 500 * time.Millisecond
	churnMaxPause = 8 * churnPause
)

// is reports whether the statement should go past the cache.
func (ch *churn) is(now time.Time) bool {
	until := ch.until.Load()
	return until != 0 && now.UnixNano() < until
}

// outdates says whether an entry is from before the end of the last pause. The reads
// of the pause may have seen something newer, also of a write that this process has not
// heard of: who had that answer must not get an older one.
func (ch *churn) outdates(entry []byte) bool {
	until := ch.until.Load()
	return until != 0 && cache.StoredAt(entry) <= until/int64(time.Millisecond)
}

// miss counts one, under these versions.
func (ch *churn) miss(versions []uint64, now time.Time) {
	var digest uint64
	for _, v := range versions {
		digest = digest*31 + v
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if digest != ch.versions {
		ch.versions = digest
		ch.changes++
	}
	if ch.misses++; ch.misses < churnMisses {
		return
	}
	switch hits := ch.hits.Swap(0); {
	case hits >= churnMisses/2:
		ch.pause = 0
	case ch.changes >= churnChanges:
		ch.pause = min(max(2*ch.pause, churnPause), churnMaxPause)
		ch.until.Store(now.Add(ch.pause).UnixNano())
	}
	ch.misses, ch.changes = 0, 0
}

// hitCounts are a connection's hits that it has not told the plans of yet: a hit
// must not write to what other connections read.
type hitCounts [hitSlots]struct {
	plan  *plan
	hits  uint32
	batch uint32 // so many are told at once
}

const (
	hitSlots = 8
	tellHits = 16
)

// hit counts one, and returns how many the caller shall tell the plan of: mostly 0.
// The first statements of a connection are told of sooner, so that those who look at
// the counts of a quiet program see something.
func (h *hitCounts) hit(p *plan) (tell uint32) {
	s := &h[p.digest[0]%hitSlots]
	if s.plan != p {
		s.batch = tellHits
		if s.plan == nil {
			s.batch = 1
		} else if s.hits > 0 {
			s.plan.told(s.hits)
		}
		s.plan, s.hits = p, 0
	}
	if s.hits++; s.hits < s.batch {
		return 0
	}
	tell = s.hits
	s.hits, s.batch = 0, min(2*s.batch, tellHits)
	return tell
}

// tell tells the plan of its hits.
func (h *hitCounts) tell(p *plan) {
	if s := &h[p.digest[0]%hitSlots]; s.plan == p && s.hits > 0 {
		p.told(s.hits)
		s.hits = 0
	}
}
