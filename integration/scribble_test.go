package integration

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

const scribbled = "SELECT id, raw, doc, docb, x, name, at FROM item ORDER BY id"

func scribbleTables(t *testing.T) string {
	return harness.NewDatabase(t, warmup,
		"CREATE TABLE item (id int PRIMARY KEY, raw bytea, doc json, docb jsonb, x xml, name text, at timestamptz)",
		`INSERT INTO item SELECT i, '\x00ff41', '{"a": 1}', '{"b": [2]}', '<a>3</a>', 'name', '2026-01-01' FROM generate_series(1, 3) i`)
}

// scribble asks for everything that a program can get hold of in an answer, and writes to it.
func scribble(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	rows, err := db.Query(query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for range 2 {
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for i := range columns {
			columns[i] = strings.ToUpper(columns[i])
		}
		_ = append(columns[:0:cap(columns)], "gone")
		_ = append(columns, "more") // into what stands behind it, if there is room
	}
	n := 0
	for rows.Next() {
		cells := make([]any, 7)
		dest := make([]any, 7)
		for i := range dest {
			dest[i] = &cells[i]
			if n%2 == 1 && i > 0 && i < 5 {
				dest[i] = new(sql.RawBytes)
			}
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		for i := range dest {
			b, _ := cells[i].([]byte)
			if raw, ok := dest[i].(*sql.RawBytes); ok {
				b = *raw
			}
			for j := range b {
				b[j] ^= 0x55
			}
			_ = append(b, "more"...)
		}
		n++
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// scribbleBeneath does the same to what the driver itself gives.
func scribbleBeneath(t *testing.T, db *sql.DB) {
	t.Helper()
	conn, err := db.Conn(harness.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Raw(func(c any) error {
		rows, err := c.(driver.QueryerContext).QueryContext(harness.Context(t), scribbled, nil)
		if err != nil {
			return err
		}
		defer rows.Close()
		for i := range rows.Columns() {
			rows.Columns()[i] = "gone"
		}
		dest := make([]driver.Value, 7)
		for {
			if err := rows.Next(dest); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			for i := range dest {
				if b, ok := dest[i].([]byte); ok {
					for j := range b {
						b[j] = 0
					}
				}
				dest[i] = nil
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What a program gets is its own, as with pgx: whatever it writes to, the next reader sees nothing of it.
func TestWhatAReaderGetsIsItsOwn(t *testing.T) {
	t.Parallel()
	dsn := scribbleTables(t)
	direct := harness.Open(t, "pgx", dsn)
	want := harness.Query(t, direct, scribbled)
	for _, levels := range []struct {
		name string
		keys []string
	}{
		{"L1", nil},
		{"L2", []string{"mlcache_l1_size", "0"}},
		{"strict", []string{"mlcache_consistency", "strict"}},
		{"off", []string{"mlcache_mode", "off"}},
	} {
		db := harness.Open(t, "mlcache", withPatientRedis(t, dsn, levels.keys...))
		if levels.name != "off" {
			untilServing(t, db)
		}
		for range 6 { // a miss, a hit, and one whose values were made before
			scribble(t, db, scribbled)
			harness.Same(t, levels.name, harness.Query(t, db, scribbled), want)
			scribbleBeneath(t, db)
			harness.Same(t, levels.name+", beneath database/sql", harness.Query(t, db, scribbled), want)
		}
	}
}

// The same at once: with the race detector, memory that two readers share is a failure.
func TestReadersThatScribbleAtOnce(t *testing.T) {
	t.Parallel()
	dsn := scribbleTables(t)
	direct := harness.Open(t, "pgx", dsn)
	want := harness.Query(t, direct, scribbled)
	db := harness.Open(t, "mlcache", dsn)
	untilServing(t, db)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 20 {
				scribble(t, db, scribbled+strings.Repeat(" ", i%3))
			}
		})
	}
	all.Wait()
	harness.Same(t, "afterwards", harness.Query(t, db, scribbled), want)
}

// An argument is the program's own again when the query has returned.
func TestArgumentsAreNotKept(t *testing.T) {
	t.Parallel()
	dsn := scribbleTables(t)
	db := harness.Open(t, "mlcache", dsn)
	untilServing(t, db)
	const query = "SELECT id FROM item WHERE raw = $1 ORDER BY id"
	for range 4 {
		raw := []byte{0, 0xff, 0x41}
		args := []any{raw}
		var n int
		if err := db.QueryRow(query, args...).Scan(&n); err != nil || n != 1 {
			t.Fatalf("%d, %v", n, err)
		}
		raw[0], args[0] = 7, nil
		if err := db.QueryRow(query, raw).Scan(&n); !errors.Is(err, sql.ErrNoRows) {
			t.Fatalf("another argument finds %d: %v", n, err)
		}
	}
}

// An error is its caller's, too.
func TestErrorsAreNotShared(t *testing.T) {
	t.Parallel()
	dsn := scribbleTables(t)
	db := harness.Open(t, "mlcache", dsn)
	untilServing(t, db)
	for range 3 {
		_, err := db.Query("SELECT 1 / (id - id) FROM item")
		var pe *pgconn.PgError
		if !errors.As(err, &pe) || pe.Code != "22012" {
			t.Fatalf("the error is %v", err)
		}
		pe.Code, pe.Message = "00000", "gone"
	}
}

// So is what a Handle tells, and a Config stays its owner's.
func TestWhatAHandleGivesIsItsOwn(t *testing.T) {
	t.Parallel()
	dsn := scribbleTables(t)
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &mlcache.Config{Namespace: harness.NewNamespace(t), Tables: []string{"item", "warmup"}, SkipTables: []string{"other"},
		Rules: []mlcache.Rule{{Tables: "other", Off: true}}}
	connector, err := mlcache.NewConnector(stdlib.GetConnector(*config), cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Tables[0], cfg.SkipTables[0], cfg.Rules[0].Tables = "gone", "item", "item"
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	untilServing(t, db)
	untilHit(t, db, scribbled)
	h, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	explain := func() any {
		x, err := h.Explain(harness.Context(t), "SELECT lower(name) FROM item")
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	rules := []mlcache.Rule{{Tables: "public.*", TTL: 1 << 40}}
	if err := h.SetRules(rules...); err != nil {
		t.Fatal(err)
	}
	rules[0].Tables = "gone"
	for name, ask := range map[string]func() any{
		"Explain":        explain,
		"ExplainText":    func() any { return mlcache.ExplainText("SELECT lower(name) FROM item") },
		"Rules":          func() any { return h.Rules() },
		"Reasons":        func() any { return mlcache.Reasons() },
		"Stats.Reasons":  func() any { return h.Stats().Reasons },
		"Stats.Tables":   func() any { return h.Stats().Tables },
		"Statements":     func() any { return h.Statements() },
		"Status.Reasons": func() any { return h.Status().Reasons },
		"Status.Levels":  func() any { return h.Status().Levels },
		"Status.Tables":  func() any { return h.Status().Tables },
		"Status.ByCalls": func() any { return h.Status().ByCalls },
	} {
		want := ask()
		wipe(reflect.ValueOf(ask()))
		if got := ask(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v after it was written to, was %v", name, got, want)
		}
	}
	wipe(reflect.ValueOf(h.Status()))
	wipe(reflect.ValueOf(h.Stats()))
	wipe(reflect.ValueOf(h.History()))
	before := stats(t, db)
	harness.Query(t, db, scribbled)
	if c := since(before, stats(t, db)); c.L1Hits != 1 {
		t.Errorf("no hit after all that: %+v", c)
	}
}

// wipe writes zeroes to whatever the value leads to.
func wipe(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			wipe(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				wipe(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			wipe(v.Index(i))
			v.Index(i).SetZero()
		}
	case reflect.Map:
		v.Clear()
	}
}
