package mlcache

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mlcache/mlcache/cache"
)

// store keeps an answer that was read under l.stamps by a query that began at
// started.
func (c *conn) store(l *lookup, payload []byte, started time.Time) {
	e := c.engine
	l2 := cache.Jitter(e.ttl(l, e.cfg.L2TTL), ttlJitter)
	l1 := min(cache.Jitter(e.l1TTL(l), ttlJitter), l2)
	var flags uint8
	if e.versions.Quarantined(started) {
		// Fences may have been lost: nothing may live longer than the bound, and
		// strict has none.
		if e.cfg.Consistency == Strict {
			return
		}
		l1, l2 = min(l1, e.cfg.MaxStaleness), min(l2, e.cfg.MaxStaleness)
		flags = flagShort
	}
	entry, err := cache.AppendEntry(nil, &cache.Header{
		Stamps:   l.stamps,
		StoredAt: started.UnixMilli(),
		Deadline: started.Add(l1).UnixMilli(),
		Flags:    flags,
	}, payload)
	if err != nil {
		return
	}
	c.keepInL1(l.here, entry, l1-time.Since(started)+l.late.keep())
	if e.fills != nil {
		shared := slices.Clone(entry)
		cache.SetDeadline(shared, started.Add(l2).UnixMilli())
		e.fills.put(slices.Clone(l.key), shared, l2, started)
	}
}

func (c *conn) keepInL1(key, entry []byte, ttl time.Duration) {
	if c.engine.l1 == nil || ttl <= 0 {
		return
	}
	switch err := c.engine.l1.Set(context.Background(), key, entry, ttl); {
	case err == nil:
		c.counters.L1.Sets.Add(1)
	case errors.Is(err, cache.ErrTooLarge):
		c.counters.L1.TooLarge.Add(1)
	default:
		c.counters.L1.SetErrors.Add(1)
	}
}

// ttl is the time to live that the configuration, the rules, the hint and the caller
// allow.
func (e *engine) ttl(l *lookup, configured time.Duration) time.Duration {
	return shorter(shorter(configured, e.steering(l.plan).ttl), l.opts.ttl)
}
