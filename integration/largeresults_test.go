package integration

import (
	"fmt"
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// A result on either side of the limits comes through whole and in order; only
// the one within them is cached.
func TestLargeResultsStreamThrough(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup,
		"CREATE TABLE line (id int PRIMARY KEY, filler text)",
		"INSERT INTO line SELECT i, repeat('x', 100) FROM generate_series(1, 500) i")
	harness.InEveryExecMode(t, dsn, func(t *testing.T, dsn string) {
		pgx := harness.Open(t, "pgx", dsn)
		for _, c := range []struct {
			key, value string
			rows       int
			cached     bool
		}{
			{"mlcache_max_rows", "100", 99, true},
			{"mlcache_max_rows", "100", 100, true},
			{"mlcache_max_rows", "100", 101, false},
			{"mlcache_max_rows", "100", 500, false},
			{"mlcache_max_bytes", "20000", 10, true},
			{"mlcache_max_bytes", "20000", 400, false},
		} {
			name := fmt.Sprintf("%d rows with %s=%s", c.rows, c.key, c.value)
			db := harness.Open(t, "mlcache", harness.With(dsn, c.key, c.value))
			untilServing(t, db)
			before := stats(t, db)
			for range 3 {
				const query = "SELECT id, filler FROM line WHERE id <= $1 ORDER BY id"
				harness.Same(t, name, harness.Query(t, db, query, c.rows), harness.Query(t, pgx, query, c.rows))
			}
			after := stats(t, db)
			if hit := since(before, after).L1Hits > 0; hit != c.cached {
				t.Errorf("%s: cached %t, want %t", name, hit, c.cached)
			}
			if n := after.Reasons[mlcache.ReasonTooLarge]; !c.cached && n != 3 {
				t.Errorf("%s: counted as too large %d times, want 3", name, n)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}
