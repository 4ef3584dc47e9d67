package mlcache

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/invalidation"
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
	stale        atomic.Uint64
	staleOnError atomic.Uint64
	renewals     atomic.Uint64
	renewErrors  atomic.Uint64
	bypasses     sync.Map // Reason -> *atomic.Uint64; reasons are a closed list
}

func (s *stats) bypass(r Reason) {
	n, ok := s.bypasses.Load(r)
	if !ok {
		n, _ = s.bypasses.LoadOrStore(r, new(atomic.Uint64))
	}
	n.(*atomic.Uint64).Add(1)
}

// Stats are counts since the Connector was made, or began anew after its last sql.DB
// had closed. Every query counts in exactly
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
	// FillsDropped are answers that were not put into Redis, because too many waited
	// for that already.
	FillsDropped uint64

	// Namespace, Mode and Consistency are those of the Config.
	Namespace   string
	Mode        Mode
	Consistency Consistency

	// Latency is how long callers waited, by the level that answered.
	Latency Latencies
	// L1Size is the memory that L1 has taken, in bytes: none before it holds something, and then
	// all that it may have. L1Entries is how many entries it holds, those that are no
	// longer good included. L1Evictions is how often one had to move for a new one. Pools of this process
	// that share an L1 (see Config.L1Size) each tell of the whole.
	L1Size, L1Entries int64
	L1Evictions       uint64
	// Tables has the invalidations by table, and what they cost; those that cost most
	// first.
	Tables []TableStats
	// SchemaChanges is how often the schema was changed, as far as mlcache was told.
	SchemaChanges uint64
	// Breaker is the state of the circuit breaker in front of Redis: "closed" while Redis
	// answers, "open" while it is not asked, "half-open" while it is being tried; empty
	// without Redis.
	Breaker string
	// MaxStaleness is the bound of Bounded. Live says whether cached answers may be given
	// under it now; Versions.Age is how much of it has gone. Who has not read for a
	// minute does not ask Redis any more, and is not live until the next read.
	MaxStaleness time.Duration
	Live         bool
	// Versions are the counts of what carries invalidations between processes; pools of this
	// process that share a namespace and a Redis share them, too.
	Versions invalidation.Stats
	// Stale are the hits beyond their bound that WithStale, a hint or a rule allowed;
	// they count in L1Hits, too. StaleOnError are answers that took the place of an error of
	// connecting, as WithStaleIfError allows; each counts as a miss or a bypass, too.
	Stale, StaleOnError uint64
	// Renewals are queries that mlcache made in the background, for WithStale or
	// WithEarlyRefresh, and RenewErrors those that failed. Neither counts elsewhere.
	Renewals, RenewErrors uint64
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
	levels.L1.Sets += s.own.L1.Sets.Load()
	levels.L1.TooLarge += s.own.L1.TooLarge.Load()
	levels.L1.SetErrors += s.own.L1.SetErrors.Load()
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
		FillsDropped: s.fillsDropped.Load(),
		Stale:        s.stale.Load(),
		StaleOnError: s.staleOnError.Load(),
		Renewals:     s.renewals.Load(),
		RenewErrors:  s.renewErrors.Load(),
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

func (e *engine) snapshot() Stats {
	s := e.stats.snapshot()
	s.Namespace, s.Mode, s.Consistency = e.cfg.Namespace, e.cfg.Mode, e.cfg.Consistency
	s.Latency = e.latency.snapshot()
	s.L1Size, s.L1Entries, s.L1Evictions = e.l1.Taken(), e.l1.Len(), uint64(e.l1.Evictions())
	s.Tables, s.SchemaChanges = e.tables()
	if b := e.hub.breaker; b != nil {
		s.Breaker = b.State()
	}
	s.Versions = e.versions.Stats()
	s.MaxStaleness = e.cfg.MaxStaleness
	s.Live = e.l2 == nil || s.Versions.Age >= 0 && s.Versions.Age < s.MaxStaleness
	return s
}
