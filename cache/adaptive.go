package cache

import (
	"fmt"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
)

// Adaptive lets entries that are asked for often stay longer in L1, from
// Config.L1TTL up to Max: twice as often means a step longer. How often keys are
// asked for is estimated in a table of fixed size (a count-min sketch: Cormode and
// Muthukrishnan, "An Improved Data Stream Summary", 2005), which is halved at times
// so that old fame fades. The estimate may be too high, never too low.
//
// Versions decide whether an entry is good, so a longer life never makes an answer
// older than their bound.
type Adaptive struct {
	// Max is the longest time to live in L1. It must be longer than L1TTL.
	Max time.Duration
	// Full is how many hits in a while (about ten for each counter) make an entry
	// live for Max: 64 by default.
	Full int
	// Counters is the size of the table in each of its four rows: 16384 by default,
	// rounded up to a power of two. It takes 16 bytes each.
	Counters int

	rows  [sketchRows][]atomic.Uint32
	mask  uint64
	adds  atomic.Uint64
	steps int
}

const sketchRows = 4

// start makes the table. It is called once, by New.
func (a *Adaptive) start(base time.Duration) error {
	if a.Max <= base {
		return fmt.Errorf("%w: Adaptive.Max %v is not longer than L1TTL %v", ErrConfig, a.Max, base)
	}
	if a.Full <= 0 {
		a.Full = 64
	}
	if a.Counters <= 0 {
		a.Counters = 1 << 14
	}
	n := 1 << bits.Len(uint(a.Counters-1))
	for i := range a.rows {
		a.rows[i] = make([]atomic.Uint32, n)
	}
	a.mask, a.steps = uint64(n-1), bits.Len(uint(a.Full))
	return nil
}

// each gives the counters of a key, one in each row.
func (a *Adaptive) each(id []byte, f func(*atomic.Uint32)) {
	h := xxhash.Sum64(id)
	for i := range a.rows {
		f(&a.rows[i][h&a.mask])
		h = bits.RotateLeft64(h, 16) * 0x9e3779b97f4a7c15
	}
}

// seen counts a hit. A nil Adaptive counts nothing.
func (a *Adaptive) seen(id []byte) {
	if a == nil {
		return
	}
	a.each(id, func(c *atomic.Uint32) { c.Add(1) })
	if a.adds.Add(1)%(10*(a.mask+1)) != 0 {
		return
	}
	for i := range a.rows {
		for j := range a.rows[i] {
			c := &a.rows[i][j]
			// What is added meanwhile may get lost: these are estimates.
			c.Store(c.Load() / 2)
		}
	}
}

// frequency estimates how often a key was hit lately.
func (a *Adaptive) frequency(id []byte) uint32 {
	least := ^uint32(0)
	a.each(id, func(c *atomic.Uint32) { least = min(least, c.Load()) })
	return least
}

// stretch gives the time to live of an entry whose least is base. A nil Adaptive
// returns base.
func (a *Adaptive) stretch(id []byte, base time.Duration) time.Duration {
	if a == nil || base >= a.Max {
		return base
	}
	step := min(bits.Len32(a.frequency(id)), a.steps)
	return base + (a.Max-base)*time.Duration(step)/time.Duration(a.steps)
}
