package mlcache

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"time"
)

// flown is what a flight hands to those who waited.
type flown struct{ payload []byte }

// readOrigin asks the database, once for all who want the same answer under the
// same versions.
func (c *conn) readOrigin(ctx context.Context, l *lookup) (driver.Rows, error) {
	if err := c.open(ctx); err != nil {
		c.missed(l)
		return nil, err
	}
	if c.session != l.session {
		// The connection turned out to be another one than was assumed. It is
		// open now, so this happens once.
		return c.answer(ctx, l.src, l.args)
	}
	c.missed(l)
	if c.engine.l2 != nil && c.engine.cfg.WrittenOften != CacheWrittenOften {
		c.hits.tell(l.plan)
		l.plan.gate.Miss(l.stamps[1:], time.Now())
	}
	if l.opts.refresh {
		// A query that is under way may have begun before the change that the
		// caller wants to see.
		rec, err := c.fetch(ctx, l)
		if err != nil {
			return nil, err
		}
		return rec.rows, nil
	}
	leader, call := c.engine.flights.Join(flightKey(l))
	if !leader {
		if v, ok := call.Wait(ctx); ok {
			c.engine.stats.shared.Add(1)
			return c.replay(l.plan, v.(flown).payload, true)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rec, err := c.fetch(ctx, l)
		if err != nil {
			return nil, err
		}
		return rec.rows, nil
	}
	defer call.Done(nil, false)
	rec, err := c.fetch(ctx, l)
	if err != nil {
		return nil, err
	}
	if rec.whole {
		call.Done(flown{rec.payload}, true)
	}
	return rec.rows, nil
}

// flightKey is one for all who want the same answer under the same versions, and begin while nobody has been given
// another answer.
func flightKey(l *lookup) []byte {
	key := make([]byte, 0, len(l.key)+8+8*len(l.stamps))
	key = append(key, l.key...)
	key = binary.LittleEndian.AppendUint64(key, l.asking.Turn())
	for _, s := range l.stamps {
		key = binary.LittleEndian.AppendUint64(key, s)
	}
	return key
}

// fetch asks the database and keeps the answer, if it can be kept.
func (c *conn) fetch(ctx context.Context, l *lookup) (*recording, error) {
	started := time.Now()
	rec, err := c.record(ctx, l.src, l.args, nil)
	if err != nil {
		return nil, err
	}
	c.answered(l, started)
	switch {
	case c.movedUnasked():
		rec.whole = false
		c.engine.stats.bypass(ReasonUnknownSession)
	case rec.whole && l.mutable && !c.stillAsked(l):
		rec.whole = false
		c.engine.stats.bypass(ReasonArgument)
	case rec.whole:
		c.store(l, rec.payload, started)
	case rec.tooLarge:
		c.shown(l)
		c.engine.stats.bypass(ReasonTooLarge)
	default:
		c.shown(l)
		c.engine.stats.bypass(ReasonNotStorable)
	}
	return rec, nil
}
