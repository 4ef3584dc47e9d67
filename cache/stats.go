package cache

import "sync/atomic"

// stripes bounds how many independent sets of counters a Stats has. More than
// the processors of most machines, so that connections seldom share one.
const stripes = 32

// Stats counts what happens at both levels. It is striped: each connection
// takes a Stripe of its own and counts there, so that counting on the hot path
// does not pass a cache line between processors. The zero value is ready.
type Stats struct {
	next    atomic.Uint32
	stripes [stripes]Stripe
}

// Stripe is one set of counters. It is safe for concurrent use; two
// connections may be given the same one.
type Stripe struct {
	// L1 and L2 are the counters of each level.
	L1, L2 Level

	// A line of distance to the neighbour: processors fetch lines in pairs.
	_ [64]byte
}

// Level counts the operations of one level. Each lookup counts in exactly one of Hits,
// Misses, Stale, Corrupt and Errors, and each store in one of Sets, TooLarge and SetErrors.
type Level struct {
	Hits      atomic.Uint64 // a good entry was found
	Misses    atomic.Uint64 // no entry was found
	Stale     atomic.Uint64 // an entry was found, but its stamps or its deadline did not hold
	Corrupt   atomic.Uint64 // bytes were found that are no entry, or a damaged one
	Errors    atomic.Uint64 // the level could not be asked
	Sets      atomic.Uint64 // an entry was stored
	TooLarge  atomic.Uint64 // an entry was not stored because the level cannot hold it
	SetErrors atomic.Uint64 // an entry was not stored because the level could not be asked
}

// Snapshot is the sum of all counters at one moment, or rather in the short time that
// it takes to read them.
type Snapshot struct {
	// L1 and L2 are the counts of each level.
	L1, L2 LevelSnapshot
}

// LevelSnapshot has the counts of one level; Level says what they mean.
type LevelSnapshot struct {
	// Of lookups.
	Hits, Misses, Stale, Corrupt, Errors uint64
	// Of stores.
	Sets, TooLarge, SetErrors uint64
}

// Stripe returns a set of counters to keep for a connection's life.
func (s *Stats) Stripe() *Stripe {
	return &s.stripes[s.next.Add(1)%stripes]
}

// Snapshot adds up all stripes.
func (s *Stats) Snapshot() Snapshot {
	var sum Snapshot
	for i := range s.stripes {
		sum.L1.add(&s.stripes[i].L1)
		sum.L2.add(&s.stripes[i].L2)
	}
	return sum
}

// Lookups is the number of times that the level was asked.
func (l LevelSnapshot) Lookups() uint64 {
	return l.Hits + l.Misses + l.Stale + l.Corrupt + l.Errors
}

// HitRate is hits by lookups, between 0 and 1, and 0 when there were no lookups.
func (l LevelSnapshot) HitRate() float64 {
	n := l.Lookups()
	if n == 0 {
		return 0
	}
	return float64(l.Hits) / float64(n)
}

func (l *LevelSnapshot) add(c *Level) {
	l.Hits += c.Hits.Load()
	l.Misses += c.Misses.Load()
	l.Stale += c.Stale.Load()
	l.Corrupt += c.Corrupt.Load()
	l.Errors += c.Errors.Load()
	l.Sets += c.Sets.Load()
	l.TooLarge += c.TooLarge.Load()
	l.SetErrors += c.SetErrors.Load()
}
