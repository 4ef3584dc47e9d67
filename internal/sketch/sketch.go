// Package sketch estimates how often keys are asked for, in memory that does not grow.
package sketch

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Sketch is a count-min sketch (Cormode and Muthukrishnan, "An Improved Data Stream
// Summary", 2005) that is halved at times, so that old fame fades. An estimate may be
// too high, never too low. It is safe for concurrent use.
type Sketch struct {
	rows [depth][]atomic.Uint32
	mask uint64
	adds atomic.Uint64
}

const (
	depth = 4
	// halveAfter is after how many counts for each counter of a row all are halved.
	halveAfter = 10
)

// New returns an empty sketch with so many counters in each of its four rows, rounded up
// to a power of two. It takes 16 bytes for each.
func New(counters int) *Sketch {
	n := 1 << bits.Len(uint(max(counters, 1)-1))
	s := &Sketch{mask: uint64(n - 1)}
	for i := range s.rows {
		s.rows[i] = make([]atomic.Uint32, n)
	}
	return s
}

// each gives the counters of a key, one in each row.
func (s *Sketch) each(hash uint64, f func(*atomic.Uint32)) {
	for i := range s.rows {
		f(&s.rows[i][hash&s.mask])
		hash = bits.RotateLeft64(hash, 16) * 0x9e3779b97f4a7c15
	}
}

// Add counts n for the key with this hash, which must be one of 64 good bits.
func (s *Sketch) Add(hash uint64, n uint32) {
	s.each(hash, func(c *atomic.Uint32) { c.Add(n) })
	period := halveAfter * (s.mask + 1)
	if after := s.adds.Add(uint64(n)); after/period == (after-uint64(n))/period {
		return
	}
	for i := range s.rows {
		for j := range s.rows[i] {
			c := &s.rows[i][j]
			// What is added meanwhile may get lost: these are estimates.
			c.Store(c.Load() / 2)
		}
	}
}

// Estimate is how often the key with this hash was counted lately.
func (s *Sketch) Estimate(hash uint64) uint32 {
	least := ^uint32(0)
	s.each(hash, func(c *atomic.Uint32) { least = min(least, c.Load()) })
	return least
}

// Stretch gives the time to live of what was counted n times: from base to most, which it
// reaches at full counts, a step longer for each doubling. It is base where that is not
// less than most.
func Stretch(base, most time.Duration, n uint32, full int) time.Duration {
	if base >= most {
		return base
	}
	steps := bits.Len(uint(full))
	step := min(bits.Len32(n), steps)
	return base + (most-base)*time.Duration(step)/time.Duration(steps)
}
