package integration

import (
	"crypto/md5"
	"database/sql"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// envHuge says how many rows TestHugeResultsAreNotHeld reads; each is about 420
// bytes.
const envHuge = "MLCACHE_HUGE"

// A result of many times the limit comes through row by row: none is lost, none
// comes twice, nothing is kept, and what the process holds of it at any time is a
// small multiple of the limit.
func TestHugeResultsAreNotHeld(t *testing.T) {
	// Not in parallel: it measures the heap.
	const (
		limit = 1 << 20   // mlcache_max_bytes
		held  = 8 * limit // the catalog may be read again meanwhile; the result has 21
		pad   = 384
	)
	rows := 50_000
	if s := os.Getenv(envHuge); s != "" {
		var err error
		if rows, err = strconv.Atoi(s); err != nil {
			t.Fatalf("%s: %v", envHuge, err)
		}
	}
	dsn := withPatientRedis(t, harness.NewDatabase(t, warmup, fmt.Sprintf("CREATE TABLE pad AS SELECT repeat('x', %d) AS text", pad)),
		"mlcache_max_bytes", strconv.Itoa(limit), "mlcache_max_rows", "1000000000", "mlcache_l1_size", "1MiB")
	const query = "SELECT i, md5(i::text), pad.text FROM pad, generate_series(1, $1::int) i"
	padding := strings.Repeat("x", pad)

	for name, open := range map[string]func() *sql.DB{
		"pgx":       func() *sql.DB { return harness.Open(t, "mlcache", dsn) },
		"a wrapper": func() *sql.DB { return openWrapped(t, dsn) },
	} {
		t.Run(name, func(t *testing.T) {
			db := open()
			untilServing(t, db)
			before, base := stats(t, db), liveHeap()
			var most int64
			for range 2 { // what had been kept would be a hit
				result, err := db.QueryContext(harness.Context(t), query, rows)
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				for result.Next() {
					n++
					var i int
					var sum, text string
					if err := result.Scan(&i, &sum, &text); err != nil {
						t.Fatal(err)
					}
					if i != n || sum != fmt.Sprintf("%x", md5.Sum([]byte(strconv.Itoa(n)))) || text != padding {
						t.Fatalf("row %d is %d %s and %d bytes", n, i, sum, len(text))
					}
					if n%(rows/8) == 1 {
						most = max(most, liveHeap()-base)
					}
				}
				if err := result.Err(); err != nil || n != rows {
					t.Fatalf("%d rows of %d: %v", n, rows, err)
				}
				if err := result.Close(); err != nil {
					t.Fatal(err)
				}
			}
			after := stats(t, db)
			most = max(most, liveHeap()-base)
			t.Logf("%d rows, %d MB: at most %d KiB more on the heap", rows, rows*(pad+36)/1e6, most>>10)
			if most > held {
				t.Errorf("%d bytes were held, %d times the limit", most, most/limit)
			}
			if c := since(before, after); c.L1Hits+c.L2Hits != 0 || c.Misses != 2 {
				t.Errorf("counted %+v, want two misses", c)
			}
			if after.Reasons[mlcache.ReasonTooLarge] != 2 {
				t.Errorf("reasons %v", after.Reasons)
			}
		})
	}
}

// liveHeap is what the heap holds after a collection.
func liveHeap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
