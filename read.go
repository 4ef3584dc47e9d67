package mlcache

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/cache/rowset"
	"github.com/mlcache/mlcache/invalidation"
	"github.com/mlcache/mlcache/sqlinfo"
)

// ttlJitter is the largest part by which a time to live is shortened at random,
// so that entries stored together do not end together.
const ttlJitter = 0.1

// flagShort marks an entry that must not be kept longer than its deadline says,
// by anybody's clock: it stays out of L1.
const flagShort = 1

// query answers from the cache where it can, and else from the origin.
func (c *conn) query(ctx context.Context, src source, args []driver.NamedValue) (driver.Rows, error) {
	opts := optionsOf(ctx)
	p := c.planFor(ctx, src.query, opts.tables)
	if err := c.wasCutShort(); err != nil {
		return nil, err
	}
	reason := p.reason
	switch {
	case reason != "":
	case opts.bypass:
		reason = ReasonBypass
	case c.inTx():
		reason = ReasonInTransaction
	default:
		return c.read(ctx, p, src, args, opts)
	}
	return c.pass(ctx, p, reason, src, args)
}

// pass hands a query to the origin as it is, and makes known what it changes.
func (c *conn) pass(ctx context.Context, p *plan, reason Reason, src source, args []driver.NamedValue) (driver.Rows, error) {
	c.engine.stats.bypass(reason)
	if err := c.open(ctx); err != nil {
		return nil, err
	}
	if !p.isWrite() && !p.touchesSession && p.info.Kind != sqlinfo.Tx {
		return src.rows(ctx, c.origin, args)
	}
	done, err := c.beforeChange(ctx, p)
	if err != nil {
		return nil, err
	}
	rec, err := c.record(ctx, src, args, done)
	if err != nil {
		return nil, err
	}
	return rec.rows, nil
}

// lookup is one read on its way through the levels.
type lookup struct {
	plan    *plan
	session *session
	src     source
	args    []driver.NamedValue
	opts    options
	key     []byte
	stamps  []uint64
}

// read answers a statement that may be cached.
func (c *conn) read(ctx context.Context, p *plan, src source, args []driver.NamedValue, opts options) (driver.Rows, error) {
	if c.session == nil {
		if err := c.readBack(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			return c.pass(ctx, p, ReasonUnknownSession, src, args)
		}
		if p = c.planFor(ctx, src.query, opts.tables); p.reason != "" || c.session == nil {
			return c.pass(ctx, p, p.reason, src, args)
		}
	}
	if c.session.bypass != "" {
		return c.pass(ctx, p, c.session.bypass, src, args)
	}
	if err := c.needSettings(ctx, p.settings); err != nil {
		return c.pass(ctx, p, ReasonUnknownSession, src, args)
	}
	l := &lookup{plan: p, session: c.session, src: src, args: args, opts: opts}
	if reason := c.makeKey(l); reason != "" {
		return c.pass(ctx, p, reason, src, args)
	}
	if c.engine.cfg.Consistency == Strict && c.engine.l2 != nil {
		return c.readStrict(ctx, l)
	}
	e := c.engine
	if e.versions.Live(e.cfg.MaxStaleness) && !opts.refresh {
		c.loadStamps(l)
		if rows := c.fromL1(l); rows != nil {
			return rows, nil
		}
	}
	return c.readBounded(ctx, l)
}

// fromL1 returns the rows of a good entry in L1, or nil.
func (c *conn) fromL1(l *lookup) driver.Rows {
	level := &c.counters.L1
	entry, ok := c.engine.l1.Lookup(l.key, nil)
	if !ok {
		level.Misses.Add(1)
		return nil
	}
	if payload, ok := cache.Match(entry, l.stamps, time.Now().UnixMilli()); ok {
		if rows, err := c.replay(l.plan, payload); err == nil {
			level.Hits.Add(1)
			return rows
		}
	}
	level.Stale.Add(1)
	return nil
}

// fromL2 returns the rows of a good entry that came from Redis, or nil, and
// keeps the entry in L1.
func (c *conn) fromL2(l *lookup, entry []byte, err error) driver.Rows {
	level := &c.counters.L2
	switch {
	case errors.Is(err, cache.ErrMiss):
		level.Misses.Add(1)
		return nil
	case err != nil:
		level.Errors.Add(1)
		return nil
	case cache.Verify(entry) != nil:
		level.Corrupt.Add(1)
		return nil
	}
	now := time.Now()
	payload, ok := cache.Match(entry, l.stamps, now.UnixMilli())
	if !ok {
		level.Stale.Add(1)
		return nil
	}
	if _, err := rowset.Open(payload); err != nil {
		level.Corrupt.Add(1)
		return nil
	}
	rows, err := c.replay(l.plan, payload)
	if err != nil {
		level.Corrupt.Add(1)
		return nil
	}
	level.Hits.Add(1)
	if cache.Flags(entry)&flagShort == 0 {
		end := now.Add(cache.Jitter(c.engine.ttl(l, c.engine.cfg.L1TTL), ttlJitter))
		if d := cache.Deadline(entry); d == 0 || end.UnixMilli() < d {
			cache.SetDeadline(entry, end.UnixMilli())
		} else {
			end = time.UnixMilli(d)
		}
		c.keepInL1(l.key, entry, end.Sub(now))
	}
	return rows
}

