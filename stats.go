package mlcache

import (
	"sync"
	"sync/atomic"

	"github.com/mlcache/mlcache/cache"
)

// stats are an engine's counters.
type stats struct {
	levels       cache.Stats
	own          cache.Stripe // of background work
	misses       atomic.Uint64
	shared       atomic.Uint64
	fillsDropped atomic.Uint64
	fenceErrors  atomic.Uint64
	lateReleases atomic.Uint64
	bypasses     sync.Map // Reason -> *atomic.Uint64; reasons are a closed list
}

func (s *stats) bypass(r Reason) {
	n, ok := s.bypasses.Load(r)
	if !ok {
		n, _ = s.bypasses.LoadOrStore(r, new(atomic.Uint64))
	}
	n.(*atomic.Uint64).Add(1)
}

// Stats are counts since the Connector was made. Every query counts in exactly
// one of L1Hits, L2Hits, Misses and Bypasses.
type Stats struct {
	// L1Hits and L2Hits are queries that were answered from memory and from
	// Redis.
	L1Hits, L2Hits uint64
	// Misses are queries that could have been answered from the cache and went to
	// the database, or waited for another one that did.
	Misses uint64
	// Bypasses are queries that the cache has no part in; Reasons says why.
	Bypasses uint64

	// Reasons counts bypasses, and answers that could not be kept, by reason.
	Reasons map[Reason]uint64
	// Shared are the misses that were answered by another caller's query.
	Shared uint64
	// L1 and L2 are the counts of each level, as its lookups saw them.
	L1, L2 cache.LevelSnapshot
	// FenceErrors are writes of which Redis was not told before they were made.
	FenceErrors uint64
	// LateReleases are writes whose invalidation Redis did not take at once; it
	// is queued until Redis does.
	LateReleases uint64
}

// HitRate is the share of hits in the queries that could have been hits, between
// 0 and 1; 0 if there were none.
func (s Stats) HitRate() float64 {
	n := s.L1Hits + s.L2Hits + s.Misses
	if n == 0 {
		return 0
	}
	return float64(s.L1Hits+s.L2Hits) / float64(n)
}

// queries counts the queries so far.
func (s *stats) queries() uint64 {
	n := s.snapshot()
	return n.L1Hits + n.L2Hits + n.Misses + n.Bypasses
}

func (s *stats) snapshot() Stats {
	levels := s.levels.Snapshot()
	levels.L2.Sets += s.own.L2.Sets.Load()
	levels.L2.TooLarge += s.own.L2.TooLarge.Load()
	levels.L2.SetErrors += s.own.L2.SetErrors.Load()
	out := Stats{
		L1Hits:       levels.L1.Hits,
		L2Hits:       levels.L2.Hits,
		Misses:       s.misses.Load(),
		Reasons:      make(map[Reason]uint64),
		Shared:       s.shared.Load(),
		L1:           levels.L1,
		L2:           levels.L2,
		FenceErrors:  s.fenceErrors.Load(),
		LateReleases: s.lateReleases.Load(),
	}
	s.bypasses.Range(func(r, n any) bool {
		count := n.(*atomic.Uint64).Load()
		out.Reasons[r.(Reason)] = count
		if r.(Reason) != ReasonTooLarge && r.(Reason) != ReasonNotStorable {
			out.Bypasses += count
		}
		return true
	})
	return out
}
