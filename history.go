package mlcache

import (
	"sync"
	"time"
)

// Sample is a part of Stats as it was at one time. Its counts only grow, until the
// engine begins anew.
type Sample struct {
	// At is when it was.
	At time.Time `json:"at"`
	// These are as in Stats.
	L1Hits   uint64 `json:"l1_hits"`
	L2Hits   uint64 `json:"l2_hits"`
	Misses   uint64 `json:"misses"`
	Bypasses uint64 `json:"bypasses"`
	// Invalidations are changes of tables that this process has made or has seen.
	Invalidations uint64 `json:"invalidations"`
}

// history keeps an hour of samples. They are taken by what compares the schema now
// and then anyway, so it costs no goroutine, and by whoever looks.
type history struct {
	mu   sync.Mutex
	ring []Sample // in the order of time
}

const maxSamples = int(time.Hour / schemaCheckEvery)

// add keeps a sample, unless the one before is too near.
func (h *history) add(s Sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.ring); n > 0 && s.At.Sub(h.ring[n-1].At) < schemaCheckEvery/2 {
		return
	}
	if len(h.ring) >= maxSamples {
		copy(h.ring, h.ring[1:])
		h.ring = h.ring[:maxSamples-1]
	}
	h.ring = append(h.ring, s)
}

func (e *engine) sample() Sample {
	n := e.stats.snapshot()
	s := Sample{At: time.Now(), L1Hits: n.L1Hits, L2Hits: n.L2Hits, Misses: n.Misses, Bypasses: n.Bypasses}
	tables, _ := e.tables()
	for _, t := range tables {
		s.Invalidations += t.Invalidations
	}
	return s
}

// History returns how the main counts grew within the last hour, every ten seconds
// or so, and at last as they are now.
func (h *Handle) History() []Sample {
	e := h.connector.current()
	now := e.sample()
	e.history.mu.Lock()
	past := append([]Sample(nil), e.history.ring...)
	e.history.mu.Unlock()
	e.history.add(now)
	return append(past, now)
}
