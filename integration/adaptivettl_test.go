package integration

import (
	"database/sql"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
)

// What is asked for all the time stays in memory when the same answer has ended many times in a
// pool that keeps all for equally long; what is asked for seldom does not, nor does
// what a rule limits. A write is seen at once all the same.
func TestAdaptiveTTL(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, staleTable)
	short := []string{"mlcache_l1_ttl", "400ms", "mlcache_l2_ttl", "1h"}
	memory := func(more ...string) *sql.DB {
		own := append([]string{"mlcache_namespace", harness.NewNamespace(t)}, short...)
		return harness.Open(t, "mlcache", harness.With(dsn, append(own, more...)...))
	}
	plain := memory()
	adaptive := memory("mlcache_l1_max_ttl", "1h")
	ruled := memory("mlcache_l1_max_ttl", "1h", "mlcache_rules", "*:ttl=400ms")
	overRedis := harness.Open(t, "mlcache", withPatientRedis(t, dsn, append(short, "mlcache_l1_max_ttl", "1h")...))
	pools := []*sql.DB{plain, adaptive, ruled, overRedis}
	for _, db := range pools {
		untilServing(t, db)
	}
	// A fetch is an answer that memory did not have.
	first := stats(t, plain)
	ends := func() uint64 { return since(first, stats(t, plain)).Misses }
	fetched := make(map[*sql.DB]uint64)
	const seldom = "SELECT n + 1 FROM stock"
	var asked, missed uint64
	last := uint64(0)
	harness.Eventually(t, time.Minute, "an answer that ends six times", func() bool {
		for _, db := range pools {
			before := stats(t, db)
			for range 30 {
				harness.Query(t, db, staleQuery)
			}
			d := since(before, stats(t, db))
			fetched[db] += d.L2Hits + d.Misses
		}
		if n := ends(); n >= last+2 {
			last = n
			before := stats(t, adaptive)
			harness.Query(t, adaptive, seldom)
			asked, missed = asked+1, missed+since(before, stats(t, adaptive)).Misses
		}
		return last >= 6
	})
	if n := fetched[adaptive]; n > 3 {
		t.Errorf("the answer was fetched %d times, %d times without mlcache_l1_max_ttl", n, fetched[plain])
	}
	if n := fetched[overRedis]; n > 3 {
		t.Errorf("the answer was fetched from Redis %d times, %d times without mlcache_l1_max_ttl", n, fetched[plain])
	}
	if n := fetched[ruled]; n < 5 {
		t.Errorf("the answer was fetched %d times under a rule that limits it, %d times without mlcache_l1_max_ttl", n, fetched[plain])
	}
	if asked < 3 || missed != asked {
		t.Errorf("an answer that is asked for seldom: %d misses of %d", missed, asked)
	}
	for writes, db := range []*sql.DB{adaptive, overRedis} {
		harness.Exec(t, db, "UPDATE stock SET n = n + 1")
		if got := mustReadStock(harness.Context(t), t, db); got != writes+1 {
			t.Errorf("read %d after %d writes", got, writes+1)
		}
	}
}
