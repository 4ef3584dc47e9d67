package integration

import (
	"database/sql"
	"testing"
	"time"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// bound is the default of mlcache_max_staleness.
const bound = time.Second

// settling is how long the cache may take to serve again after Redis was away or
// lost its data. Nothing old may be served meanwhile.
const settling = time.Minute

func stats(t testing.TB, db *sql.DB) mlcache.Stats {
	t.Helper()
	h, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	return h.Stats()
}

// counts are the four of Stats in which every query counts once.
type counts struct{ L1Hits, L2Hits, Misses, Bypasses uint64 }

// since is what was counted between two Stats.
func since(before, after mlcache.Stats) counts {
	return counts{
		L1Hits:   after.L1Hits - before.L1Hits,
		L2Hits:   after.L2Hits - before.L2Hits,
		Misses:   after.Misses - before.Misses,
		Bypasses: after.Bypasses - before.Bypasses,
	}
}

// untilHit repeats a query until it is answered from the cache, and returns the
// answer.
func untilHit(t testing.TB, db *sql.DB, query string, args ...any) harness.Result {
	t.Helper()
	var r harness.Result
	harness.Eventually(t, settling, "a hit for "+query, func() bool {
		before := stats(t, db)
		r = harness.Query(t, db, query, args...)
		c := since(before, stats(t, db))
		return c.L1Hits+c.L2Hits == 1
	})
	return r
}

// untilServing waits until the cache of a fresh namespace serves, by a query that
// no test counts. The DSN's database needs a table "warmup".
func untilServing(t testing.TB, db *sql.DB) {
	t.Helper()
	untilHit(t, db, "SELECT id FROM warmup")
}

// warmup makes the table that untilServing reads.
const warmup = "CREATE TABLE warmup (id int)"

// withRedis returns the DSN with the shared Redis and a namespace of its own.
func withRedis(t testing.TB, dsn string, keysAndValues ...string) string {
	t.Helper()
	dsn = harness.With(dsn, "mlcache_redis", harness.RedisURL(), "mlcache_namespace", harness.NewNamespace(t))
	return harness.With(dsn, keysAndValues...)
}

// withPatientRedis is withRedis for tests that count hits one by one: on a
// machine that is busy with other tests, an answer of Redis that comes too late
// would count as a miss.
func withPatientRedis(t testing.TB, dsn string, keysAndValues ...string) string {
	t.Helper()
	dsn = withRedis(t, dsn, "mlcache_redis", harness.RedisURL()+"?read_timeout=10s&write_timeout=10s&dial_timeout=10s&pool_timeout=10s",
		"mlcache_max_staleness", "10s")
	return harness.With(dsn, keysAndValues...)
}
