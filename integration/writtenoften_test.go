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
				if got := mustReadStock(t, ctx, db); got != n {
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
				mustReadStock(t, ctx, db)
			}
			after := stats(t, db)
			if d := since(before, after); d.L1Hits < 99 || after.Reasons[mlcache.ReasonChurn] != before.Reasons[mlcache.ReasonChurn] {
				t.Errorf("when the writing has ended: %+v, %v", d, after.Reasons)
			}
		})
	}
}
