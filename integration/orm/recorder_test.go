package orm

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// statement is what a library sent to the database.
type statement struct {
	text string
	args []any
}

// recorder is a connector for pgx that notes every statement that returns rows.
// What it notes is what the library wrote, with the values that it gave.
type recorder struct {
	driver.Connector

	mu         sync.Mutex
	statements []statement
}

// record returns a DB over pgx and the recorder of its queries.
func record(t testing.TB, dsn string) (*sql.DB, *recorder) {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{Connector: stdlib.GetConnector(*config)}
	db := sql.OpenDB(r)
	t.Cleanup(func() { db.Close() })
	return db, r
}

// take returns what was noted since the last call.
func (r *recorder) take() []statement {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.statements
	r.statements = nil
	return s
}

func (r *recorder) note(text string, args []driver.NamedValue) {
	s := statement{text: text}
	for _, a := range args {
		s.args = append(s.args, a.Value)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.statements = append(r.statements, s)
}

func (r *recorder) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := r.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &recordingConn{Conn: c.(*stdlib.Conn), recorder: r}, nil
}

type recordingConn struct {
	*stdlib.Conn
	recorder *recorder
}

func (c *recordingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.recorder.note(query, args)
	return c.Conn.QueryContext(ctx, query, args)
}

func (c *recordingConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.Conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &recordingStmt{Stmt: s.(*stdlib.Stmt), text: query, recorder: c.recorder}, nil
}

type recordingStmt struct {
	*stdlib.Stmt
	text     string
	recorder *recorder
}

func (s *recordingStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.recorder.note(s.text, args)
	return s.Stmt.QueryContext(ctx, args)
}

// isSelect says whether a statement reads and does nothing else, as far as the
// statements of this package go.
func (s statement) isSelect() bool {
	text := strings.ReplaceAll(strings.ToUpper(s.text), "FOR UPDATE", "")
	if strings.HasPrefix(text, "--") {
		_, text, _ = strings.Cut(text, "\n")
	}
	words := strings.Fields(text)
	if len(words) == 0 || words[0] != "SELECT" && words[0] != "WITH" && words[0] != "(SELECT" {
		return false
	}
	return !slices.ContainsFunc(words, func(w string) bool {
		return w == "INSERT" || w == "UPDATE" || w == "DELETE"
	})
}
