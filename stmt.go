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
	s.conn.takeBack()
	return s.conn.exec(ctx, s.source(), args)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.conn.takeBack()
	return s.conn.query(ctx, s.source(), args)
}

func (s *stmt) source() source { return source{query: s.prepared.Text(), stmt: s} }
