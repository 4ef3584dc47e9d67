package mlcache

import (
	"context"
	"database/sql/driver"
	"errors"
)

// stmt is a prepared statement. It answers from the cache like a query that was
// not prepared.
type stmt struct {
	conn   *conn
	origin driver.Stmt
	query  string
}

var (
	_ driver.Stmt             = (*stmt)(nil)
	_ driver.StmtExecContext  = (*stmt)(nil)
	_ driver.StmtQueryContext = (*stmt)(nil)
)

func (s *stmt) Close() error {
	s.conn.stmts--
	return s.origin.Close()
}

// NumInput leaves the count to originArgs where the origin's own checks may add or
// remove arguments; pgx has none.
func (s *stmt) NumInput() int {
	if s.conn.pgx == nil {
		return -1
	}
	return s.origin.NumInput()
}

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
	p := c.plan(ctx, s.query)
	if err := c.wasCutShort(); err != nil {
		return nil, err
	}
	var res driver.Result
	err := c.change(ctx, p, func() (err error) {
		res, err = stmtExec(ctx, c.origin, s.origin, args)
		return err
	})
	return res, err
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.conn.takeBack()
	return s.conn.query(ctx, source{query: s.query, stmt: s.origin}, args)
}

// source is where the origin's answer to a query comes from: a text, or a
// statement that was prepared from it.
type source struct {
	query string
	stmt  driver.Stmt
}

func (s source) rows(ctx context.Context, c driver.Conn, args []driver.NamedValue) (driver.Rows, error) {
	if s.stmt != nil {
		return stmtQuery(ctx, c, s.stmt, args)
	}
	return originQuery(ctx, c, s.query, args)
}
