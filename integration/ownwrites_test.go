package integration

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

const accountTable = `CREATE TABLE account (id int PRIMARY KEY, owner text NOT NULL, balance bigint NOT NULL);
	INSERT INTO account SELECT i, 'owner ' || i, 100 FROM generate_series(1, 3) i`

// change is one statement that writes; with RETURNING it is run as a query.
type change struct {
	name, text string
	args       func(round int) []any
}

var changes = []change{
	{"insert", "INSERT INTO account (id, owner, balance) VALUES ($1, $2, 5)", func(n int) []any { return []any{1000 + n, "new"} }},
	{"update", "UPDATE account SET balance = $1 WHERE id = 2", func(n int) []any { return []any{n} }},
	{"delete", "DELETE FROM account WHERE id >= $1", func(int) []any { return []any{1000} }},
}

// preparer is a *sql.DB or a *sql.Tx.
type preparer interface {
	harness.Queryer
	harness.Execer
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// ways are the ways in which a program can run a statement.
var ways = []struct {
	name string
	run  func(ctx context.Context, on preparer, c change, round int) error
}{
	{"exec", func(ctx context.Context, on preparer, c change, round int) error {
		_, err := on.ExecContext(ctx, c.text, c.args(round)...)
		return err
	}},
	{"query returning", func(ctx context.Context, on preparer, c change, round int) error {
		rows, err := on.QueryContext(ctx, c.text+" RETURNING id, balance", c.args(round)...)
		if err != nil {
			return err
		}
		return readAll(rows)
	}},
	{"prepared exec", func(ctx context.Context, on preparer, c change, round int) error {
		s, err := on.PrepareContext(ctx, c.text)
		if err != nil {
			return err
		}
		defer s.Close()
		_, err = s.ExecContext(ctx, c.args(round)...)
		return err
	}},
	{"prepared query returning", func(ctx context.Context, on preparer, c change, round int) error {
		s, err := on.PrepareContext(ctx, c.text+" RETURNING id, balance")
		if err != nil {
			return err
		}
		defer s.Close()
		rows, err := s.QueryContext(ctx, c.args(round)...)
		if err != nil {
			return err
		}
		return readAll(rows)
	}},
	{"query in WITH", func(ctx context.Context, on preparer, c change, round int) error {
		rows, err := on.QueryContext(ctx, "WITH w AS ("+c.text+" RETURNING id) SELECT count(*) FROM w", c.args(round)...)
		if err != nil {
			return err
		}
		return readAll(rows)
	}},
}

func readAll(rows *sql.Rows) error {
	if r := harness.ReadRows(rows); r.Err != "" {
		return fmt.Errorf("read rows: %s", r.Err)
	}
	return nil
}

// frames are what can stand around a statement.
var frames = []struct {
	name string
	run  func(ctx context.Context, db *sql.DB, f func(preparer) error) error
}{
	{"alone", func(_ context.Context, db *sql.DB, f func(preparer) error) error { return f(db) }},
	{"commit", func(ctx context.Context, db *sql.DB, f func(preparer) error) error {
		return inTx(ctx, db, f, (*sql.Tx).Commit)
	}},
	{"rollback", func(ctx context.Context, db *sql.DB, f func(preparer) error) error {
		return inTx(ctx, db, f, (*sql.Tx).Rollback)
	}},
}

func inTx(ctx context.Context, db *sql.DB, f func(preparer) error, end func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return end(tx)
}

// Whatever way a statement writes, the read that follows it in the same process
// has pgx's answer, at once, though the answer from before was cached.
func TestReadAfterOwnWriteIsRight(t *testing.T) {
	t.Parallel()
	for _, level := range []struct {
		name string
		dsn  func(t testing.TB, dsn string) string
	}{
		{"memory only", func(_ testing.TB, dsn string) string { return dsn }},
		{"with Redis", func(t testing.TB, dsn string) string { return withPatientRedis(t, dsn) }},
		{"strict", func(t testing.TB, dsn string) string {
			return withPatientRedis(t, dsn, "mlcache_consistency", "strict")
		}},
	} {
		t.Run(level.name, func(t *testing.T) {
			t.Parallel()
			harness.InEveryExecMode(t, harness.NewDatabase(t, warmup, accountTable), func(t *testing.T, dsn string) {
				pgx := harness.Open(t, "pgx", dsn)
				db := harness.Open(t, "mlcache", level.dsn(t, dsn))
				untilServing(t, db)
				round := 0
				for _, frame := range frames {
					for _, way := range ways {
						for _, c := range changes {
							round++
							name := fmt.Sprintf("%s, %s, %s", c.name, way.name, frame.name)
							readAfterWrite(t, name, db, pgx, func() error {
								return frame.run(harness.Context(t), db, func(on preparer) error {
									return way.run(harness.Context(t), on, c, round)
								})
							})
						}
					}
				}
			})
		})
	}
}

// reads are the answers that a write must not leave behind.
var reads = []string{
	"SELECT id, owner, balance FROM account ORDER BY id",
	"SELECT count(*), sum(balance) FROM account",
	"SELECT balance FROM account WHERE id = 2",
}

func readAfterWrite(t *testing.T, name string, db, pgx *sql.DB, write func() error) {
	t.Helper()
	for _, q := range reads {
		untilHit(t, db, q)
	}
	if err := write(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, q := range reads {
		harness.Same(t, name+": "+q, harness.Query(t, db, q), harness.Query(t, pgx, q))
	}
}

// Inside a transaction a read sees what the transaction has written; outside, and
// after a rollback, nobody does.
func TestUncommittedRowsStayInTheirTransaction(t *testing.T) {
	t.Parallel()
	const query = "SELECT sum(balance) FROM account"
	dsn := harness.NewDatabase(t, warmup, accountTable)
	db := harness.Open(t, "mlcache", withPatientRedis(t, dsn))
	untilServing(t, db)
	committed := untilHit(t, db, query)
	for round := range 5 {
		tx, err := db.BeginTx(harness.Context(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		harness.Exec(t, tx, "UPDATE account SET balance = balance + 1000")
		inside := harness.Query(t, tx, query)
		if inside.String() == committed.String() {
			t.Error("the transaction does not see its own UPDATE")
		}
		for range 3 {
			harness.Same(t, "a read outside the open transaction", harness.Query(t, db, query), committed)
		}
		if round%2 == 0 {
			// A savepoint that is rolled back takes nothing else with it.
			harness.Exec(t, tx, "SAVEPOINT s")
			harness.Exec(t, tx, "DELETE FROM account")
			harness.Query(t, tx, query)
			harness.Exec(t, tx, "ROLLBACK TO SAVEPOINT s")
			harness.Same(t, "after ROLLBACK TO SAVEPOINT", harness.Query(t, tx, query), inside)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			harness.Same(t, "a read after the rollback", harness.Query(t, db, query), committed)
		}
	}
}
