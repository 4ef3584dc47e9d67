package test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/DATA-DOG/go-sqlmock"

	"github.com/mlcache/mlcache"
)

// mockConnector makes connections of one sqlmock.
type mockConnector struct {
	dsn string
	drv driver.Driver
}

func (c *mockConnector) Connect(context.Context) (driver.Conn, error) { return c.drv.Open(c.dsn) }
func (c *mockConnector) Driver() driver.Driver                        { return c.drv }

// openMock puts mlcache in front of a sqlmock. When the test ends, every
// expectation must have been met.
func openMock(t *testing.T, cfg *mlcache.Config, options ...func(*sqlmock.Sqlmock) error) (*sql.DB, sqlmock.Sqlmock, *mlcache.Handle) {
	t.Helper()
	dsn := driverNamespace()
	plain, mock, err := sqlmock.NewWithDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	// The plain DB holds one connection of its own, without which sqlmock would
	// forget the DSN.
	t.Cleanup(func() {
		if err := mock.ExpectationsWereMet(); err != nil {
			t.Error(err)
		}
		mock.ExpectClose()
		_ = plain.Close()
	})
	db, h := openDriver(t, &mockConnector{dsn, plain.Driver()}, cfg)
	return db, mock, h
}

func oneRow(v any) *sqlmock.Rows { return sqlmock.NewRows([]string{"n"}).AddRow(v) }

func TestMockSecondSelectIsAnsweredWithoutTheOrigin(t *testing.T) {
	t.Parallel()
	db, mock, h := openMock(t, nil)
	mock.ExpectQuery("SELECT n FROM t").WithArgs(7).WillReturnRows(oneRow(42))
	for range 3 {
		if n := scanInt(t.Context(), t, db, "SELECT n FROM t WHERE id = $1", 7); n != 42 {
			t.Errorf("got %d", n)
		}
	}
	wantCounts(t, h, 2, 0, 1, 0)
	if r := h.Stats().HitRate(); r < 0.66 || r > 0.67 {
		t.Errorf("hit rate %v", r)
	}
}

func TestMockWriteInvalidates(t *testing.T) {
	t.Parallel()
	db, mock, _ := openMock(t, nil)
	mock.ExpectQuery("SELECT n FROM t").WillReturnRows(oneRow(1))
	mock.ExpectExec("UPDATE t").WillReturnResult(sqlmock.NewResult(0, 1))
	mock.ExpectQuery("SELECT n FROM t").WillReturnRows(oneRow(2))
	mock.ExpectQuery("INSERT INTO t").WillReturnRows(oneRow(9))
	mock.ExpectQuery("SELECT n FROM t").WillReturnRows(oneRow(3))
	ctx := t.Context()
	read := func(want int64) {
		t.Helper()
		for range 2 {
			if n := scanInt(ctx, t, db, "SELECT n FROM t"); n != want {
				t.Errorf("got %d, want %d", n, want)
			}
		}
	}
	read(1)
	if _, err := db.ExecContext(ctx, "UPDATE t SET n = 2"); err != nil {
		t.Fatal(err)
	}
	read(2)
	if id := scanInt(ctx, t, db, "INSERT INTO t VALUES (3) RETURNING id"); id != 9 {
		t.Errorf("RETURNING gave %d", id)
	}
	read(3)
}

func TestMockTransaction(t *testing.T) {
	t.Parallel()
	for _, commit := range []bool{true, false} {
		db, mock, _ := openMock(t, nil)
		ctx := t.Context()
		mock.ExpectQuery("SELECT n FROM t").WillReturnRows(oneRow(1))
		mock.ExpectBegin()
		mock.ExpectQuery("SELECT n FROM t").WillReturnRows(oneRow(1))
		mock.ExpectExec("UPDATE t").WillReturnResult(sqlmock.NewResult(0, 1))
		mock.ExpectQuery("SELECT n FROM t").WillReturnRows(oneRow(2))
		scanInt(ctx, t, db, "SELECT n FROM t")
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := scanInt(ctx, t, tx, "SELECT n FROM t"); n != 1 {
			t.Errorf("in the transaction: %d", n)
		}
		if _, err := tx.ExecContext(ctx, "UPDATE t SET n = 2"); err != nil {
			t.Fatal(err)
		}
		if n := scanInt(ctx, t, tx, "SELECT n FROM t"); n != 2 {
			t.Errorf("in the transaction, after its write: %d", n)
		}
		// Another connection does not see what is not committed.
		if n := scanInt(ctx, t, db, "SELECT n FROM t"); n != 1 {
			t.Errorf("outside of the transaction: %d", n)
		}
		if commit {
			mock.ExpectCommit()
			mock.ExpectQuery("SELECT n FROM t").WillReturnRows(oneRow(2))
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			if n := scanInt(ctx, t, db, "SELECT n FROM t"); n != 2 {
				t.Errorf("after COMMIT: %d", n)
			}
			continue
		}
		mock.ExpectRollback()
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		if n := scanInt(ctx, t, db, "SELECT n FROM t"); n != 1 {
			t.Errorf("after ROLLBACK: %d", n)
		}
	}
}

