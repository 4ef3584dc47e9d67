// Package latency counts durations in a fixed set of buckets. Counting is two
// atomic additions: no lock, no allocation, no lookup by label.
package latency

import (
	"sync/atomic"
	"time"
)

// bounds are the upper ends of the buckets; one more holds what is longer.
var bounds = [...]time.Duration{
	1 * time.Microsecond, 2 * time.Microsecond, 5 * time.Microsecond,
	10 * time.Microsecond, 20 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
	1 * time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	1 * time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
}

// Buckets is how many buckets there are, the one without an upper end included.
const Buckets = len(bounds) + 1

// Bounds are the upper ends of all buckets but the last, in ascending order. A
// duration that is equal to a bound belongs below it.
func Bounds() []time.Duration { return append([]time.Duration(nil), bounds[:]...) }

// Histogram counts durations. The zero value is ready. It is safe for concurrent use.
type Histogram struct {
	buckets [Buckets]atomic.Uint64
	sum     atomic.Int64
}

// Observe counts a duration; a negative one counts as zero.
func (h *Histogram) Observe(d time.Duration) {
	d = max(d, 0)
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(d))
}

// Snapshot returns the counts so far.
func (h *Histogram) Snapshot() Snapshot {
	var s Snapshot
	for i := range h.buckets {
		s.Buckets[i] = h.buckets[i].Load()
	}
	s.Sum = time.Duration(h.sum.Load())
	return s
}

// Snapshot has the counts of a Histogram. The zero value has none.
type Snapshot struct {
	// Buckets counts the durations in each bucket alone, not those below it.
	Buckets [Buckets]uint64
	// Sum is that of all durations.
	Sum time.Duration
}

// Count is the number of durations.
func (s Snapshot) Count() uint64 {
	var n uint64
	for _, b := range s.Buckets {
		n += b
	}
	return n
}

// Mean is the average duration, 0 when there is none.
func (s Snapshot) Mean() time.Duration {
	n := s.Count()
	if n == 0 {
		return 0
	}
	return s.Sum / time.Duration(n)
}

// Quantile estimates the duration below which the share q of all lies, by a
// straight line within the bucket: with q 0.5, the median. It is 0 when there are none, and
// at most the largest bound.
func (s Snapshot) Quantile(q float64) time.Duration {
	rank := min(max(q, 0), 1) * float64(s.Count())
	if rank == 0 {
		return 0
	}
	var below float64
	for i, n := range s.Buckets {
		if n == 0 || below+float64(n) < rank {
			below += float64(n)
			continue
		}
		if i == len(bounds) {
			break
		}
		var from time.Duration
		if i > 0 {
			from = bounds[i-1]
		}
		return from + time.Duration(float64(bounds[i]-from)*(rank-below)/float64(n))
	}
	return bounds[len(bounds)-1]
}
