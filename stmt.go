package mlcache

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/mlcache/mlcache/internal/dbconn"
)

// stmt is a prepared statement. It answers from the cache like a query that was
// not prepared.
type stmt struct {
	conn     *conn
	prepared dbconn.Stmt
}

var (
	_ driver.Stmt             = (*stmt)(nil)
	_ driver.StmtExecContext  = (*stmt)(nil)
	_ driver.StmtQueryContext = (*stmt)(nil)
)

func (s *stmt) Close() error { return s.prepared.Close() }

func (s *stmt) NumInput() int { return s.prepared.NumInput() }

// Exec and Query without a context are what database/sql calls only on drivers
// that lack the others.
func (s *stmt) Exec([]driver.Value) (driver.Result, error) {
	return nil, errors.New("mlcache: Stmt.Exec is not implemented, use ExecContext")
}

func (s *stmt) Query([]driver.Value) (driver.Rows, error) {
	return nil, errors.New("mlcache: Stmt.Query is not implemented, use QueryContext")
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	c := s.conn
	c.takeBack()
	if err := c.open(ctx); err != nil {
		return nil, err
	}
	if c.engine.off() {
		return c.execOff(ctx, s.prepared.Text(), args, func() (driver.Result, error) { return s.exec(ctx, s.prepared.Text(), args) })
	}
	query, args, known, err := c.rewrite(ctx, s.prepared.Text(), args)
	if err != nil {
		return nil, err
	}
	p := c.planRewritten(ctx, query, known)
	if err := c.wasCutShort(); err != nil {
		return nil, err
	}
	change, err := c.beforeChange(ctx, p)
	if err != nil {
		return nil, err
	}
	res, err := s.exec(ctx, query, args)
	change.called(err)
	return res, err
}

func (s *stmt) exec(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if query != s.prepared.Text() {
		return dbconn.Exec(ctx, s.conn.db.Origin, query, args)
	}
	return s.prepared.Exec(ctx, args)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.conn.takeBack()
	return s.conn.query(ctx, source{query: s.prepared.Text(), stmt: s}, args)
}

// source is where the origin's answer to a query comes from: a text, or a
// statement that was prepared from it.
type source struct {
	query string
	stmt  *stmt
}

func (s source) rows(ctx context.Context, c driver.Conn, args []driver.NamedValue) (driver.Rows, error) {
	if s.stmt != nil {
		return s.stmt.prepared.Query(ctx, args)
	}
	return dbconn.Query(ctx, c, s.query, args)
}