func TestMockPreparedStatement(t *testing.T) {
	t.Parallel()
	db, mock, h := openMock(t, nil)
	ctx := t.Context()
	mock.ExpectPrepare("SELECT n FROM t").ExpectQuery().WithArgs(1).WillReturnRows(oneRow(10))
	get, err := db.PrepareContext(ctx, "SELECT n FROM t WHERE id = $1")
	if err != nil {
		t.Fatal(err)
	}
	defer get.Close()
	read := func(want int64) {
		t.Helper()
		for range 2 {
			var n int64
			if err := get.QueryRowContext(ctx, 1).Scan(&n); err != nil || n != want {
				t.Errorf("got %d, %v, want %d", n, err, want)
			}
		}
	}
	read(10)
	if n := scanInt(ctx, t, db, "SELECT n FROM t WHERE id = $1", 1); n != 10 {
		t.Errorf("not prepared: %d", n)
	}
	wantCounts(t, h, 2, 0, 1, 0)

	set := mock.ExpectPrepare("UPDATE t")
	set.ExpectExec().WithArgs(11).WillReturnResult(sqlmock.NewResult(0, 1))
	mock.ExpectQuery("SELECT n FROM t").WithArgs(1).WillReturnRows(oneRow(11))
	put, err := db.PrepareContext(ctx, "UPDATE t SET n = $1")
	if err != nil {
		t.Fatal(err)
	}
	defer put.Close()
	if _, err := put.ExecContext(ctx, 11); err != nil {
		t.Fatal(err)
	}
	read(11)
}

func TestMockErrorComesBackUnchangedAndIsNotCached(t *testing.T) {
	t.Parallel()
	db, mock, _ := openMock(t, nil)
	ctx := t.Context()
	boom := errors.New("relation does not exist")
	for range 2 {
		mock.ExpectQuery("SELECT n FROM t").WillReturnError(boom)
		rows, err := db.QueryContext(ctx, "SELECT n FROM t")
		if err != boom {
			t.Errorf("got %v (%T) and rows %v", err, err, rows)
		}
	}
	mock.ExpectExec("UPDATE t").WillReturnError(boom)
	if _, err := db.ExecContext(ctx, "UPDATE t SET n = 1"); err != boom {
		t.Errorf("Exec: got %v", err)
	}
	mock.ExpectBegin().WillReturnError(boom)
	if _, err := db.BeginTx(ctx, nil); err != boom {
		t.Errorf("Begin: got %v", err)
	}
	mock.ExpectPrepare("SELECT 1").WillReturnError(boom)
	if _, err := db.PrepareContext(ctx, "SELECT 1"); err != boom {
		t.Errorf("Prepare: got %v", err)
	}
	mock.ExpectBegin()
	mock.ExpectCommit().WillReturnError(boom)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != boom {
		t.Errorf("Commit: got %v", err)
	}
}

func TestMockRowErrorIsNotCached(t *testing.T) {
	t.Parallel()
	db, mock, _ := openMock(t, nil)
	ctx := t.Context()
	boom := errors.New("connection reset")
	rows := sqlmock.NewRows([]string{"n"}).AddRow(1).AddRow(2).AddRow(3).RowError(2, boom)
	mock.ExpectQuery("SELECT n FROM t").WillReturnRows(rows)
	got, err := queryInts(ctx, db, "SELECT n FROM t")
	if err != boom || len(got) != 2 {
		t.Errorf("got %v and %v, want two rows and the error", got, err)
	}
	mock.ExpectQuery("SELECT n FROM t").WillReturnRows(oneRow(5))
	if got, err := queryInts(ctx, db, "SELECT n FROM t"); err != nil || len(got) != 1 || got[0] != 5 {
		t.Errorf("got %v and %v", got, err)
	}
}

// The statements with which mlcache looks for a catalog must not take the place
// of one that the test expects.
func TestMockExpectationsAreNotConsumedByTheProbe(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern string
		ordered bool
	}{{"SELECT", true}, {"(?i)select", true}, {"SELECT", false}, {"^SELECT .*", false}} {
		db, mock, _ := openMock(t, nil)
		mock.MatchExpectationsInOrder(tc.ordered)
		mock.ExpectQuery(tc.pattern).WillReturnRows(oneRow(1))
		mock.ExpectQuery(tc.pattern).WillReturnRows(oneRow(2))
		mock.ExpectExec("UPDATE").WillReturnResult(sqlmock.NewResult(0, 1))
		mock.ExpectBegin()
		mock.ExpectRollback()
		if n := scanInt(t.Context(), t, db, "SELECT a FROM t"); n != 1 {
			t.Errorf("%+v: first query got %d", tc, n)
		}
		if n := scanInt(t.Context(), t, db, "SELECT b FROM t"); n != 2 {
			t.Errorf("%+v: second query got %d", tc, n)
		}
		if _, err := db.Exec("UPDATE t SET a = 1"); err != nil {
			t.Errorf("%+v: %v", tc, err)
		}
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

func queryInts(ctx context.Context, db *sql.DB, query string, args ...any) ([]int64, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return out, err
		}
		out = append(out, n)
	}
	return out, rows.Err()
}
