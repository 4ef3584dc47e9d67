package test

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/mlcache/mlcache"
)

// A second of the summer of 2026, with all its digits.
var someTime = time.Date(2026, 7, 4, 12, 30, 15, 123456789, time.UTC)

// valueRow holds every kind of driver.Value.
func valueRow() []driver.Value {
	return []driver.Value{
		int64(math.MinInt64), int64(0), 1.5, math.Inf(-1), math.Copysign(0, -1), true, false,
		"text", "", "\x00\xff", []byte("bytes"), []byte{}, nil,
		someTime, someTime.In(time.FixedZone("CEST", 7200)), someTime.In(time.Local), time.Time{},
	}
}

func valueColumns() []column {
	cols := make([]column, len(valueRow()))
	for i := range cols {
		cols[i] = column{
			name:   "c", // every column has the same name
			dbType: "TYPE" + string(rune('A'+i)), length: int64(i), hasLength: i%2 == 0,
			nullable: i%3 == 0, hasNullable: i%2 == 1, precision: int64(i), scale: int64(-i), hasPrecision: i%3 == 1,
			scan: []reflect.Type{
				reflect.TypeFor[int64](), reflect.TypeFor[string](), reflect.TypeFor[sql.NullTime](), reflect.TypeFor[any](),
				reflect.TypeFor[[]byte](), reflect.TypeFor[sql.RawBytes](),
			}[i%6],
		}
	}
	return cols
}

// sameValue is exact: type, bits, location.
func sameValue(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && math.Float64bits(a) == math.Float64bits(b)
	case time.Time:
		b, ok := b.(time.Time)
		if !ok || !a.Equal(b) || a.Location().String() != b.Location().String() {
			return false
		}
		aName, aOffset := a.Zone()
		bName, bOffset := b.Zone()
		return aName == bName && aOffset == bOffset
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b) && (a == nil) == (b == nil)
	}
	return a == b
}

