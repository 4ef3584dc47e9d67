package mlcache

import (
	"context"
	"time"

	"github.com/mlcache/mlcache/latency"
)

// Level says who answered a query.
type Level string

const (
	// LevelL1 is the memory of this process.
	LevelL1 Level = "l1"
	// LevelL2 is Redis.
	LevelL2 Level = "l2"
	// LevelOrigin is the database.
	LevelOrigin Level = "origin"
)

// ReadEvent says how one query was answered.
type ReadEvent struct {
	// Level is who answered.
	Level Level
	// Reason is why the cache had no part in a query that the database answered; it
	// is empty for a miss and for a hit.
	Reason Reason
}

// OnRead calls f for each query that was answered without an error, when its rows
// are at hand, in the goroutine and under the context of the caller: for tracing.
// It is not for counting, which Stats does at no cost. f must be safe for
// concurrent use and must not block. There is one such function for all users of a
// Connector; nil takes it away. Without one a query pays for the look whether there is one.
func (h *Handle) OnRead(f func(ctx context.Context, e ReadEvent)) {
	if f == nil {
		h.connector.onRead.Store(nil)
		return
	}
	h.connector.onRead.Store(&f)
}

// answeredBy is who answered the last query of a connection.
type answeredBy struct {
	level  uint8
	reason Reason // only with fromBypass
}

const (
	fromMiss = iota
	fromBypass
	fromL1
	fromL2
)

func (a *answeredBy) event() ReadEvent {
	switch a.level {
	case fromL1:
		return ReadEvent{Level: LevelL1}
	case fromL2:
		return ReadEvent{Level: LevelL2}
	case fromBypass:
		return ReadEvent{Level: LevelOrigin, Reason: a.reason}
	default:
		return ReadEvent{Level: LevelOrigin}
	}
}

// latencies are those of the answers of each level.
type latencies struct{ l1, l2, origin latency.Histogram }

// Latencies are how long callers waited for answers, by who gave them: from the
// moment at which the cache was asked to that at which the rows were at hand. Of
// hits in L1 about one in 64 of each connection is measured, because two looks at the
// clock are a good part of what such a hit costs; all others are measured. Bypasses
// are not among them.
type Latencies struct {
	L1, L2, Origin latency.Snapshot // each by itself
}

func (l *latencies) snapshot() Latencies {
	return Latencies{L1: l.l1.Snapshot(), L2: l.l2.Snapshot(), Origin: l.origin.Snapshot()}
}

// measureOneIn is of how many reports of hits (see hitCounts) one is measured: of 64 hits one.
const measureOneIn = 64 / tellHits

// hitL1 counts a hit in L1 by a lookup that began at started. What is rare is told
// with a batch of hits.
func (c *conn) hitL1(l *lookup, started time.Time) {
	c.counters.L1.Hits.Add(1)
	c.by.level = fromL1
	if n := c.noteHit(l); n > 0 {
		if c.reports++; n < tellHits || c.reports%measureOneIn == 0 {
			c.engine.latency.l1.Observe(time.Since(started))
		}
	}
}

// noteHit counts a hit of the plan, and returns how many there are in the batch that it tells of: 0 while the
// batch is not full.
func (c *conn) noteHit(l *lookup) uint32 {
	n := c.hits.hit(l.plan)
	if n > 0 {
		c.engine.hotKeys.Add(l.key, n)
		if a := c.engine.adaptive; a != nil {
			a.Add(keyStamp(l.key), n)
		}
		c.engine.statements.of(l.plan, l.src.query)
		l.plan.told(n)
	}
	return n
}

// hitL2 is hitL1 for Redis.
func (c *conn) hitL2(l *lookup) {
	if l.opts.renewal != nil {
		return // nobody waits
	}
	c.counters.L2.Hits.Add(1)
	c.by.level = fromL2
	c.noteHit(l)
	c.engine.latency.l2.Observe(time.Since(l.began))
}

// missed counts a query that the database has to answer.
func (c *conn) missed(l *lookup) {
	c.engine.stats.misses.Add(1)
	c.engine.statements.of(l.plan, l.src.query).misses.Add(1)
}

// answered counts an answer of the database that took from started until now.
func (c *conn) answered(l *lookup, started time.Time) {
	if l.opts.renewal != nil {
		return // nobody waits
	}
	took := time.Since(started)
	s := c.engine.statements.of(l.plan, l.src.query)
	s.answers.Add(1)
	s.waited.Add(int64(took))
	c.engine.latency.origin.Observe(took)
}

// bypassed counts a query that the cache has no part in.
func (c *conn) bypassed(ctx context.Context, p *plan, reason Reason, query string) {
	c.engine.stats.bypass(reason)
	c.by = answeredBy{fromBypass, reason}
	if !p.worthCounting() {
		return
	}
	s := c.engine.statements.of(p, query)
	if first := s.bypass(reason); first && c.engine.logsDebug(ctx) {
		c.engine.cfg.Logger.DebugContext(ctx, "mlcache: a statement goes past the cache",
			"reason", string(reason), "why", ReasonDoc(reason), "statement", s.text)
	}
}
