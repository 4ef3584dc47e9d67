package mlcache

import (
	"context"
	"database/sql/driver"

	"github.com/mlcache/mlcache/internal/dbconn"
)

// source is where the origin's answer comes from: a text, or a statement that was
// prepared from it.
type source struct {
	query string
	stmt  *stmt
}

// rows runs it as a query.
func (s source) rows(ctx context.Context, c driver.Conn, args []driver.NamedValue) (driver.Rows, error) {
	if s.stmt != nil {
		return s.stmt.prepared.Query(ctx, args)
	}
	return dbconn.Query(ctx, c, s.query, args)
}

// exec runs it where nobody wants rows. A text that a rewriter of pgx has made of it was not prepared.
func (s source) exec(ctx context.Context, c driver.Conn, text string, args []driver.NamedValue) (driver.Result, error) {
	if s.stmt != nil && text == s.query {
		return s.stmt.prepared.Exec(ctx, args)
	}
	return dbconn.Exec(ctx, c, text, args)
}

// exec runs a statement at the origin and makes its changes known.
func (c *conn) exec(ctx context.Context, src source, args []driver.NamedValue) (driver.Result, error) {
	if err := c.open(ctx); err != nil {
		return nil, err
	}
	text := src.query
	var p *plan
	if c.engine.off() {
		p = c.offPlan(text, args)
	} else {
		var known bool
		var err error
		if text, args, known, err = c.rewrite(ctx, text, args); err != nil {
			return nil, err
		}
		p = c.planRewritten(ctx, text, known)
		if err := c.wasCutShort(); err != nil {
			return nil, err
		}
	}
	change, err := c.beforeChange(ctx, p)
	if err != nil {
		return nil, err
	}
	res, err := src.exec(ctx, c.db.Origin, text, args)
	change.called(err)
	return res, err
}
