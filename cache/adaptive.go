package cache

import (
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/mlcache/mlcache/internal/sketch"
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

	sketch *sketch.Sketch
}

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
	a.sketch = sketch.New(a.Counters)
	return nil
}

// seen counts a hit. A nil Adaptive counts nothing.
func (a *Adaptive) seen(id []byte) {
	if a != nil {
		a.sketch.Add(xxhash.Sum64(id), 1)
	}
}

// frequency estimates how often a key was hit lately.
func (a *Adaptive) frequency(id []byte) uint32 { return a.sketch.Estimate(xxhash.Sum64(id)) }

// stretch gives the time to live of an entry whose least is base. A nil Adaptive
// returns base.
func (a *Adaptive) stretch(id []byte, base time.Duration) time.Duration {
	if a == nil {
		return base
	}
	return sketch.Stretch(base, a.Max, a.frequency(id), a.Full)
}
