package integration

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mlcache/mlcache/integration/harness"
)

// An error of the database reaches the caller as pgx would have handed it over,
// every time: it is not remembered, and nothing read before it is.
func TestErrorsOfTheDatabasePassUnchanged(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE divisor (id int PRIMARY KEY)", "INSERT INTO divisor SELECT generate_series(-3, 3)")
	harness.InEveryExecMode(t, dsn, func(t *testing.T, dsn string) {
		pgx := harness.Open(t, "pgx", dsn)
		db := harness.Open(t, "mlcache", withPatientRedis(t, dsn))
		untilServing(t, db)
		for _, q := range []string{
			"SELECT 6 / id FROM divisor ORDER BY id", // fails after three rows
			"SELECT nothing FROM divisor",
			"SELECT id FROM no_such_table",
			"SELECT id FROM",
			"INSERT INTO divisor VALUES (1)",
			"SELECT id FROM divisor WHERE id = $1",
		} {
			want := code(t, q, pgx)
			for range 3 {
				if got := code(t, q, db); got != want {
					t.Errorf("%s: the error is %q, want %q", q, got, want)
				}
			}
		}
		// The connection is as good as before.
		harness.Same(t, "after the errors", harness.Query(t, db, "SELECT count(*) FROM divisor"), harness.Query(t, pgx, "SELECT count(*) FROM divisor"))
		harness.Exec(t, db, "DELETE FROM divisor WHERE id = 0")
		harness.Same(t, "once nothing is divided by 0", harness.Query(t, db, "SELECT 6 / id FROM divisor ORDER BY id"),
			harness.Query(t, pgx, "SELECT 6 / id FROM divisor ORDER BY id"))
		harness.Exec(t, db, "INSERT INTO divisor VALUES (0)")
	})
}

// code is the text of the error, and whether pgconn.PgError is found in it.
func code(t testing.TB, query string, db *sql.DB) string {
	t.Helper()
	rows, err := db.QueryContext(harness.Context(t), query)
	if err == nil {
		for rows.Next() {
		}
		err = rows.Err()
		rows.Close()
	}
	if err == nil {
		t.Errorf("%s: no error", query)
		return ""
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return err.Error() + " code " + pg.Code
	}
	return err.Error()
}

// A context that has ended fails its own query as with pgx, and no other.
func TestEndedContextFailsItsQueryOnly(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE item (id int)")
	db := harness.Open(t, "mlcache", dsn)
	untilServing(t, db)
	ctx, cancel := context.WithCancel(harness.Context(t))
	cancel()
	for range 3 {
		if _, err := db.QueryContext(ctx, "SELECT id FROM item"); !errors.Is(err, context.Canceled) {
			t.Errorf("with a cancelled context: %v", err)
		}
	}
	harness.Query(t, db, "SELECT id FROM item")
}

// A cancelled statement costs its connection. Whoever holds the next sql.Conn, which database/sql gives no second try,
// notices nothing, and a statement that was prepared on the lost connection still works.
func TestConnectionIsLostToACancelledStatement(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"pgx", "mlcache"} {
		t.Run(driver, func(t *testing.T) {
			ctx := harness.Context(t)
			db := harness.Open(t, driver, harness.NewDatabase(t, "CREATE TABLE item (id int)", "INSERT INTO item VALUES (1)"))
			db.SetMaxOpenConns(1)
			read, err := db.PrepareContext(ctx, "SELECT id FROM item")
			if err != nil {
				t.Fatal(err)
			}
			write, err := db.PrepareContext(ctx, "UPDATE item SET id = id + 1")
			if err != nil {
				t.Fatal(err)
			}
			for want := 1; want < 4; want++ {
				var id int
				if err := read.QueryRowContext(ctx).Scan(&id); err != nil || id != want {
					t.Fatalf("%d, %v", id, err)
				}
				short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
				if _, err := db.ExecContext(short, "SELECT pg_sleep(10)"); !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("the statement was not cancelled: %v", err)
				}
				cancel()
				conn, err := db.Conn(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
					t.Fatalf("BEGIN on the next connection: %v", err)
				}
				harness.Exec(t, conn, "ROLLBACK")
				conn.Close()
				if _, err := write.ExecContext(ctx); err != nil {
					t.Fatalf("a prepared statement afterwards: %v", err)
				}
			}
		})
	}
}
