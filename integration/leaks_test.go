package integration

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/integration/harness"
)

// envLeaks says how many times TestNothingLeaks opens and closes a sql.DB.
const envLeaks = "MLCACHE_LEAKS"

// shortLeaks is how often without it.
const shortLeaks = 200

// use asks what has something to leave behind: connections to both servers, a
// prepared statement, a transaction, rows that are closed early, a hit.
func use(t testing.TB, db *sql.DB) {
	t.Helper()
	// Not harness.Context, nor what calls it: the test would hold each until its end.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := db.PrepareContext(ctx, "SELECT id FROM leak WHERE id >= $1 ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		rows, err := s.QueryContext(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		if !rows.Next() {
			t.Fatal("no row", rows.Err())
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, "UPDATE leak SET id = id WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// footprint is what a process holds that it should give back.
type footprint struct {
	goroutines, files int
	heap              uint64
}

func measure() footprint {
	runtime.GC()
	runtime.GC() // what a finalizer let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f := footprint{goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc}
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		f.files = len(entries)
	}
	return f
}

// Opening and closing a sql.DB leaves nothing behind: no goroutine, no file, no
// connection to either server, no prepared statement, no memory.
func TestNothingLeaks(t *testing.T) {
	// Not in parallel: it counts what the process has.
	n := shortLeaks
	if s := os.Getenv(envLeaks); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatalf("%s: %v", envLeaks, err)
		}
	}
	name := "leaks" + harness.NewNamespace(t)
	dsn := harness.NewDatabase(t, "CREATE TABLE leak (id int); INSERT INTO leak VALUES (1), (2)")
	separator := "?"
	if strings.Contains(harness.RedisURL(), "?") {
		separator = "&"
	}
	own := withRedis(t, dsn, "application_name", name, "mlcache_l1_size", "1MiB",
		"mlcache_redis", harness.RedisURL()+separator+"client_name="+name)
	admin := harness.Open(t, "pgx", dsn)
	opt, err := redis.ParseURL(harness.RedisURL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opt)
	defer client.Close()
	servers := func() (atPostgres, atRedis int) {
		row := admin.QueryRowContext(harness.Context(t), "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", name)
		if err := row.Scan(&atPostgres); err != nil {
			t.Fatal(err)
		}
		list, err := client.ClientList(context.Background()).Result()
		if err != nil {
			t.Fatal(err)
		}
		return atPostgres, strings.Count(list, "name="+name)
	}
	once := func(look bool) {
		db, err := sql.Open("mlcache", own)
		if err != nil {
			t.Fatal(err)
		}
		use(t, db)
		if look {
			if p, r := servers(); p == 0 || r == 0 {
				t.Errorf("while open: %d connections at PostgreSQL, %d at Redis; the test counts nothing", p, r)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 { // what a process has once
		once(i == 0)
	}
	servers()
	before := measure()
	started := time.Now()
	for range n {
		once(false)
	}
	took := time.Since(started)
	var after footprint
	harness.Eventually(t, 20*time.Second, "an end of what has been closed", func() bool {
		p, r := servers()
		after = measure()
		return p == 0 && r == 0 && after.goroutines <= before.goroutines && after.files <= before.files
	})
	// A kilobyte for each would be seen, and of the 10,000 of the long run 20 bytes.
	if limit := before.heap + 200<<10; after.heap > limit && n >= shortLeaks {
		t.Errorf("the heap has grown from %d to %d bytes", before.heap, after.heap)
	}
	t.Logf("%d opens and closes in %v: %s", n, took.Round(time.Millisecond),
		fmt.Sprintf("goroutines %d, then %d; files %d, then %d; heap %d KiB, then %d KiB", before.goroutines, after.goroutines,
			before.files, after.files, before.heap>>10, after.heap>>10))
}
