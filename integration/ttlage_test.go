package integration

import (
	"testing"
	"time"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// A time to live that the reader asks for limits how old his answer is, also if it was stored by somebody who asked for none.
func TestTTLLimitsTheAgeOfWhatOthersStored(t *testing.T) {
	t.Parallel()
	const query = "SELECT n FROM item WHERE id = $1"
	for name, more := range map[string][]string{
		"L1":            {},
		"L2":            {"mlcache_l1_size", "0"},
		"L1 in strict":  {"mlcache_consistency", "strict"},
		"L2 in strict":  {"mlcache_consistency", "strict", "mlcache_l1_size", "0"},
		"late answers":  {"mlcache_rules", "item:swr=1s"},
		"another L2":    nil,
		"without Redis": {"mlcache_redis", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := harness.NewDatabase(t, warmup, "CREATE TABLE item (id int PRIMARY KEY, n int)", "INSERT INTO item SELECT i, 0 FROM generate_series(1, 9) i")
			pgx := harness.Open(t, "pgx", dsn)
			dsn = withPatientRedis(t, dsn, more...)
			db := harness.Open(t, "mlcache", dsn)
			untilServing(t, db)
			if name == "another L2" {
				other := harness.StartProcess(t, "mlcache", dsn)
				untilProcessServes(t, other)
				sets := other.Stats().L2.Sets
				ask(t, other, query, 1)
				harness.Eventually(t, settling, "the answer is in Redis", func() bool { return other.Stats().L2.Sets > sets })
			} else {
				untilHit(t, db, query, 1)
			}
			harness.Exec(t, pgx, "UPDATE item SET n = 1") // past the cache
			want := harness.Query(t, pgx, query, 1)
			ctx := mlcache.WithTTL(t.Context(), 200*time.Millisecond)
			harness.Eventually(t, 20*time.Second, "the answer is not older than it may be", func() bool {
				got := harness.TryQuery(ctx, db, query, 1)
				return got.Err == "" && got.Rows[0] == want.Rows[0]
			})
		})
	}
}