// readBounded goes on after L1 had no good entry.
func (c *conn) readBounded(ctx context.Context, l *lookup) (driver.Rows, error) {
	e := c.engine
	asking, cancel := forRedis(ctx)
	defer cancel()
	if err := e.versions.Ensure(asking, l.plan.cells); err != nil || !e.versions.Live(e.cfg.MaxStaleness) {
		return c.pass(ctx, l.plan, ReasonRedis, l.src, l.args)
	}
	// From here on the stamps stand: whatever is stored below is stored under the
	// versions as they were before the origin was asked.
	c.loadStamps(l)
	if slices.Contains(l.stamps, 0) {
		return c.pass(ctx, l.plan, ReasonFenced, l.src, l.args)
	}
	if e.l2 != nil && !l.opts.refresh {
		entry, err := e.l2.Get(asking, l.key, nil)
		if rows := c.fromL2(l, entry, err); rows != nil {
			return rows, nil
		}
	}
	return c.readOrigin(ctx, l)
}

// forRedis leaves half of the time that a caller still has to the database: a
// Redis that is silent must not use up all of it.
func forRedis(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Until(deadline)/2)
}

// readStrict asks Redis for the versions, in the same round trip as for the
// entry where L1 has none.
func (c *conn) readStrict(ctx context.Context, l *lookup) (driver.Rows, error) {
	e := c.engine
	local, haveLocal := e.l1.Lookup(l.key, nil)
	c.loadStamps(l)
	asking, cancel := forRedis(ctx)
	defer cancel()
	var get *redis.StringCmd
	extra := func(pipe redis.Pipeliner) { get = pipe.Get(asking, e.l2.Name(l.key)) }
	if haveLocal || l.opts.refresh {
		extra = nil
	}
	switch err := e.versions.Current(asking, l.plan.cells, l.stamps[1:], extra); {
	case errors.Is(err, invalidation.ErrStale):
		c.loadStamps(l) // what Redis has just told
	case err != nil:
		return c.pass(ctx, l.plan, ReasonRedis, l.src, l.args)
	}
	if slices.Contains(l.stamps, 0) {
		return c.pass(ctx, l.plan, ReasonFenced, l.src, l.args)
	}
	if l.opts.refresh {
		return c.readOrigin(ctx, l)
	}
	if haveLocal {
		if payload, ok := cache.Match(local, l.stamps, time.Now().UnixMilli()); ok {
			if rows, err := c.replay(l.plan, payload); err == nil {
				c.counters.L1.Hits.Add(1)
				return rows, nil
			}
		}
		c.counters.L1.Stale.Add(1)
		entry, err := e.l2.Get(asking, l.key, nil)
		if rows := c.fromL2(l, entry, err); rows != nil {
			return rows, nil
		}
		return c.readOrigin(ctx, l)
	}
	c.counters.L1.Misses.Add(1)
	entry, err := get.Bytes()
	if errors.Is(err, redis.Nil) {
		err = cache.ErrMiss
	}
	if rows := c.fromL2(l, entry, err); rows != nil {
		return rows, nil
	}
	return c.readOrigin(ctx, l)
}

// flown is what a flight hands to those who waited.
type flown struct{ payload []byte }

// readOrigin asks the database, once for all who want the same answer under the
// same versions.
func (c *conn) readOrigin(ctx context.Context, l *lookup) (driver.Rows, error) {
	if err := c.open(ctx); err != nil {
		c.engine.stats.misses.Add(1)
		return nil, err
	}
	if c.session != l.session {
		// The connection turned out to be another one than was assumed. It is
		// open now, so this happens once.
		return c.query(ctx, l.src, l.args)
	}
	c.engine.stats.misses.Add(1)
	if l.opts.refresh {
		// A query that is under way may have begun before the change that the
		// caller wants to see.
		rec, err := c.fetch(ctx, l)
		if err != nil {
			return nil, err
		}
		return rec.rows, nil
	}
	flightKey := slices.Clone(l.key)
	for _, s := range l.stamps {
		flightKey = binary.LittleEndian.AppendUint64(flightKey, s)
	}
	leader, call := c.engine.flights.Join(flightKey)
	if !leader {
		if v, ok := call.Wait(ctx); ok {
			c.engine.stats.shared.Add(1)
			return c.replay(l.plan, slices.Clone(v.(flown).payload))
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rec, err := c.record(ctx, l.src, l.args, nil)
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

// fetch asks the database and keeps the answer, if it can be kept.
func (c *conn) fetch(ctx context.Context, l *lookup) (*recording, error) {
	started := time.Now()
	rec, err := c.record(ctx, l.src, l.args, nil)
	if err != nil {
		return nil, err
	}
	switch {
	case rec.whole:
		c.store(l, rec.payload, started)
	case rec.tooLarge:
		c.engine.stats.bypass(ReasonTooLarge)
	default:
		c.engine.stats.bypass(ReasonNotStorable)
	}
	return rec, nil
}
