package test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mlcache/mlcache"
)

// A write in a transaction concerns its own table, also when it is the first
// statement of a connection, and also after a change of the schema has made all
// connections ask for their names anew. Otherwise one change of the schema would
// make each transaction drop everything from then on.
func TestTransactionsInvalidateTheirOwnTablesOnly(t *testing.T) {
	t.Parallel()
	for _, static := range []bool{true, false} {
		for name, begin := range map[string]func(context.Context, *sql.DB) (run func(string) error, end func() error, err error){
			"BeginTx": func(ctx context.Context, db *sql.DB) (func(string) error, func() error, error) {
				tx, err := db.BeginTx(ctx, nil)
				if err != nil {
					return nil, nil, err
				}
				return func(q string) error { _, err := tx.ExecContext(ctx, q); return err }, tx.Commit, nil
			},
			"BEGIN": func(ctx context.Context, db *sql.DB) (func(string) error, func() error, error) {
				c, err := db.Conn(ctx)
				if err != nil {
					return nil, nil, err
				}
				run := func(q string) error { _, err := c.ExecContext(ctx, q); return err }
				return run, func() error {
					if err := run("commit"); err != nil {
						return err
					}
					return c.Close()
				}, run("begin")
			},
		} {
			o := ticking()
			o.catalog = true
			db, h := openDriver(t, o, &mlcache.Config{StaticSessions: static})
			db.SetMaxIdleConns(0) // each statement has a connection of its own
			ctx := t.Context()
			kept := scanInt(ctx, t, db, "SELECT n FROM u")
			write := func(statement string) {
				t.Helper()
				run, end, err := begin(ctx, db)
				if err != nil {
					t.Fatal(err)
				}
				if err := run(statement); err != nil {
					t.Fatal(err)
				}
				if err := end(); err != nil {
					t.Fatal(err)
				}
			}
			write("UPDATE t SET n = 1")
			if n := scanInt(ctx, t, db, "SELECT n FROM u"); n != kept {
				t.Errorf("static %t, %s: a write to t dropped an answer from u: %v", static, name, h.Stats().Reasons)
			}
			if _, err := db.Exec("ALTER TABLE t ADD COLUMN m int"); err != nil {
				t.Fatal(err)
			}
			kept = scanInt(ctx, t, db, "SELECT n FROM u")
			for range 3 {
				write("UPDATE t SET n = 1")
				if n := scanInt(ctx, t, db, "SELECT n FROM u"); n != kept {
					t.Errorf("static %t, %s: after DDL, a write to t dropped an answer from u: %v", static, name, h.Stats().Reasons)
					kept = n
				}
			}
		}
	}
}

// Of a text that is not understood everything may have changed, so the schema is
// looked at again. If it is the same, connections go on as before.
func TestUnknownStatementLeavesTransactionsAlone(t *testing.T) {
	t.Parallel()
	o := ticking()
	o.catalog = true
	db, h := openDriver(t, o, &mlcache.Config{StaticSessions: true})
	ctx := t.Context()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("UPDATE t SET n = 1"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("FROBNICATE everything"); err != nil {
		t.Fatal(err)
	}
	// Nobody knows whether that connection is in a transaction now.
	db.SetMaxIdleConns(-1)
	db.SetMaxIdleConns(2)
	kept := scanInt(ctx, t, db, "SELECT n FROM u")
	if _, err := tx.Exec("UPDATE t SET n = 2"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := scanInt(ctx, t, db, "SELECT n FROM u"); n != kept {
		t.Errorf("the transaction dropped everything: %v", h.Stats().Reasons)
	}
}

// sqlState is the error of a server, as drivers for PostgreSQL have it.
type sqlState string

func (s sqlState) Error() string    { return "server: " + string(s) }
func (s sqlState) SQLState() string { return string(s) }

// A PostgreSQL that cannot answer for a moment is no database without a catalog,
// and one that has none is asked once.
func TestCatalogIsAskedForUntilThereIsAnAnswer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		part string // of the statement that fails
		once bool
	}{
		{driver.ErrBadConn, "SHOW", false},
		{&net.OpError{Op: "read", Err: errors.New("reset")}, "SHOW", false},
		{sqlState("57P03"), "SHOW", false},            // starting up
		{sqlState("55P03"), "pg_class c JOIN", false}, // lock_timeout
		{io.ErrUnexpectedEOF, "pg_class c JOIN", false},
		{errors.New("unexpected statement"), "SHOW", true},
		{sqlState("42704"), "SHOW", true},
		{sqlState("42P01"), "pg_class c JOIN", true},
	} {
		t.Run(tc.err.Error()+" at "+tc.part, func(t *testing.T) {
			t.Parallel()
			o := ticking()
			o.catalog = true
			failing := atomic.Bool{}
			failing.Store(true)
			o.probe = func(query string) error {
				if failing.Load() && strings.Contains(query, tc.part) {
					return tc.err
				}
				return nil
			}
			db, h := openDriver(t, o, nil)
			for range 3 {
				scanInt(t.Context(), t, db, "SELECT n FROM t")
			}
			s := h.Stats()
			if tc.once {
				if s.L1Hits != 2 {
					t.Errorf("without a catalog: %+v", s)
				}
				return
			}
			if s.Bypasses != 3 || s.Reasons[mlcache.ReasonNoCatalog] != 3 {
				t.Errorf("before the catalog is known: %+v", s)
			}
			failing.Store(false)
			waitFor(t, "the catalog", func() bool {
				x, err := h.Explain(t.Context(), "SELECT n FROM t")
				return err == nil && slices.Equal(x.Reads, []string{"public.t"})
			})
			first := scanInt(t.Context(), t, db, "SELECT n FROM t")
			if n := scanInt(t.Context(), t, db, "SELECT n FROM t"); n != first {
				t.Error("not cached afterwards")
			}
		})
	}
}
