package integration

import (
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// A table that is written between reads goes past the cache by itself, with a reason,
// and is cached again when the writing ends; unless that is not wanted.
func TestWrittenOftenSwitchesItself(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		setting string
		passes  bool
	}{{"pass", true}, {"cache", false}} {
		t.Run(c.setting, func(t *testing.T) {
			t.Parallel()
			dsn := harness.NewDatabase(t, warmup, staleTable)
			db := harness.Open(t, "mlcache", withPatientRedis(t, dsn, "mlcache_written_often", c.setting))
			untilServing(t, db)
			ctx := harness.Context(t)
			for n := 1; n <= 300; n++ {
				harness.Exec(t, db, "UPDATE stock SET n = n + 1")
				if got := mustReadStock(ctx, t, db); got != n {
					t.Fatalf("read %d after %d writes", got, n)
				}
			}
			s := stats(t, db)
			if often := s.Reasons[mlcache.ReasonChurn]; c.passes != (often > 0) {
				t.Errorf("%d reads went past the cache: %v", often, s.Reasons)
			}
			// The writing has ended.
			untilHit(t, db, staleQuery)
			before := stats(t, db)
			for range 100 {
				mustReadStock(ctx, t, db)
			}
			after := stats(t, db)
			if d := since(before, after); d.L1Hits < 99 || after.Reasons[mlcache.ReasonChurn] != before.Reasons[mlcache.ReasonChurn] {
				t.Errorf("when the writing has ended: %+v, %v", d, after.Reasons)
			}
		})
	}
}

// Reads that went past the cache may have seen what this process has not heard of yet. What was kept before is not used
// when such reads end: nobody gets an older answer than before.
func TestNoOlderAnswerAfterGoingPastTheCache(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, staleTable)
	db := harness.Open(t, "mlcache", withPatientRedis(t, dsn))
	untilServing(t, db)
	ctx := harness.Context(t)
	passed := func() uint64 { return stats(t, db).Reasons[mlcache.ReasonChurn] }
	// The last of these answers is kept, and no read before it went past the cache.
	for start := stats(t, db); stats(t, db).Misses < start.Misses+64; {
		harness.Exec(t, db, "UPDATE stock SET n = n + 1")
		mustReadStock(ctx, t, db)
	}
	if passed() > 0 {
		t.Fatal("reads went past the cache too soon for this test")
	}
	harness.Exec(t, harness.Open(t, "pgx", dsn), "UPDATE stock SET n = 1000000") // nobody is told
	if n := mustReadStock(ctx, t, db); n != 1000000 || passed() == 0 {
		t.Fatalf("read %d, %d reads went past the cache", n, passed())
	}
	for before := passed(); ; before = passed() {
		if n := mustReadStock(ctx, t, db); n != 1000000 {
			t.Fatalf("read %d after 1000000", n)
		}
		if passed() == before {
			return // this one did not
		}
	}
}
