package test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mlcache/mlcache"
)

// A write that the server refused has changed nothing, and answers are kept again
// at once. Of any other error nobody knows whether the write will still become
// visible, so for a while nothing is.
func TestWhatAFailedWriteMeansForTheCache(t *testing.T) {
	t.Parallel()
	refused := &pgconn.PgError{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "23505"}
	for _, tc := range []struct {
		err   error
		known bool
	}{
		{refused, true},
		{fmt.Errorf("traced: %w", refused), true},
		{&pgconn.PgError{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "57P01"}, false},
		{errors.New("broken pipe"), false},
	} {
		for _, catalog := range []bool{true, false} {
			var failing error
			value := int64(1)
			o := newOrigin(func(query string, args []driver.NamedValue) (*result, error) {
				if query[0] == 'S' {
					return intResult(value), nil
				}
				return intResult(0), failing
			})
			o.catalog = catalog
			db, h := openDriver(t, o, &mlcache.Config{StaticSessions: true})
			ctx := t.Context()
			for name, write := range map[string]func() error{
				"Exec":     func() error { _, err := db.Exec("UPDATE t SET n = $1", 1); return err },
				"Query":    func() error { _, err := queryAll(ctx, db, "UPDATE t SET n = $1 RETURNING n", 1); return err },
				"QueryRow": func() error { return db.QueryRow("UPDATE t SET n = 1 RETURNING n").Scan(new(int)) },
			} {
				failing = nil
				if err := write(); err != nil {
					t.Fatal(err)
				}
				scanInt(ctx, t, db, "SELECT n FROM t")
				failing = tc.err
				if err := write(); err != tc.err {
					t.Errorf("%s: got %v, want %v", name, err, tc.err)
				}
				before := h.Stats()
				for range 2 {
					scanInt(ctx, t, db, "SELECT n FROM t")
				}
				after := h.Stats()
				if tc.known && after.L1Hits == before.L1Hits {
					t.Errorf("%s, %v: nothing is kept: %v", name, tc.err, after.Reasons)
				}
				if !tc.known {
					if after.Reasons[mlcache.ReasonFenced]-before.Reasons[mlcache.ReasonFenced] != 2 {
						t.Errorf("%s, %v: %+v", name, tc.err, after)
					}
					break // the fence stays for seconds
				}
			}
		}
	}
}

// Arguments that do not fit are no write: nothing was sent.
func TestRefusedArgumentFencesNothing(t *testing.T) {
	t.Parallel()
	db, h := openDriver(t, ticking(), nil)
	ctx := t.Context()
	first := scanInt(ctx, t, db, "SELECT n FROM t")
	if _, err := db.Exec("UPDATE t SET n = $1", struct{}{}); err == nil {
		t.Error("no error")
	}
	if n := scanInt(ctx, t, db, "SELECT n FROM t"); n != first {
		t.Errorf("the answer is gone: %+v", h.Stats())
	}
}

// A commit whose outcome is not known counts as one, and may still come.
func TestCommitOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	boom := errors.New("connection lost")
	o := ticking()
	o.catalog = true
	o.wrapConn = func(c *originConn) driver.Conn { return failingCommits{fullConn{c}, boom} }
	db, h := openDriver(t, o, &mlcache.Config{StaticSessions: true})
	ctx := t.Context()
	other := scanInt(ctx, t, db, "SELECT n FROM u")
	first := scanInt(ctx, t, db, "SELECT n FROM t")
	tx, err := db.BeginTx(ctx, &sql.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("UPDATE t SET n = 1"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != boom {
		t.Errorf("got %v", err)
	}
	if n := scanInt(ctx, t, db, "SELECT n FROM t"); n == first {
		t.Error("an answer from before the commit")
	}
	if h.Stats().Reasons[mlcache.ReasonFenced] != 1 {
		t.Errorf("%v", h.Stats().Reasons)
	}
	if n := scanInt(ctx, t, db, "SELECT n FROM u"); n != other {
		t.Error("a table that the transaction did not write")
	}
}

// failingCommits loses the connection when a transaction is committed.
type failingCommits struct {
	fullConn
	err error
}

func (c failingCommits) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.fullConn.BeginTx(ctx, opts)
	return failingTx{tx, c.err}, err
}

type failingTx struct {
	driver.Tx
	err error
}

func (t failingTx) Commit() error { return t.err }
