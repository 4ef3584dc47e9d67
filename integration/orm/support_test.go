package orm

import (
	"database/sql"
	"testing"
	"time"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// settling is how long a fresh namespace may take until the cache serves.
const settling = time.Minute

// cached returns the DSN with a cache over it whose namespace is new. Redis gets
// time to answer: on a busy machine a slow answer would count as a miss.
func cached(t testing.TB, dsn string) string {
	t.Helper()
	return harness.With(dsn,
		"mlcache_redis", harness.RedisURL()+"?read_timeout=10s&write_timeout=10s&dial_timeout=10s&pool_timeout=10s",
		"mlcache_namespace", harness.NewNamespace(t), "mlcache_max_staleness", "10s")
}

// openCached opens a DB over mlcache and waits until its cache serves. The
// database needs a table "warmup".
func openCached(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db := harness.Open(t, "mlcache", cached(t, dsn))
	harness.Eventually(t, settling, "the cache serves", func() bool {
		before := handle(t, db).Stats()
		harness.Query(t, db, "SELECT id FROM warmup")
		return hits(before, handle(t, db).Stats()) == 1
	})
	return db
}

func handle(t testing.TB, db *sql.DB) *mlcache.Handle {
	t.Helper()
	h, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// hits counts the queries between two Stats that were answered from the cache.
func hits(before, after mlcache.Stats) uint64 {
	return after.L1Hits + after.L2Hits - before.L1Hits - before.L2Hits
}