func TestValuesOfAMissAndAHitAreTheOrigins(t *testing.T) {
	t.Parallel()
	o := newOrigin(func(string, []driver.NamedValue) (*result, error) {
		return &result{cols: valueColumns(), rows: [][]driver.Value{valueRow(), valueRow()}}, nil
	})
	o.wrapRows = func(r *originRows) driver.Rows { return typedRows{r} }
	db, h := openDriver(t, o, nil)
	want := valueRow()
	var types string
	for round := range 3 {
		rows, err := db.QueryContext(t.Context(), "SELECT * FROM t")
		if err != nil {
			t.Fatal(err)
		}
		var kept [][]any
		for rows.Next() {
			values, dest := make([]any, len(want)), make([]any, len(want))
			for i := range dest {
				dest[i] = &values[i]
			}
			if err := rows.Scan(dest...); err != nil {
				t.Fatal(err)
			}
			kept = append(kept, values)
		}
		if err := rows.Err(); err != nil || len(kept) != 2 {
			t.Fatalf("%d rows, %v", len(kept), err)
		}
		for n, values := range kept {
			for i, v := range values {
				if !sameValue(v, want[i]) {
					t.Errorf("round %d, row %d, column %d: got %T %#v, want %T %#v", round, n, i, v, v, want[i], want[i])
				}
			}
		}
		text, err := queryAll(t.Context(), db, "SELECT * FROM t")
		if err != nil {
			t.Fatal(err)
		}
		if types == "" {
			plain := sql.OpenDB(o)
			types, err = queryAll(t.Context(), plain, "SELECT * FROM t")
			if err := plain.Close(); err != nil {
				t.Error(err)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if text != types {
			t.Errorf("round %d: columns, types and rows\n%s\nwithout mlcache\n%s", round, text, types)
		}
	}
	if got := o.count("SELECT"); got != 2 { // one of them past mlcache
		t.Errorf("the origin was asked %d times", got)
	}
	wantCounts(t, h, 5, 0, 1, 0)
}

// What a program does to bytes that it was given must not reach the cache, nor
// what the origin does to the bytes that it gave.
func TestBytesAreCopied(t *testing.T) {
	t.Parallel()
	o := newOrigin(func(string, []driver.NamedValue) (*result, error) {
		return &result{cols: []column{{name: "b"}}, rows: [][]driver.Value{{[]byte("first")}, {[]byte("second")}, {[]byte("third")}}}, nil
	})
	for _, cfg := range []*mlcache.Config{nil, {MaxRows: 1}, {MaxBytes: 1}} {
		db, _ := openDriver(t, o, cfg)
		for round := range 3 {
			rows, err := db.QueryContext(t.Context(), "SELECT b FROM t")
			if err != nil {
				t.Fatal(err)
			}
			var kept [][]byte
			for rows.Next() {
				var own []byte
				var raw sql.RawBytes
				if err := rows.Scan(&own); err != nil {
					t.Fatal(err)
				}
				if err := rows.Scan(&raw); err != nil {
					t.Fatal(err)
				}
				kept = append(kept, own)
				for i := range raw {
					raw[i] = '!'
				}
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			if got := string(bytes.Join(kept, []byte(" "))); got != "first second third" {
				t.Errorf("%+v, round %d: got %q", cfg, round, got)
			}
			for _, b := range kept {
				clear(b)
			}
		}
	}
}

func TestEmptyResultIsCachedAndForgottenAfterAnInsert(t *testing.T) {
	t.Parallel()
	var rows [][]driver.Value
	o := newOrigin(func(string, []driver.NamedValue) (*result, error) {
		return &result{cols: []column{{name: "n"}}, rows: rows}, nil
	})
	db, h := openDriver(t, o, nil)
	ctx := t.Context()
	for range 2 {
		var n int64
		if err := db.QueryRowContext(ctx, "SELECT n FROM t").Scan(&n); err != sql.ErrNoRows {
			t.Errorf("got %v", err)
		}
	}
	wantCounts(t, h, 1, 0, 1, 0)
	rows = [][]driver.Value{{int64(1)}}
	if _, err := db.ExecContext(ctx, "INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	if n := scanInt(ctx, t, db, "SELECT n FROM t"); n != 1 {
		t.Errorf("got %d", n)
	}
}

// Values and types that cannot be told again exactly go to the caller and are not
// kept.
func TestWhatCannotBeStoredPassesThrough(t *testing.T) {
	t.Parallel()
	berlin := time.FixedZone("", 0)
	if l, err := time.LoadLocation("Europe/Berlin"); err == nil {
		berlin = l
	}
	type money struct{ cents int }
	odd := someTime.In(berlin)
	o := newOrigin(func(query string, _ []driver.NamedValue) (*result, error) {
		if query == "SELECT types FROM t" {
			return &result{cols: []column{{name: "a", scan: reflect.TypeFor[money]()}}, rows: [][]driver.Value{{int64(1)}, {int64(2)}}}, nil
		}
		return &result{cols: []column{{name: "a", scan: reflect.TypeFor[any]()}}, rows: [][]driver.Value{{int64(1)}, {odd}, {money{3}}, {int64(4)}}}, nil
	})
	o.wrapRows = func(r *originRows) driver.Rows { return typedRows{r} }
	db, h := openDriver(t, o, nil)
	plain := sql.OpenDB(o)
	defer plain.Close()
	for _, query := range []string{
		"SELECT types FROM t", "SELECT vals FROM t",
		"INSERT INTO t VALUES (1) RETURNING types", // through the fence of a write
	} {
		want, err := queryAll(t.Context(), plain, query)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got, err := queryAll(t.Context(), db, query); err != nil || got != want {
				t.Errorf("%s: got %s, %v, want %s", query, got, err, want)
			}
		}
	}
	wantCounts(t, h, 0, 0, 4, 2)
	if s := h.Stats(); s.Reasons[mlcache.ReasonNotStorable] != 4 || s.Reasons[mlcache.ReasonTooLarge] != 0 {
		t.Errorf("reasons %v", s.Reasons)
	}
}

func TestSeveralResultSetsPassThrough(t *testing.T) {
	t.Parallel()
	o := newOrigin(func(string, []driver.NamedValue) (*result, error) {
		return &result{
			cols: []column{{name: "a"}}, rows: [][]driver.Value{{int64(1)}, {int64(2)}},
			more: &result{
				cols: []column{{name: "b"}, {name: "c"}}, rows: nil,
				more: &result{cols: []column{{name: "d"}}, rows: [][]driver.Value{{"end"}}},
			},
		}, nil
	})
	o.wrapRows = func(r *originRows) driver.Rows { return multiRows{r} }
	plain := sql.OpenDB(o)
	defer plain.Close()
	for _, query := range []string{"SELECT a FROM t", "UPDATE t SET a = 1 RETURNING a"} {
		want, err := queryAll(t.Context(), plain, query)
		if err != nil {
			t.Fatal(err)
		}
		for _, cfg := range []*mlcache.Config{nil, {MaxRows: 1}, {Mode: mlcache.ModeOff}} {
			db, h := openDriver(t, o, cfg)
			for range 3 {
				if got, err := queryAll(t.Context(), db, query); err != nil || got != want {
					t.Errorf("got %s, %v, want %s", got, err, want)
				}
			}
			if s := h.Stats(); s.L1Hits != 0 {
				t.Errorf("a result of several sets was cached: %+v", s)
			}
		}
	}
}

// Statements behind the first one of a text may run only when their result set
// is asked for. Until then their tables are being written.
func TestWriteInALaterResultSetInvalidates(t *testing.T) {
	t.Parallel()
	value := int64(1)
	o := newOrigin(nil)
	o.wrapRows = func(r *originRows) driver.Rows { return multiRows{r} }
	o.answer = func(query string, _ []driver.NamedValue) (*result, error) {
		if query == "SELECT n FROM t" {
			return intResult(value), nil
		}
		return &result{
			cols: []column{{name: "one"}}, rows: [][]driver.Value{{int64(1)}},
			more: &result{}, onMore: func() { value = 2 },
		}, nil
	}
	db, _ := openDriver(t, o, nil)
	ctx := t.Context()
	if n := scanInt(ctx, t, db, "SELECT n FROM t"); n != 1 {
		t.Fatal(n)
	}
	rows, err := db.QueryContext(ctx, "SELECT 1; UPDATE t SET n = 2")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
	}
	if n := scanInt(ctx, t, db, "SELECT n FROM t"); n != 1 {
		t.Fatal(n)
	}
	if !rows.NextResultSet() {
		t.Fatal("no second result set")
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	if n := scanInt(ctx, t, db, "SELECT n FROM t"); n != 2 {
		t.Errorf("after the write: %d", n)
	}
}
