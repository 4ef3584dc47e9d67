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
	conn   *conn
	origin driver.Stmt
	query  string
	// preparedOn is conn.origins when origin was prepared.
	preparedOn int
}

var (
	_ driver.Stmt             = (*stmt)(nil)
	_ driver.StmtExecContext  = (*stmt)(nil)
	_ driver.StmtQueryContext = (*stmt)(nil)
)

func (s *stmt) Close() error {
	s.conn.prepared--
	if s.preparedOn != s.conn.origins {
		return nil // it went with its connection
	}
	return s.origin.Close()
}

// onOrigin returns the statement as prepared on the origin connection, which is
// open.
func (s *stmt) onOrigin(ctx context.Context) (driver.Stmt, error) {
	if s.preparedOn != s.conn.origins {
		origin, err := dbconn.Prepare(ctx, s.conn.origin, s.query)
		if err != nil {
			return nil, err
		}
		s.origin, s.preparedOn = origin, s.conn.origins
	}
	return s.origin, nil
}

// NumInput leaves the count to originArgs where the origin's own checks may add or
// remove arguments; pgx has none.
func (s *stmt) NumInput() int {
	if s.conn.pgx == nil && s.conn.origin != nil {
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
	if c.engine.off() {
		return c.execOff(ctx, s.query, args, func() (driver.Result, error) { return s.exec(ctx, s.query, args) })
	}
	query, args, known, err := c.rewrite(ctx, s.query, args)
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
	if query != s.query {
		return dbconn.Exec(ctx, s.conn.origin, query, args)
	}
	origin, err := s.onOrigin(ctx)
	if err != nil {
		return nil, err
	}
	return dbconn.StmtExec(ctx, s.conn.origin, origin, args)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.conn.takeBack()
	return s.conn.query(ctx, source{query: s.query, stmt: s}, args)
}

// source is where the origin's answer to a query comes from: a text, or a
// statement that was prepared from it.
type source struct {
	query string
	stmt  *stmt
}

func (s source) rows(ctx context.Context, c driver.Conn, args []driver.NamedValue) (driver.Rows, error) {
	if s.stmt != nil {
		origin, err := s.stmt.onOrigin(ctx)
		if err != nil {
			return nil, err
		}
		return dbconn.StmtQuery(ctx, c, origin, args)
	}
	return dbconn.Query(ctx, c, s.query, args)
}
