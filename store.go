package mlcache

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/internal/policy"
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
			c.shown(l)
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
	if c.give(l, payload, entry, l1-time.Since(started)+l.late.Keep()) && e.fills != nil {
		shared := slices.Clone(entry)
		cache.SetDeadline(shared, started.Add(l2).UnixMilli())
		e.fills.put(slices.Clone(l.key), shared, l2, started)
	}
}

// give puts an answer in order with the others to its question and keeps it in L1, and reports whether it is to be
// kept elsewhere, too.
func (c *conn) give(l *lookup, payload, entry []byte, ttl time.Duration) bool {
	e := c.engine
	return l.asking.Give(sumOf(payload), func() { c.keepInL1(l.here, entry, ttl) }, func(everywhere bool) {
		switch {
		case everywhere:
			e.hub.drop(l.key, nil)
		case e.hub.client != nil:
			e.hub.drop(l.key, e.place)
		}
		// Without a Redis pools that reach different servers have nothing to do with each other.
	})
}

// passOn puts an answer in order with the others to its question that is not kept here. Where memory holds the same one, it stays.
func (c *conn) passOn(l *lookup, payload []byte) {
	l.asking.Give(sumOf(payload), func() {}, func(bool) { c.engine.hub.drop(l.key, nil) })
}

// shown notes that the caller gets an answer of the database that is not kept: what memory holds may be older.
func (c *conn) shown(l *lookup) {
	l.asking.Give(0, nil, func(bool) { c.engine.hub.drop(l.key, nil) })
}

// passKnown is pass for a question that the cache could have answered.
func (c *conn) passKnown(ctx context.Context, l *lookup, reason Reason) (driver.Rows, error) {
	hub, key := c.engine.hub, bytes.Clone(l.key)
	way := hub.latest.Begin(keyStamp(key))
	defer way.End()
	rows, err := c.pass(ctx, l.plan, reason, l.src, l.args)
	if err == nil {
		way.Give(0, nil, func(bool) { hub.drop(key, nil) })
	}
	return rows, err
}

// inOrder reports whether an answer that is not the database's own of now may be given after those that were given before.
func (c *conn) inOrder(ctx context.Context, l *lookup, sum uint64) bool {
	e := c.engine
	if e.cfg.Consistency == Strict && e.l2 != nil || l.asking.Agrees(sum) {
		return true // strict has just asked
	}
	if e.versions.Current(ctx, l.plan.cells, l.stamps[1:], nil) != nil {
		return false
	}
	l.asking.Confirm(sum)
	return true
}

// keepInL1 replaces what L1 has under the key.
func (c *conn) keepInL1(here, entry []byte, ttl time.Duration) {
	p := c.engine.place
	if p.l1 == nil {
		return
	}
	if ttl <= 0 {
		p.remove(here)
		return
	}
	err := p.l1.Set(context.Background(), here, entry, ttl)
	if err != nil {
		_ = p.l1.Delete(context.Background(), here) // never fails
	}
	p.front.renew(p.front.hash(here), here)
	switch {
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
	return policy.Shorter(policy.Shorter(configured, e.steering(l.plan).ttl), l.opts.ttl)
}

// l1TTL is the time to live in L1 of what is looked up, before its jitter.
func (e *engine) l1TTL(l *lookup) time.Duration {
	return e.ttl(l, e.adaptive.TTL(keyStamp(l.key), e.cfg.L1TTL))
}

// sumOf is the sum of an answer, never zero.
func sumOf(payload []byte) uint64 { return max(xxhash.Sum64(payload), 1) }
