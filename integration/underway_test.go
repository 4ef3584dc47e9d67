package integration

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
)

// From the moment at which a change can become visible until the driver returns, nobody may answer from the cache: who
// did would have the old row after another had the new one. Here the change waits for a lock, so that there is time to look.
func TestNoHitWhileAChangeIsUnderWay(t *testing.T) {
	t.Parallel()
	const (
		account = "SELECT balance FROM account WHERE id = 2"
		notes   = "SELECT count(*) FROM note"
	)
	update := change{"update", "UPDATE account SET balance = balance + 1 WHERE id = $1", func(int) []any { return []any{2} }}
	// The foreign key is checked at COMMIT, and takes a lock on the account for that.
	insert := change{"insert", "INSERT INTO note VALUES ($1)", func(int) []any { return []any{2} }}
	alone, commit := frames[0], frames[1]
	for name, dsn := range map[string]func(t testing.TB, dsn string) string{
		"memory only": func(_ testing.TB, dsn string) string { return dsn },
		"with Redis":  func(t testing.TB, dsn string) string { return withPatientRedis(t, dsn) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain := harness.NewDatabase(t, warmup, accountTable,
				"CREATE TABLE note (account int REFERENCES account DEFERRABLE INITIALLY DEFERRED)")
			pgx := harness.Open(t, "pgx", plain)
			db := harness.Open(t, "mlcache", dsn(t, plain))
			untilServing(t, db)
			for _, way := range ways {
				noHitWhile(t, db, pgx, "alone, "+way.name, account, func(ctx context.Context) error {
					return alone.run(ctx, db, func(on preparer) error { return way.run(ctx, on, update, 0) })
				})
			}
			noHitWhile(t, db, pgx, "COMMIT", notes, func(ctx context.Context) error {
				return commit.run(ctx, db, func(on preparer) error { return ways[0].run(ctx, on, insert, 0) })
			})
		})
	}
}

// noHitWhile asks while the write waits for the second account.
func noHitWhile(t *testing.T, db, pgx *sql.DB, what, query string, write func(ctx context.Context) error) {
	t.Helper()
	untilHit(t, db, query)
	before := harness.Query(t, pgx, query)
	lock, err := pgx.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback()
	harness.Exec(t, lock, "SELECT 1 FROM account WHERE id = 2 FOR UPDATE")
	written := make(chan error, 1)
	ctx := harness.Context(t)
	go func() { written <- write(ctx) }()
	harness.Eventually(t, 10*time.Second, what+" waits for the lock", func() bool {
		return harness.Query(t, pgx, "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Rows != nil
	})
	hits := stats(t, db)
	for range 3 {
		harness.Same(t, what+": during the write", harness.Query(t, db, query), before)
	}
	if now := stats(t, db); now.L1Hits != hits.L1Hits || now.L2Hits != hits.L2Hits {
		t.Errorf("%s: %d hits while the write was under way", what, now.L1Hits-hits.L1Hits+now.L2Hits-hits.L2Hits)
	}
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	after := harness.Query(t, pgx, query)
	if after.String() == before.String() {
		t.Fatalf("%s changed nothing", what)
	}
	harness.Same(t, what+": after the write", harness.Query(t, db, query), after)
	untilHit(t, db, query)
}
