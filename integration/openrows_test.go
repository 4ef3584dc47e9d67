package integration

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

// Two results of one connection can be open at once when both come from the cache,
// and each keeps its rows; also a result that was closed half-way leaves the next
// one alone.
func TestOpenResultsOfOneConnection(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE item (id int, name text)",
		"INSERT INTO item SELECT i, 'item ' || i FROM generate_series(1, 200) i")
	db := harness.Open(t, "mlcache", withPatientRedis(t, dsn))
	untilServing(t, db)
	const query = "SELECT id, name FROM item WHERE id > $1 ORDER BY id"
	untilHit(t, db, query, 0)
	untilHit(t, db, query, 50)
	ctx := harness.Context(t)
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	before := stats(t, db)
	open := func(from int) *sql.Rows {
		rows, err := conn.QueryContext(ctx, query, from)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	next := func(rows *sql.Rows, want int) {
		t.Helper()
		var id int
		var name any
		if !rows.Next() {
			t.Fatalf("no row %d: %v", want, rows.Err())
		}
		if err := rows.Scan(&id, &name); err != nil {
			t.Fatal(err)
		}
		if id != want || name != fmt.Sprintf("item %d", want) {
			t.Fatalf("read %d, %v; want row %d", id, name, want)
		}
	}
	one, two := open(0), open(50)
	for i := 1; i <= 20; i++ {
		next(one, i)
		next(two, 50+i)
	}
	one.Close()
	three := open(50)
	next(two, 71)
	next(three, 51)
	two.Close()
	one.Close() // once more
	four := open(0)
	next(three, 52)
	next(four, 1)
	three.Close()
	four.Close()
	if c := since(before, stats(t, db)); c.L1Hits != 4 {
		t.Errorf("counted %+v, want 4 hits in memory: the test has shown nothing", c)
	}
}

// A connection that has answered from an entry finds the newer one that another
// connection has stored.
func TestEntryOfAnotherConnection(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE item (n int)", "INSERT INTO item VALUES (0)")
	db := harness.Open(t, "mlcache", withPatientRedis(t, dsn))
	untilServing(t, db)
	ctx := harness.Context(t)
	var conns [2]*sql.Conn
	for i := range conns {
		var err error
		if conns[i], err = db.Conn(ctx); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
	}
	const query = "SELECT n FROM item"
	for n := range 5 {
		before := stats(t, db)
		for range 2 {
			for _, c := range conns {
				if got := harness.Query(t, c, query); got.Rows[0] != fmt.Sprintf("int64 %d", n) {
					t.Fatalf("read %v after write %d", got.Rows, n)
				}
			}
		}
		if c := since(before, stats(t, db)); c.Misses != 1 || c.L1Hits != 3 {
			t.Errorf("round %d: counted %+v, want a miss and 3 hits in memory", n, c)
		}
		harness.Exec(t, conns[n%2], "UPDATE item SET n = n + 1")
	}
}
