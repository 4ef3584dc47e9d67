package integration

import (
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
)

// envCrowd says how long TestCrowd runs, such as "1m".
const envCrowd = "MLCACHE_CROWD"

// A thousand goroutines read and write through one sql.DB. Each row has one writer,
// which counts up; no reader sees less than had been committed before it began to
// read, nor more than was under way when it had read, and all of them end.
func TestCrowd(t *testing.T) {
	// Not in parallel: it counts the goroutines of the process.
	duration := 5 * time.Second
	if s := os.Getenv(envCrowd); s != "" {
		var err error
		if duration, err = time.ParseDuration(s); err != nil {
			t.Fatalf("%s: %v", envCrowd, err)
		}
	}
	const writers, readers = 50, 950
	dsn := withPatientRedis(t, harness.NewDatabase(t, warmup,
		"CREATE TABLE crowd (id int PRIMARY KEY, n bigint); INSERT INTO crowd SELECT i, 0 FROM generate_series(0, 49) i"))
	before := runtime.NumGoroutine()
	db := harness.Open(t, "mlcache", dsn)
	db.SetMaxOpenConns(20)
	untilServing(t, db)
	var begun, committed [writers]atomic.Int64
	var wg sync.WaitGroup
	var reads, writes atomic.Int64
	end := time.Now().Add(duration)
	for id := range writers {
		wg.Go(func() {
			for time.Now().Before(end) {
				n := begun[id].Add(1)
				if _, err := db.Exec("UPDATE crowd SET n = $1 WHERE id = $2", n, id); err != nil {
					t.Error(err)
					return
				}
				committed[id].Store(n)
				writes.Add(1)
				time.Sleep(rand.N(500 * time.Millisecond))
			}
		})
	}
	for range readers {
		wg.Go(func() {
			for time.Now().Before(end) && !t.Failed() {
				id := rand.IntN(writers)
				least := committed[id].Load()
				var n int64
				if err := db.QueryRow("SELECT n FROM crowd WHERE id = $1", id).Scan(&n); err != nil {
					t.Error(err)
					return
				}
				if most := begun[id].Load(); n < least || n > most {
					t.Errorf("row %d: read %d; %d was committed before, %d begun after", id, n, least, most)
				}
				reads.Add(1)
			}
		})
	}
	wg.Wait()
	s := stats(t, db)
	t.Logf("%v: %d reads, %d writes; %d L1 hits, %d L2 hits, %d misses, %d bypasses %v", duration, reads.Load(), writes.Load(), s.L1Hits, s.L2Hits, s.Misses, s.Bypasses, s.Reasons)
	if s.L1Hits == 0 || writes.Load() < writers {
		t.Errorf("%d hits, %d writes", s.L1Hits, writes.Load())
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 10*time.Second, "an end of all goroutines", func() bool { return runtime.NumGoroutine() <= before })
}
