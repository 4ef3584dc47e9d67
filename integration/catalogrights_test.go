package integration

import (
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// Who may not read the catalog cannot know what is behind a name: nothing is cached there, what is written there concerns
// everything, and so does a table that is invalidated by its name.
func TestUserWhoMayNotReadTheCatalog(t *testing.T) {
	dsn := harness.NewDatabase(t, `CREATE TABLE base (n int); INSERT INTO base VALUES (1); CREATE VIEW seen AS SELECT n FROM base`,
		`REVOKE SELECT ON pg_catalog.pg_proc FROM PUBLIC`)
	admin := harness.Open(t, "pgx", dsn)
	var role string
	if err := admin.QueryRow("SELECT current_database() || '_low'").Scan(&role); err != nil {
		t.Fatal(err)
	}
	harness.Exec(t, admin, `CREATE ROLE "`+role+`"`)
	t.Cleanup(func() {
		if _, err := admin.Exec(`DROP OWNED BY "` + role + `"; DROP ROLE "` + role + `"`); err != nil {
			t.Error(err)
		}
	})
	harness.Exec(t, admin, `GRANT ALL ON base, seen TO "`+role+`"`)

	ctx := harness.Context(t)
	cached := harness.With(dsn, "mlcache_redis", harness.RedisURL(), "mlcache_namespace", harness.NewNamespace(t))
	high := harness.Open(t, "mlcache", cached)
	harness.Ready(t, high)
	low := harness.Open(t, "mlcache", harness.With(cached, "role", role))
	handle, err := mlcache.From(low)
	if err != nil {
		t.Fatal(err)
	}
	const query = "SELECT n FROM seen"
	see(ctx, t, low, query, "1") // a view, which may write for all that is known
	see(ctx, t, low, query, "1")
	see(ctx, t, low, query, "1")
	if s := handle.Stats(); s.Reasons[mlcache.ReasonNoCatalog] != 3 || s.L1Hits+s.L2Hits > 0 {
		t.Errorf("cached without a catalog: %d hits, %d misses, %v", s.L1Hits+s.L2Hits, s.Misses, s.Reasons)
	}
	see(ctx, t, high, query, "1")
	harness.Exec(t, admin, "UPDATE base SET n = 2")
	see(ctx, t, high, query, "1") // it is cached, and nobody has told of the change
	if err := handle.Invalidate(ctx, "seen"); err != nil {
		t.Fatal(err)
	}
	see(ctx, t, high, query, "2")
	harness.Exec(t, low, "UPDATE seen SET n = 3")
	see(ctx, t, high, query, "3")
	see(ctx, t, low, query, "3")
}
