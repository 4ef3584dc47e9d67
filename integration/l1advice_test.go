package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// The advisor tells an L1 that loses what could still be used from one that has
// room to spare, and what it suggests is right the next time.
func TestL1Advice(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, countryTable)
	const answers = 4000
	load := func(size, ttl string) mlcache.L1Advice {
		t.Helper()
		db := harness.Open(t, "mlcache", harness.With(dsn, "mlcache_namespace", harness.NewNamespace(t), "mlcache_l1_size", size, "mlcache_l1_ttl", ttl))
		untilServing(t, db)
		if a := handle(t, db).L1Advice(); a.Verdict != mlcache.L1Unknown {
			t.Errorf("before anything was stored: %+v", a)
		}
		for id := range answers {
			harness.Query(t, db, "SELECT $1::int, name FROM country WHERE id = 7", id)
		}
		// An L1 is no sooner too big than after two times to live.
		time.Sleep(2100 * time.Millisecond)
		a := handle(t, db).L1Advice()
		t.Logf("%s: %s: %s", size, a.Verdict, a.Text)
		return a
	}
	small := load("512KiB", "1m")
	if small.Verdict != mlcache.L1TooSmall || small.Suggested <= small.Size || small.Stored < answers {
		t.Errorf("too small: %+v", small)
	}
	if a := load(fmt.Sprint(small.Suggested), "1m"); a.Verdict != mlcache.L1Fits && a.Verdict != mlcache.L1TooSmall {
		t.Errorf("with what was suggested: %+v", a)
	} else if a.Verdict == mlcache.L1TooSmall && a.Displaced >= small.Displaced {
		t.Errorf("with what was suggested: %+v", a)
	}
	big := load("64MiB", "1s")
	if big.Verdict != mlcache.L1TooBig || big.Suggested == 0 || big.Suggested*4 > big.Size {
		t.Errorf("too big: %+v", big)
	}
	if a := load(fmt.Sprint(big.Suggested), "1s"); a.Verdict != mlcache.L1Fits {
		t.Errorf("with what was suggested: %+v", a)
	}
	off := harness.Open(t, "mlcache", harness.With(dsn, "mlcache_namespace", harness.NewNamespace(t), "mlcache_l1_size", "0"))
	if a := handle(t, off).L1Advice(); a.Verdict != mlcache.L1Off {
		t.Errorf("without L1: %+v", a)
	}
}
