//go:build go1.27

package integration

import (
	"testing"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/mlcache/mlcache/integration/harness"
)

// From Go 1.27 on a program scans slices, ranges and arrays without help, from a
// hit as from the database.
func TestSlicesRangesAndArraysFromAHit(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, `CREATE TABLE shelf (id int, numbers int[], names text[], span int4range, spans int4multirange);
		INSERT INTO shelf VALUES (1, '{1,2,3}', '{a,"b c"}', '[1,5)', '{[1,2),[4,6)}')`)
	db := harness.Open(t, "mlcache", dsn)
	untilServing(t, db)
	const query = "SELECT numbers, names, span, spans FROM shelf"
	untilHit(t, db, query)
	for range 3 {
		before := stats(t, db)
		var (
			numbers []int32
			names   pgtype.FlatArray[string]
			span    pgtype.Range[pgtype.Int4]
			spans   pgtype.Multirange[pgtype.Range[pgtype.Int4]]
		)
		if err := db.QueryRow(query).Scan(&numbers, &names, &span, &spans); err != nil {
			t.Fatal(err)
		}
		if c := since(before, stats(t, db)); c.L1Hits != 1 {
			t.Errorf("counted %+v, want a hit", c)
		}
		if len(numbers) != 3 || numbers[2] != 3 || len(names) != 2 || names[1] != "b c" || span.Lower.Int32 != 1 || span.Upper.Int32 != 5 ||
			len(spans) != 2 || spans[1].Upper.Int32 != 6 {
			t.Errorf("read %v, %q, %v, %v", numbers, names, span, spans)
		}
	}
}

// pgtype.DriverBytes is the driver's memory, which a program must not write to.
// One that does harms its own rows only.
func TestDriverBytesAreNotTheCaches(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, `CREATE TABLE shelf (id int, name text); INSERT INTO shelf VALUES (1, 'a name')`)
	db := harness.Open(t, "mlcache", dsn)
	untilServing(t, db)
	const query = "SELECT name FROM shelf"
	db.SetMaxOpenConns(1) // which has a cache of its own in front
	untilHit(t, db, query)
	want := untilHit(t, db, query)
	rows, err := db.QueryContext(harness.Context(t), query)
	if err != nil {
		t.Fatal(err)
	}
	var b pgtype.DriverBytes
	if !rows.Next() || rows.Scan(&b) != nil || string(b) != "a name" {
		t.Fatalf("read %q", b)
	}
	clear(b)
	rows.Close()
	harness.Same(t, "after a write to a row's memory", harness.Query(t, db, query), want)
}
