package mlcache

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/internal/monotonic"
	"github.com/mlcache/mlcache/internal/policy"
	"github.com/mlcache/mlcache/invalidation"
	"github.com/mlcache/mlcache/sqlinfo"
)

// ttlJitter is the largest part by which a time to live is shortened at random,
// so that entries stored together do not end together.
const ttlJitter = 0.1

// flagShort marks an entry that must not be kept longer than its deadline says,
// by anybody's clock: it stays out of L1.
const flagShort = 1

// query answers from the cache where it can, and else from the origin, and tells who
// wants to know.
func (c *conn) query(ctx context.Context, src source, args []driver.NamedValue) (driver.Rows, error) {
	c.by.level = fromMiss
	rows, err := c.answer(ctx, src, args)
	if f := c.connector.onRead.Load(); f != nil && err == nil {
		(*f)(ctx, c.by.event())
	}
	return rows, err
}

func (c *conn) answer(ctx context.Context, src source, args []driver.NamedValue) (driver.Rows, error) {
	if c.engine.off() {
		return c.passOff(ctx, src, args)
	}
	text, args, known, err := c.rewrite(ctx, src.query, args)
	if err != nil {
		return nil, err
	}
	if text != src.query {
		src = source{query: text}
	}
	opts := optionsOf(ctx)
	if c.schema == nil && known {
		if rows, err := c.queryAhead(ctx, src, args, opts); rows != nil || err != nil {
			return rows, err
		}
	}
	var p *plan
	if known {
		p = c.planFor(ctx, src.query, opts.tables)
	} else {
		p = opaquePlan()
	}
	if err := c.wasCutShort(); err != nil {
		return nil, err
	}
	if opts.renewal != nil {
		return nil, c.answerAgain(ctx, src, args, opts)
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
	err := c.open(ctx)
	if err == nil && p.schema != nil && (c.names == nil || c.names.names != p.names) {
		// It is another session than the plan was made for: the same text can read and
		// change other tables. It is open now, so this happens once.
		return c.answer(ctx, src, args)
	}
	c.bypassed(ctx, p, reason, src.query)
	if err != nil {
		return nil, err
	}
	if !p.isWrite() && !p.touchesSession && p.info.Kind != sqlinfo.Tx {
		return src.rows(ctx, c.db.Origin, args)
	}
	change, err := c.beforeChange(ctx, p)
	if err != nil {
		return nil, err
	}
	rec, err := c.record(ctx, src, args, change.done)
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
	opts    *options
	key     []byte
	here    []byte // key, with the place before it: the key in memory
	stamps  []uint64
	late    policy.Staleness
	// maxAge is how old an answer may be by a rule, a hint or the caller, whoever has stored it; zero for no such limit.
	maxAge time.Duration
	// mutable: the arguments may be others by now than the key says.
	mutable bool

	asking monotonic.Read // how an answer from beyond memory is put in order with others

	began time.Time // zero until somebody needs it
	lost  bool      // see conn.lost
}

// read answers a statement that may be cached.
func (c *conn) read(ctx context.Context, p *plan, src source, args []driver.NamedValue, opts *options) (driver.Rows, error) {
	if c.typesPending() {
		if err := c.open(ctx); err != nil {
			return c.pass(ctx, p, ReasonUnknownSession, src, args)
		}
	}
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
	steering := c.engine.steering(p)
	if steering.off {
		return c.pass(ctx, p, ReasonRule, src, args)
	}
	if err := c.needSettings(ctx, p.settings); err != nil {
		return c.pass(ctx, p, ReasonUnknownSession, src, args)
	}
	l := &c.lookup
	l.begin(p, c.session, src, args, opts, policy.Shorter(steering.ttl, opts.ttl))
	defer l.forget()
	if reason := c.makeKey(l); reason != "" {
		return c.pass(ctx, p, reason, src, l.args)
	}
	if c.engine.cfg.Consistency == Strict && c.engine.l2 != nil {
		l.began = time.Now()
		return c.readStrict(ctx, l)
	}
	e := c.engine
	if l.late = e.lateness(steering, opts); l.late != (policy.Staleness{}) {
		return c.readLate(ctx, l)
	}
	if c.churns(l) {
		return c.passKnown(ctx, l, ReasonChurn)
	}
	if e.l1 != nil && !opts.refresh {
		if now := time.Now(); e.versions.LiveAt(e.cfg.MaxStaleness, now) {
			l.began = now
			c.loadVersions(l)
			if rows := c.fromL1(l, now); rows != nil {
				return rows, nil
			}
		}
	}
	return c.readBounded(ctx, l)
}

// begin makes it a new one. The key and the stamps follow.
func (l *lookup) begin(p *plan, s *session, src source, args []driver.NamedValue, opts *options, maxAge time.Duration) {
	l.plan, l.session, l.src, l.args, l.opts, l.maxAge = p, s, src, args, opts, maxAge
	l.late, l.mutable, l.began, l.lost = policy.Staleness{}, false, time.Time{}, false
	if !l.asking.IsZero() {
		l.asking = monotonic.Read{}
	}
}

// match returns the payload of an entry that is good now.
func (l *lookup) match(entry []byte, now time.Time) (payload []byte, ok bool) {
	payload, ok = cache.Match(entry, l.stamps, now.UnixMilli())
	return payload, ok && !l.plan.gate.Outdates(entry) && (l.maxAge == 0 || now.UnixMilli()-cache.StoredAt(entry) < l.maxAge.Milliseconds())
}

// forget lets go of what the caller owns.
func (l *lookup) forget() { l.args, l.src = nil, source{} }

// fromL1 returns the rows of a good entry in L1, or nil. The versions have been
// loaded; it adds the key's stamp.
func (c *conn) fromL1(l *lookup, now time.Time) driver.Rows {
	f := c.engine.front
	hash := f.hash(l.here)
	e, renewed := f.find(hash, l.here)
	if e != nil {
		l.stamps[0] = e.stamp
		if e.fresh(now) {
			if _, ok := l.match(e.entry, now); ok {
				c.hitL1(l, now)
				return c.rowsAgain(e)
			}
		}
	} else {
		l.stamps[0] = keyStamp(l.key)
	}
	level := &c.counters.L1
	entry, ok := c.engine.l1.Lookup(l.here, nil)
	if !ok {
		level.Misses.Add(1)
		return nil
	}
	if payload, ok := l.match(entry, now); ok {
		if e != nil && bytes.Equal(e.entry, entry) {
			c.hitL1(l, now)
			e.keep(now)
			return c.rowsAgain(e)
		}
		if a, err := l.plan.open(payload); err == nil {
			c.hitL1(l, now)
			f.offer(hash, e != nil, l, entry, a, renewed, now)
			return c.rowsOver(&a, true)
		}
	}
	level.Stale.Add(1)
	c.lost(l, entry)
	return nil
}

// readBounded goes on after L1 had no good entry.
func (c *conn) readBounded(ctx context.Context, l *lookup) (driver.Rows, error) {
	e := c.engine
	if l.began.IsZero() {
		l.began = time.Now()
	}
	if c.churns(l) {
		return c.passKnown(ctx, l, ReasonChurn)
	}
	way := e.hub.latest.Begin(keyStamp(l.key))
	defer way.End()
	l.asking = way
	asking, cancel := forCache(ctx)
	defer cancel()
	if err := e.versions.Ensure(asking, l.plan.cells); err != nil || !e.versions.Live(e.cfg.MaxStaleness) {
		return c.passKnown(ctx, l, ReasonRedis)
	}
	// From here on the stamps stand: whatever is stored below is stored under the
	// versions as they were before the origin was asked.
	c.loadStamps(l)
	if slices.Contains(l.stamps, 0) {
		return c.passFenced(ctx, l)
	}
	if e.l2 != nil && !l.opts.refresh {
		if rows := c.fromWarm(asking, l); rows != nil {
			return rows, nil
		}
		entry, err := e.l2.Get(asking, l.key, nil)
		if rows := c.fromL2(asking, l, entry, err); rows != nil {
			return rows, nil
		}
		// Meanwhile more may be known.
		if c.loadStamps(l); slices.Contains(l.stamps, 0) {
			return c.passFenced(ctx, l)
		}
	}
	return c.readOrigin(ctx, l)
}

// churns says whether asking Redis would cost more than it gives.
func (c *conn) churns(l *lookup) bool {
	e := c.engine
	return e.l2 != nil && !l.opts.refresh && e.cfg.WrittenOften != CacheWrittenOften && l.plan.gate.Closed()
}

// forCache leaves half of the time that a caller still has to the database: a Redis
// that is silent, or a catalog that is long in coming, must not use up all of it.
func forCache(ctx context.Context) (context.Context, context.CancelFunc) {
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
	if c.churns(l) {
		return c.passKnown(ctx, l, ReasonChurn)
	}
	local, haveLocal := e.l1.Lookup(l.here, nil)
	if !haveLocal || l.opts.refresh {
		way := e.hub.latest.Begin(keyStamp(l.key))
		defer way.End()
		l.asking = way
	}
	c.loadStamps(l)
	asking, cancel := forCache(ctx)
	defer cancel()
	var get *strictGet
	var extra func(redis.Pipeliner)
	if !haveLocal && !l.opts.refresh {
		get = &strictGet{ctx: asking, name: e.l2.Name(l.key)}
		extra = get.add
	}
	// Where they are others, the stamps are now what Redis has just told.
	if err := e.versions.Update(asking, l.plan.cells, l.stamps[1:], extra); err != nil && !errors.Is(err, invalidation.ErrStale) {
		return c.passKnown(ctx, l, ReasonRedis)
	}
	if slices.Contains(l.stamps, 0) {
		return c.passFenced(ctx, l)
	}
	if l.opts.refresh {
		return c.readOrigin(ctx, l)
	}
	if haveLocal {
		if payload, ok := l.match(local, time.Now()); ok {
			if rows, err := c.replay(l.plan, payload, false); err == nil {
				c.hitL1(l, l.began)
				return rows, nil
			}
		}
		c.counters.L1.Stale.Add(1)
		c.lost(l, local)
		way := e.hub.latest.Begin(keyStamp(l.key))
		defer way.End()
		l.asking = way
		entry, err := e.l2.Get(asking, l.key, nil)
		if rows := c.fromL2(asking, l, entry, err); rows != nil {
			return rows, nil
		}
		return c.readOrigin(ctx, l)
	}
	c.counters.L1.Misses.Add(1)
	entry, err := get.cmd.Bytes()
	if errors.Is(err, redis.Nil) {
		err = cache.ErrMiss
	} else if err == nil {
		entry, err = e.l2.Open(l.key, entry)
	}
	if rows := c.fromL2(asking, l, entry, err); rows != nil {
		return rows, nil
	}
	return c.readOrigin(ctx, l)
}

// strictGet asks for an entry along with its versions.
type strictGet struct {
	ctx  context.Context
	name string
	cmd  *redis.StringCmd
}

func (g *strictGet) add(pipe redis.Pipeliner) { g.cmd = pipe.Get(g.ctx, g.name) }
