package mlcache

import (
	"context"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/sqlinfo"
)

// plan finds or makes the plan of a text, for the way in which this session
// resolves names.
func (c *conn) plan(ctx context.Context, query string) *plan {
	return c.planFor(ctx, query, nil)
}

// planFor is plan for a query whose caller names tables (WithTables).
func (c *conn) planFor(ctx context.Context, query string, tables []string) *plan {
	if c.engine.off() {
		return c.offPlan(query, nil)
	}
	if c.engine.versions.Paused() {
		// The schema may have changed meanwhile, and with it what the statement
		// reads and writes.
		asking, cancel := forCache(ctx)
		_ = c.engine.versions.Ensure(asking, nil)
		cancel()
	}
	if st := c.engine.schema.current.Load(); st == nil || st != c.schema {
		if st == nil && !c.needsCatalog(query) {
			return blindPlan(query, ReasonNoCatalog)
		}
		if !c.renew(ctx, query) {
			return c.blind(ctx, query, c.engine.schema.reason())
		}
	}
	if (c.names == nil || c.names.inDoubt()) && c.hasCatalog() && !c.inTx() && c.dependsOnNames(query) {
		if err := c.readBack(ctx); err != nil {
			if ctx.Err() != nil {
				// pgx has closed the connection over it: the caller gets the error
				// that the statement would have had, and not a bad connection.
				c.cutShort = err
			}
			return c.blind(ctx, query, ReasonUnknownSession)
		}
	}
	text := query
	if len(tables) > 0 {
		text = vouchedText(query, tables)
	} else if query != "" && query[0] == vouchedMark {
		return c.engine.newPlan(query, nil, c.schema, c.names)
	}
	recent := &c.recent[len(text)%recentPlans]
	if recent.text == text && recent.plan != nil {
		return recent.plan
	}
	if p := c.plans[text]; p != nil {
		*recent = recentPlan{text, p}
		return p
	}
	key := planKey{text: text, schema: c.schema}
	if c.names != nil {
		key.names = c.names.names
	}
	p := c.engine.plans.get(key, func() *plan { return c.engine.newPlan(query, tables, c.schema, c.names) })
	c.keepPlan(text, p)
	return p
}

// blind is blindPlan for a statement that is about to run. Where its text shows a read,
// the server is asked whether it can be anything else; inside a transaction it is not
// asked, and the statement counts as one that may change everything.
func (c *conn) blind(ctx context.Context, query string, reason Reason) *plan {
	p := blindPlan(query, reason)
	if p.isWrite() || p.info.Kind == sqlinfo.Tx || p.info.Kind == sqlinfo.Session || !namesAnything(p.info) && !p.info.Maintains {
		return p
	}
	// ANALYZE and its like compute what an index is made of, about which nobody is asked.
	if q, err := c.asker(ctx); err == nil && !p.info.Maintains {
		if _, ok := surelyReads(ctx, q, p.info); ok {
			return p
		}
		c.cutShort = ctx.Err() // pgx has closed the connection over it
	}
	p.writesAll, p.touchesSession, p.touchesNames, p.doubted = true, true, true, true
	return p
}

// vouchedMark begins the texts under which plans are kept whose caller names tables.
// PostgreSQL takes no text with a NUL, so no plan is kept under one that a user
// wrote.
const vouchedMark = 0

func vouchedText(query string, tables []string) string {
	text := cache.AppendString([]byte{vouchedMark}, query)
	for _, t := range tables {
		text = cache.AppendString(text, t)
	}
	return string(text)
}

// needsCatalog is false for statements whose plan is the same whatever the schema:
// the DDL of a migration, of which each drops what is known of the schema, must not
// have it read again for the next one, nor the transaction around it.
func (c *conn) needsCatalog(query string) bool {
	info := sqlinfo.Parse(query)
	return c.dependsOnNames(query) && !info.DDL && (c.db.Pgx == nil || info.Kind != sqlinfo.Tx)
}

// wasCutShort returns, once, the error of a question of mlcache's own that the
// caller's context ended.
func (c *conn) wasCutShort() error {
	err := c.cutShort
	c.cutShort = nil
	return err
}

// dependsOnNames is false for the statements that make names resolve otherwise:
// several of them often come in a row, and only then a query. Nothing is asked
// inside a transaction, so it is before one.
func (c *conn) dependsOnNames(query string) bool {
	switch info := sqlinfo.Parse(query); info.Kind {
	case sqlinfo.Session:
		return false
	case sqlinfo.Tx:
		return info.TxOp == sqlinfo.TxBegin
	}
	return true
}

// recentPlan is a plan that is in conn.plans as well. Programs ask with the same
// texts again and again, mostly the very same strings, which compare by their address.
type recentPlan struct {
	text string
	plan *plan
}

// recentPlans is how many there are, by the length of the text.
const recentPlans = 16

// recount is how many plans are kept before what the others take is counted again: they
// grow by what is learnt while they are used.
const recount = 32

func (c *conn) keepPlan(query string, p *plan) {
	size := int(p.size.Load())
	if len(query) > maxSharedText || size > maxPlanSize {
		return
	}
	if len(c.plans)%recount == recount-1 {
		c.planned = 0
		for _, old := range c.plans {
			c.planned += int(old.size.Load())
		}
	}
	// Plans that had to go from the shared ones must not stay for long in a hundred connections.
	dropped := c.engine.plans.dropped.Load()
	if len(c.plans) >= maxConnPlans || c.planned+size > maxConnBytes || dropped != c.dropped {
		c.forgetPlans()
		c.dropped = dropped
	}
	c.plans[query] = p
	c.planned += size
	c.recent[len(query)%recentPlans] = recentPlan{query, p}
}

func (c *conn) forgetPlans() {
	c.plans = make(map[string]*plan) // a map never gives back what it has grown to
	c.recent = [recentPlans]recentPlan{}
	c.planned = 0
}
