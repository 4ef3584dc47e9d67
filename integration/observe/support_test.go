package observe

import (
	"context"
	"database/sql"
	"sync"
	"testing"
	"time"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const settling = time.Minute

// shop is a pool over a small database and Redis, under load until the test ends:
// hits in memory and in Redis, misses, flights, bypasses, writes, DDL, large results.
type shop struct {
	db, other *sql.DB
	handle    *mlcache.Handle
	dsn       string
}

func newShop(t *testing.T, keysAndValues ...string) *shop {
	t.Helper()
	dsn := harness.NewDatabase(t,
		"CREATE TABLE item (id int PRIMARY KEY, name text, price numeric)",
		"CREATE TABLE orders (id bigserial PRIMARY KEY, item int, at timestamptz DEFAULT now())",
		"INSERT INTO item SELECT i, 'item ' || i, i FROM generate_series(1, 500) i")
	dsn = harness.With(dsn, "mlcache_redis", harness.RedisURL()+"?read_timeout=10s&write_timeout=10s&dial_timeout=10s&pool_timeout=10s", "mlcache_max_staleness", "5s", "mlcache_namespace", harness.NewNamespace(t), "mlcache_max_rows", "100")
	dsn = harness.With(dsn, keysAndValues...)
	s := &shop{dsn: dsn, db: harness.Open(t, "mlcache", dsn), other: harness.Open(t, "mlcache", harness.With(dsn, "mlcache_l1_size", "0"))}
	s.db.SetMaxOpenConns(8)
	var err error
	if s.handle, err = mlcache.From(s.db); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), settling)
	defer cancel()
	if err := s.handle.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	// Another process listens: one that is alone sends no messages.
	if a := harness.StartProcess(t, "mlcache", dsn).Query("SELECT count(*) FROM item"); a.Err != "" {
		t.Fatal(a.Err)
	}
	return s
}

// load runs until the function that it returns is called.
func (s *shop) load(t *testing.T) (stop func()) { return s.loadWith(t, 1) }

// loadWith is load with a time between writes, and between misses, that is so many times longer.
func (s *shop) loadWith(t *testing.T, calm time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	every := func(pause time.Duration, f func(i int)) {
		all.Go(func() {
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for i := 0; ; i++ {
				f(i)
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	read := func(db *sql.DB, query string, args ...any) {
		rows, err := db.QueryContext(ctx, query, args...)
		if err != nil {
			return // the end
		}
		harness.ReadRows(rows)
	}
	for range 2 {
		every(2*time.Millisecond, func(i int) { read(s.db, "SELECT name, price FROM item WHERE id = $1", 1+i%20) })
	}
	for range 2 {
		// Both ask for the same at about the same time.
		every(calm*20*time.Millisecond, func(i int) { read(s.db, "SELECT count(*) FROM item, generate_series(1, 20) WHERE id <> $1", i) })
	}
	n := 0 // each another entry, and large, so that L1 is full soon
	every(calm*4*time.Millisecond, func(int) {
		n++
		read(s.db, "SELECT name, price, $2::int, repeat('x', 200) FROM item WHERE id = $1", n%500, n)
	})
	every(5*time.Millisecond, func(i int) { read(s.db, "SELECT count(*) FROM orders WHERE item = $1", i%20) })
	every(5*time.Millisecond, func(i int) { read(s.other, "SELECT name, price FROM item WHERE id = $1", 1+i%20) })
	every(10*time.Millisecond, func(int) { read(s.db, "SELECT now()") })
	every(50*time.Millisecond, func(int) { read(s.db, "SELECT * FROM item") })
	every(calm*20*time.Millisecond, func(i int) {
		_, _ = s.db.ExecContext(ctx, "INSERT INTO orders (item) VALUES ($1)", i%20)
	})
	every(calm*200*time.Millisecond, func(i int) {
		_, _ = s.db.ExecContext(ctx, "UPDATE item SET price = price + 1 WHERE id = $1", 1+i%20)
	})
	return func() { cancel(); all.Wait() }
}
