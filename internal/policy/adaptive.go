package policy

import (
	"time"

	"github.com/mlcache/mlcache/internal/sketch"
)

// AdaptiveTTL lets answers that are asked for often live longer in memory. It is told of batches of hits only, so that a hit
// writes to nothing that other connections read.
type AdaptiveTTL struct {
	sketch *sketch.Sketch
	most   time.Duration
}

const (
	// adaptiveCounters is the size of each row of the sketch, which takes 256 KiB.
	adaptiveCounters = 1 << 14
	// adaptiveFull is at how many hits lately an answer lives for as long as can be: one in 2,500 or
	// so of all hits.
	adaptiveFull = 64
)

// NewAdaptiveTTL makes one under which an answer lives for most at most.
func NewAdaptiveTTL(most time.Duration) *AdaptiveTTL {
	return &AdaptiveTTL{sketch: sketch.New(adaptiveCounters), most: most}
}

// Add counts n hits of the answer that has this hash. A nil AdaptiveTTL counts nothing.
func (a *AdaptiveTTL) Add(hash uint64, n uint32) {
	if a != nil {
		a.sketch.Add(hash, n)
	}
}

// TTL is how long the answer lives, which would live for least; for a nil AdaptiveTTL it is that.
func (a *AdaptiveTTL) TTL(hash uint64, least time.Duration) time.Duration {
	if a == nil {
		return least
	}
	return sketch.Stretch(least, a.most, a.sketch.Estimate(hash), adaptiveFull)
}
