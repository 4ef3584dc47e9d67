package mlcache

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/mlcache/mlcache/cache"
)

// fromL2 returns the rows of a good entry that came from Redis, or nil, and
// keeps the entry in L1.
func (c *conn) fromL2(ctx context.Context, l *lookup, entry []byte, err error) driver.Rows {
	level := &c.counters.L2
	switch {
	case errors.Is(err, cache.ErrMiss):
		level.Misses.Add(1)
		return nil
	case errors.Is(err, cache.ErrCorrupt):
		level.Corrupt.Add(1)
		return nil
	case err != nil:
		level.Errors.Add(1)
		return nil
	case cache.Verify(entry) != nil:
		level.Corrupt.Add(1)
		return nil
	}
	now := time.Now()
	payload, ok := l.match(entry, now)
	if !ok {
		level.Stale.Add(1)
		c.lost(l, entry)
		return nil
	}
	a, err := l.plan.openForeign(payload)
	if err != nil {
		level.Corrupt.Add(1)
		return nil
	}
	if !c.inOrder(ctx, l, sumOf(payload)) {
		level.Stale.Add(1)
		return nil
	}
	rows := c.rowsOver(&a, false)
	c.hitL2(l)
	if cache.Flags(entry)&flagShort == 0 {
		end := now.Add(cache.Jitter(c.engine.l1TTL(l), ttlJitter))
		d := cache.Deadline(entry)
		if d == 0 || end.UnixMilli() < d {
			cache.SetDeadline(entry, end.UnixMilli())
		} else {
			end = time.UnixMilli(d)
		}
		if l.late.Early > 0 && time.UnixMilli(d).Sub(now) < l.late.Early {
			c.renewLater(l, true)
		}
		c.give(l, payload, entry, end.Sub(now)+l.late.Keep())
	} else {
		c.passOn(l, payload)
	}
	return rows
}
