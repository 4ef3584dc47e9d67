package integration

import (
	"database/sql"
	"math"
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

// allocations counts those of f, the fewest of several rounds: other goroutines of
// the process, such as those that ask Redis, allocate too.
func allocations(f func()) float64 {
	least := math.Inf(1)
	for range 10 {
		least = min(least, testing.AllocsPerRun(100, f))
	}
	return least
}

// What each path allocates is bounded, beside what pgx allocates for the same
// statement where the database is asked. These are counts, so a busy machine does
// not matter.
func TestAllocations(t *testing.T) {
	dsn := harness.NewDatabase(t, warmup,
		"CREATE TABLE item (id bigint PRIMARY KEY, name text, price double precision, active boolean, created timestamptz)",
		"INSERT INTO item SELECT i, 'item ' || i, i * 1.5, true, now() FROM generate_series(1000, 1999) i")
	const query = "SELECT id, name, price, active, created FROM item WHERE id >= $1 AND id < $2"
	direct := harness.Open(t, "pgx", dsn)
	alone := harness.Open(t, "mlcache", harness.With(dsn, "mlcache_namespace", harness.NewNamespace(t)))
	adaptive := harness.Open(t, "mlcache", harness.With(dsn, "mlcache_namespace", harness.NewNamespace(t), "mlcache_l1_max_ttl", "5m"))
	onlyL2 := harness.Open(t, "mlcache", withPatientRedis(t, dsn, "mlcache_l1_size", "0"))
	strict := harness.Open(t, "mlcache", withPatientRedis(t, dsn, "mlcache_consistency", "strict"))
	told := harness.Open(t, "mlcache", withPatientRedis(t, dsn))
	untilServing(t, alone)
	untilServing(t, adaptive)
	untilServing(t, onlyL2)
	untilServing(t, strict)
	untilServing(t, told)

	read := func(db *sql.DB, from, to func() int64) func() {
		args := make([]any, 2)
		var id int64
		var name string
		var price float64
		var active bool
		var created any
		return func() {
			args[0], args[1] = from(), to()
			rows, err := db.Query(query, args...)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				if err := rows.Scan(&id, &name, &price, &active, &created); err != nil {
					t.Fatal(err)
				}
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	fixed := func(n int64) func() int64 { return func() int64 { return n } }
	next := int64(1 << 20)
	fresh := func() int64 { next++; return next }
	// More answers than a connection keeps at hand.
	turn := int64(0)
	inTurn := func() int64 { turn = (turn + 1) % 64; return 1001 + turn }
	one := func(db *sql.DB) func() { return read(db, fixed(1000), fixed(1001)) }
	hundred := func(db *sql.DB) func() { return read(db, fixed(1000), fixed(1100)) }
	miss := func(db *sql.DB) func() { return read(db, fixed(1000), fresh) }
	pass := func(db *sql.DB) func() {
		return func() {
			var now any
			if err := db.QueryRow("SELECT now()").Scan(&now); err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(db *sql.DB) func() {
		return func() {
			if _, err := db.Exec("UPDATE item SET price = price + 1 WHERE id = $1", 1000); err != nil {
				t.Fatal(err)
			}
		}
	}
	untilHit(t, onlyL2, query, 1000, 1001)
	untilHit(t, strict, query, 1000, 1001)
	for range 100 { // until the connections for versions are there
		one(strict)()
		write(told)()
	}

	for _, c := range []struct {
		name string
		run  func()
		most float64
	}{
		{"L1 hit of 1 row", one(alone), 8},
		{"L1 hit of 1 row, counted for mlcache_l1_max_ttl", one(adaptive), 8},
		{"L1 hit of 100 rows", hundred(alone), 9},
		{"L1 hit of 1 to 64 rows, many answers in turn", read(alone, fixed(1000), inTurn), 16},
		// What talks to Redis can find a connection closed, and a buffer of a pool gone: one more now and then.
		{"strict hit of 1 row", one(strict), 12},
		{"L2 hit of 1 row", one(onlyL2), 24},
		{"miss of 1,000 rows", miss(alone), 97},
		{"passed through", pass(alone), allocations(pass(direct))},
		{"write", write(alone), allocations(write(direct))},
		{"write with Redis", write(told), allocations(write(direct)) + 72},
	} {
		c.run()
		n := allocations(c.run)
		t.Logf("%s: %v allocations, at most %v", c.name, n, c.most)
		if n > c.most {
			t.Errorf("%s: %v allocations, want at most %v", c.name, n, c.most)
		}
	}
	if s := stats(t, alone); s.L1Hits < 1000 || s.Misses < 500 {
		t.Errorf("the test has shown nothing: %+v", s)
	}
	if s := stats(t, onlyL2); s.L2Hits < 500 {
		t.Errorf("the test has shown nothing of L2: %+v", s)
	}
}
