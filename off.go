package mlcache

import (
	"context"
	"database/sql/driver"

	"github.com/mlcache/mlcache/internal/dbconn"
	"github.com/mlcache/mlcache/sqlinfo"
)

// With mlcache_mode=off nothing is asked of the database but what the program asks, and
// the program gets what pgx gives it. All that remains is to tell the other processes, and
// the other pools of this one, of what changes; and since what a statement changes
// stands in the catalog, which is not read, that is: everything.

// offPlan is the plan of a text that is handed on as it is. args can hold a rewriter of
// the text: what the server gets then is not known here.
func (c *conn) offPlan(text string, args []driver.NamedValue) *plan {
	if _, rewriter := countOptions(args); rewriter != nil && !isPure(rewriter) {
		return opaquePlan()
	}
	if p := c.plans[text]; p != nil {
		return p
	}
	p := blindPlan(text, ReasonMode)
	c.keepPlan(text, p)
	return p
}

// passOff hands a query on.
func (c *conn) passOff(ctx context.Context, src source, args []driver.NamedValue) (driver.Rows, error) {
	p := c.offPlan(src.query, args)
	err := c.open(ctx)
	c.bypassed(ctx, p, p.reason, src.query)
	if err != nil {
		return nil, err
	}
	if !p.isWrite() && p.info.Kind != sqlinfo.Tx {
		return src.rows(ctx, c.db.Origin, args)
	}
	change, err := c.beforeChange(ctx, p)
	if err != nil {
		return nil, err
	}
	rows, err := src.rows(ctx, c.db.Origin, args)
	if err != nil {
		change.called(err)
		return nil, err
	}
	return dbconn.EndOnClose(rows, change.done), nil
}
