package mlcache

import (
	"time"

	"github.com/mlcache/mlcache/internal/sketch"
)

// adaptive lets answers that are asked for often live longer in L1: see
// Config.L1MaxTTL. Like topk.Counter it is told of batches of hits only, so that a hit
// writes to nothing that other connections read.
type adaptive struct {
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

// newAdaptive returns nil where all answers live for L1TTL.
func newAdaptive(cfg *Config) *adaptive {
	if cfg.L1MaxTTL <= cfg.L1TTL || cfg.L1Size < 0 {
		return nil
	}
	return &adaptive{sketch: sketch.New(adaptiveCounters), most: cfg.L1MaxTTL}
}

// note counts n hits. A nil adaptive counts nothing.
func (a *adaptive) note(key []byte, n uint32) {
	if a != nil {
		a.sketch.Add(keyStamp(key), n)
	}
}

// l1TTL is the time to live in L1 of what is looked up, before its jitter.
func (e *engine) l1TTL(l *lookup) time.Duration {
	d := e.cfg.L1TTL
	if a := e.adaptive; a != nil {
		d = sketch.Stretch(d, a.most, a.sketch.Estimate(keyStamp(l.key)), adaptiveFull)
	}
	return e.ttl(l, d)
}
