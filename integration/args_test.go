package integration

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

type (
	argStatus string
	argID     int64
	argRole   int
	argTags   []string
	argMoney  struct{ cents int64 }
	argPoint  struct{ X, Y int }
	argDoc    struct {
		Name string   `json:"name"`
		Tags []string `json:"tags,omitempty"`
	}
	argMarshaler struct{ n int }
)

func (r argRole) String() string { return [...]string{"admin", "guest"}[r] }
func (m argMoney) Value() (driver.Value, error) {
	return fmt.Sprintf("%d.%02d", m.cents/100, m.cents%100), nil
}
func (m argMarshaler) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"n":%d}`, m.n), nil
}

func pointer[T any](v T) *T { return &v }

// Each argument is sent as a value of a PostgreSQL type, and comes back.
var argCases = []struct {
	pgType string
	args   []any
}{
	{"int8", []any{1, int8(1), int16(1), int32(1), int64(1), uint(1), uint8(1), uint16(1), uint32(1), uint64(1), argID(1), argRole(1), pointer(1),
		pointer(argID(1)), (*int)(nil), sql.NullInt64{Int64: 1, Valid: true}, sql.NullInt64{}, sql.Null[int64]{V: 1, Valid: true}, pgtype.Int8{Int64: 1, Valid: true},
		"1", argStatus("1"), json.Number("1"), int64(2), argID(2)}},
	{"int4", []any{1, argRole(1), argRole(0), argID(5_000_000_000), pgtype.Int4{Int32: 1, Valid: true}, "2147483648", true}},
	{"text", []any{"a", argStatus("a"), argStatus("b"), pointer("a"), pointer(argStatus("a")), (*string)(nil), sql.NullString{String: "a", Valid: true}, sql.NullString{},
		pgtype.Text{String: "a", Valid: true}, argRole(1), argRole(0), []byte("a"), argMoney{150}, argMoney{250}, 1, true, 1.5, time.Second, uuid.UUID{1}, argDoc{Name: "a"}}},
	{"bool", []any{true, false, pointer(true), sql.NullBool{Bool: true, Valid: true}, pgtype.Bool{Bool: true, Valid: true}, "t", 1}},
	{"float8", []any{1.5, float32(1.5), pointer(1.5), sql.NullFloat64{Float64: 1.5, Valid: true}, pgtype.Float8{Float64: 1.5, Valid: true}, 1, "1.5"}},
	{"numeric", []any{pgtype.Numeric{Int: big.NewInt(15), Exp: -1, Valid: true}, pgtype.Numeric{NaN: true, Valid: true}, argMoney{150}, argMoney{151}, 1, 1.5, "1.50", "1.5",
		uint64(1 << 63), json.Number("1.5")}},
	{"bytea", []any{[]byte("a"), []byte{}, []byte(nil), json.RawMessage("a"), pointer([]byte("a")), "a"}},
	{"timestamptz", []any{time.Unix(1, 0), time.Unix(1, 0).UTC(), pointer(time.Unix(1, 0)), (*time.Time)(nil), sql.NullTime{Time: time.Unix(1, 0), Valid: true},
		pgtype.Timestamptz{Time: time.Unix(1, 0), Valid: true}, pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}, "2020-01-01 00:00:00+00"}},
	{"date", []any{time.Unix(1, 0), pgtype.Date{Time: time.Unix(1, 0).UTC(), Valid: true}, pgtype.Date{InfinityModifier: pgtype.NegativeInfinity, Valid: true}, "2020-01-01"}},
	{"interval", []any{time.Second, pgtype.Interval{Days: 1, Valid: true}, "1 day"}},
	{"uuid", []any{uuid.UUID{1}, uuid.UUID{2}, pointer(uuid.UUID{1}), uuid.NullUUID{}, uuid.NullUUID{UUID: uuid.UUID{1}, Valid: true}, [16]byte{1}, pgtype.UUID{Bytes: [16]byte{1}, Valid: true},
		uuid.UUID{1}.String()}},
	{"int8[]", []any{[]int64{1, 2}, []int64{2, 1}, []int{1, 2}, []int32{1, 2}, []argID{1, 2}, []*int64{pointer(int64(1)), nil}, []int64{}, []int64(nil), []any{1, nil}, [2]int{1, 2},
		[][]int64{{1, 2}, {3, 4}}, [][]int64{{1, 2, 3, 4}}, pgtype.FlatArray[int64]{1, 2}, "{1,2}", pgtype.Array[int64]{Elements: []int64{1, 2}, Dims: []pgtype.ArrayDimension{{Length: 2, LowerBound: 0}}, Valid: true}}},
	{"text[]", []any{[]string{"a", "b"}, []string{"a,b"}, []argStatus{"a", "b"}, argTags{"a", "b"}, []string{""}, []any{"a", nil}, []argRole{0, 1}, []*string{nil}}},
	{"uuid[]", []any{[]uuid.UUID{{1}, {2}}, []uuid.UUID{{2}, {1}}, [][16]byte{{1}}}},
	{"bytea[]", []any{[][]byte{[]byte("a"), nil}, [][]byte{[]byte("a"), {}}}},
	{"timestamptz[]", []any{[]time.Time{time.Unix(1, 0)}, []time.Time{time.Unix(1, 0).UTC()}}},
	{"jsonb", []any{map[string]any{"a": 1, "b": []any{nil, "c"}}, map[string]any{"a": "1"}, map[string]int{"a": 1}, argDoc{Name: "a"}, &argDoc{Name: "a", Tags: []string{"b"}},
		[]argDoc{{Name: "a"}}, json.RawMessage(`{"a": 1}`), `{"a": 1}`, []byte(`{"a": 1}`), "null", nil, 1, true, argPoint{1, 2}}},
	{"json", []any{json.RawMessage(`{"a": 1}`), json.RawMessage(`{"a":1}`), map[string]any{"a": 1}}},
	{"inet", []any{netip.MustParseAddr("10.0.0.1"), netip.MustParsePrefix("10.0.0.0/8"), net.ParseIP("10.0.0.1"), net.IPNet{IP: net.IP{10, 0, 0, 0}, Mask: net.CIDRMask(8, 32)}, "10.0.0.1"}},
	{"int4range", []any{pgtype.Range[pgtype.Int4]{Lower: pgtype.Int4{Int32: 1, Valid: true}, Upper: pgtype.Int4{Int32: 5, Valid: true}, LowerType: pgtype.Inclusive, UpperType: pgtype.Exclusive, Valid: true},
		pgtype.Range[pgtype.Int4]{Lower: pgtype.Int4{Int32: 1, Valid: true}, Upper: pgtype.Int4{Int32: 5, Valid: true}, LowerType: pgtype.Inclusive, UpperType: pgtype.Inclusive, Valid: true}, "[1,5)"}},
	{"point", []any{pgtype.Point{P: pgtype.Vec2{X: 1, Y: 2}, Valid: true}, "(1,2)"}},
}

// Whatever pgx takes as an argument gives the answer that pgx gives, from the
// database and from the cache, and is found again in the cache. All arguments of
// one PostgreSQL type go through one cache, so none is answered like another.
func TestArgumentsOfEveryType(t *testing.T) {
	t.Parallel()
	base := harness.NewDatabase(t, warmup, "CREATE TABLE arg (id int); INSERT INTO arg VALUES (1)")
	harness.InEveryExecMode(t, base, func(t *testing.T, dsn string) {
		pgx := harness.Open(t, "pgx", dsn)
		cached := harness.Open(t, "mlcache", dsn)
		shared := withPatientRedis(t, dsn)
		first, second := harness.Open(t, "mlcache", shared), harness.Open(t, "mlcache", shared)
		untilServing(t, cached)
		untilServing(t, first)
		untilServing(t, second)
		hits, asked := 0, 0
		for _, c := range argCases {
			query := "SELECT id, $1::" + c.pgType + " AS v FROM arg"
			for round := range 2 {
				for _, arg := range c.args {
					what := fmt.Sprintf("%s of %T %v, round %d", c.pgType, arg, arg, round)
					want := harness.TryQuery(harness.Context(t), pgx, query, arg)
					before := stats(t, cached)
					harness.Same(t, what, harness.TryQuery(harness.Context(t), cached, query, arg), want)
					if round == 0 || want.Err != "" {
						continue
					}
					asked++
					if got := since(before, stats(t, cached)); got.L1Hits == 1 {
						hits++
					} else {
						t.Errorf("%s: no hit, %+v (%v)", what, got, stats(t, cached).Reasons)
					}
				}
			}
			for _, arg := range c.args {
				want := harness.TryQuery(harness.Context(t), pgx, query, arg)
				if want.Err != "" {
					continue
				}
				untilHit(t, first, query, arg)
				harness.Same(t, fmt.Sprintf("%s of %T %v through Redis", c.pgType, arg, arg), untilHit(t, second, query, arg), want)
			}
		}
		t.Logf("%d of %d arguments were answered from the cache", hits, asked)
	})
}

// What has a method that pgx would call, and that may look at anything, goes to
// the database each time.
func TestArgumentsWithMethodsOfTheirOwn(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE arg (id int); INSERT INTO arg VALUES (1)")
	pgx, cached := harness.Open(t, "pgx", dsn), harness.Open(t, "mlcache", dsn)
	untilServing(t, cached)
	for _, arg := range []any{argMarshaler{1}, map[string]any{"a": argMarshaler{1}}, []argMarshaler{{1}}, map[string]any{"at": "now"}, []argMoney{{1}}} {
		const query = "SELECT id, $1::jsonb AS v FROM arg"
		want := harness.TryQuery(harness.Context(t), pgx, query, arg)
		for range 2 {
			before := stats(t, cached)
			harness.Same(t, fmt.Sprintf("%T", arg), harness.TryQuery(harness.Context(t), cached, query, arg), want)
			if got := since(before, stats(t, cached)); got.Bypasses != 1 {
				t.Errorf("%T: %+v", arg, got)
			}
		}
	}
}

// counting is a valuer with a side effect: each call gives another value.
type counting struct{ calls atomic.Int64 }

func (c *counting) Value() (driver.Value, error) { return c.calls.Add(1), nil }

// alternating gives one of two values, by turns.
type alternating struct{ calls atomic.Int64 }

func (a *alternating) Value() (driver.Value, error) { return a.calls.Add(1) % 2, nil }

type failing struct{ calls atomic.Int64 }

var errNoValue = errors.New("no value today")

func (f *failing) Value() (driver.Value, error) { f.calls.Add(1); return nil, errNoValue }

// Value is called once for each query, as by pgx, and what PostgreSQL is asked
// for is what it returned.
func TestValuersAreCalledOnce(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE arg (id int); INSERT INTO arg VALUES (0), (1), (2), (3)")
	harness.InEveryExecMode(t, dsn, func(t *testing.T, dsn string) {
		const query = "SELECT id FROM arg WHERE id = $1::int"
		read := func(db *sql.DB, arg any) string {
			return harness.TryQuery(harness.Context(t), db, query, arg).String()
		}
		pgx, cached := harness.Open(t, "pgx", dsn), harness.Open(t, "mlcache", dsn)
		untilServing(t, cached)
		var a, b counting
		for range 5 {
			if got, want := read(cached, &a), read(pgx, &b); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		}
		if got, want := a.calls.Load(), b.calls.Load(); got != want {
			t.Errorf("called %d times, by pgx %d times", got, want)
		}
		var c, d alternating
		for range 6 {
			if got, want := read(cached, &c), read(pgx, &d); got != want {
				t.Errorf("by turns: got\n%swant\n%s", got, want)
			}
		}
		if s := stats(t, cached); s.L1Hits < 4 {
			t.Errorf("%+v", s)
		}
		if _, err := cached.Query(query, new(failing)); !errors.Is(err, errNoValue) {
			t.Errorf("an error of Value came back as %v", err)
		}
		if got, want := read(cached, new(failing)), read(pgx, new(failing)); got != want {
			t.Errorf("an error of Value: got\n%swant\n%s", got, want)
		}
		if got, want := read(cached, argMoney{1 << 60}), read(pgx, argMoney{1 << 60}); got != want {
			t.Errorf("a value that does not fit: got\n%swant\n%s", got, want)
		}
	})
}

// An argument that its owner writes to while the query runs is not kept under
// what it was before.
func TestArgumentThatChangesUnderWay(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE arg (id int); INSERT INTO arg VALUES (1), (2)")
	ids := []int64{1}
	const query = "SELECT id FROM arg WHERE id = ANY($1::int8[])"
	cfg, err := mlcache.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	change := false
	connector, err := mlcache.NewConnector(hookedConnector(t, dsn, func(_ context.Context, q string) {
		if change && strings.Contains(q, "ANY") {
			ids[0] = 2 // after the key was made, before pgx encodes
		}
	}), cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	untilServing(t, db)
	change = true
	if got := harness.Query(t, db, query, ids); len(got.Rows) != 1 || !strings.Contains(got.Rows[0], "2") {
		t.Fatalf("pgx has sent something else than it should: %v", got)
	}
	change = false
	if got := harness.Query(t, db, query, []int64{1}); !strings.Contains(got.Rows[0], "1") {
		t.Errorf("the answer for {2} was kept for {1}: %v", got)
	}
}

// tracer is told of each query before pgx encodes its arguments.
type tracer func(context.Context, string)

func (f tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	f(ctx, data.SQL)
	return ctx
}

func (f tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func hookedConnector(t testing.TB, dsn string, f tracer) driver.Connector {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Tracer = f
	return stdlib.GetConnector(*cfg)
}

// renaming is a rewriter of the user's, which counts.
type renaming struct {
	calls *int
	table string
}

func (r renaming) RewriteQuery(_ context.Context, c *pgx.Conn, sql string, args []any) (string, []any, error) {
	if c == nil {
		return "", nil, errors.New("no connection")
	}
	*r.calls++
	if r.table == "" {
		return "", nil, errNoValue
	}
	return strings.ReplaceAll(sql, "TABLE", r.table), append(args, *r.calls), nil
}

// pgx's options before the first argument do what they do with pgx, and answers
// under different options are kept apart.
func TestOptionsBeforeArguments(t *testing.T) {
	t.Parallel()
	base := harness.NewDatabase(t, warmup, "CREATE TABLE arg (id int, name text, at timestamptz); INSERT INTO arg VALUES (1, 'a', '2020-01-01Z'), (2, 'b', 'infinity')")
	cases := []struct {
		query string
		args  []any
	}{
		{"SELECT id, name FROM arg WHERE id = $1", []any{1}},
		{"SELECT id, name FROM arg WHERE id = @id", []any{pgx.NamedArgs{"id": 1}}},
		{"SELECT id, name FROM arg WHERE id = @id", []any{pgx.NamedArgs{"id": 2}}},
		{"SELECT id, name FROM arg WHERE id = @id AND name=@name", []any{pgx.NamedArgs{"id": 2, "name": argStatus("b"), "unused": 1}}},
		{"SELECT id, name FROM arg WHERE id = @id", []any{pgx.NamedArgs{"id": pgtype.Int4{Int32: 1, Valid: true}}}},
		{"SELECT id, name, '@id' FROM arg WHERE id = @id OR id = @id", []any{pgx.StrictNamedArgs{"id": 2}}},
		{"SELECT id, name FROM arg WHERE id = @id", []any{pgx.StrictNamedArgs{"id": 2, "other": 1}}},
		{"SELECT id, name FROM arg WHERE id = @id", []any{pgx.NamedArgs{}}},
		{"SELECT id, name FROM arg WHERE id = @id", []any{pgx.QueryExecModeSimpleProtocol, pgx.NamedArgs{"id": 2}}},
		{"SELECT id, name FROM arg WHERE id = @id", []any{pgx.StructArgs(struct {
			ID int `db:"id"`
		}{1})}},
		{"SELECT id, name FROM arg WHERE name = @name", []any{pgx.NamedArgs{"name": "now"}}},
		{"SELECT id, name FROM TABLE WHERE id <= $1 AND id >= $2 - 100", nil}, // with renaming, below
	}
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		for _, formats := range []any{nil, pgx.QueryResultFormats{0, 0, 0}, pgx.QueryResultFormats{1, 1, 1}, pgx.QueryResultFormatsByOID{}, pgx.QueryResultFormatsByOID{23: 1, 25: 1, 1184: 1}} {
			args := []any{mode}
			if formats != nil {
				args = append(args, formats)
			}
			cases = append(cases, struct {
				query string
				args  []any
			}{"SELECT id, name, at FROM arg WHERE id >= $1 ORDER BY id", append(args, 1)})
		}
	}
	harness.InEveryExecMode(t, base, func(t *testing.T, dsn string) {
		plain, cached := harness.Open(t, "pgx", dsn), harness.Open(t, "mlcache", dsn)
		untilServing(t, cached)
		for round := range 2 {
			for _, c := range cases {
				ours, theirs := c.args, c.args
				var n, m int
				if c.args == nil {
					ours, theirs = []any{renaming{&n, "arg"}, 2}, []any{renaming{&m, "arg"}, 2}
				}
				want := harness.TryQuery(harness.Context(t), plain, c.query, theirs...)
				before := stats(t, cached)
				what := fmt.Sprintf("%s %T%v, round %d", c.query, c.args, c.args, round)
				harness.Same(t, what, harness.TryQuery(harness.Context(t), cached, c.query, ours...), want)
				got := since(before, stats(t, cached))
				switch {
				case n != m:
					t.Errorf("%s: rewritten %d times, by pgx %d times", what, n, m)
				case round == 1 && want.Err == "" && got.L1Hits != 1 && !strings.Contains(fmt.Sprint(c.args), "now"):
					t.Errorf("%s: no hit, %+v", what, got)
				}
			}
		}
		var n int
		for _, db := range []*sql.DB{plain, cached} {
			if _, err := db.Query("SELECT id FROM TABLE", renaming{&n, ""}); !errors.Is(err, errNoValue) || err.Error() != "rewrite query failed: no value today" {
				t.Errorf("the rewriter's error came back as %v", err)
			}
		}
	})
}

// replacing is a rewriter that sends something else altogether.
type replacing string

func (r replacing) RewriteQuery(context.Context, *pgx.Conn, string, []any) (string, []any, error) {
	return string(r), nil, nil
}

// A write behind a rewriter is known by the text that PostgreSQL gets.
func TestWritesBehindRewriters(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE arg (id int, n int); INSERT INTO arg VALUES (1, 0)", "CREATE TABLE other (id int)")
	db := harness.Open(t, "mlcache", dsn)
	untilServing(t, db)
	const read = "SELECT n FROM arg WHERE id = 1"
	for i, write := range []func() error{
		func() error {
			_, err := db.Exec("UPDATE arg SET n = n+@by WHERE id=@id", pgx.NamedArgs{"by": 1, "id": 1})
			return err
		},
		func() error {
			_, err := db.Exec("UPDATE TABLE SET n = n + 1 WHERE id <= $1", renaming{new(int), "arg"})
			return err
		},
		func() error {
			return db.QueryRow("UPDATE TABLE SET n = n + 1 WHERE id <= $1 RETURNING n", renaming{new(int), "arg"}).Err()
		},
		func() error {
			_, err := db.Exec("SELECT id FROM other", replacing("UPDATE arg SET n = n + 1"))
			return err
		},
		func() error {
			return db.QueryRow("SELECT id FROM other", replacing("UPDATE arg SET n = n + 1 RETURNING n")).Err()
		},
		func() error {
			s, err := db.Prepare("SELECT id FROM other WHERE id = $1")
			if err != nil {
				return err
			}
			defer s.Close()
			_, err = s.Exec(replacing("UPDATE arg SET n = n + 1"))
			return err
		},
	} {
		untilHit(t, db, read)
		if err := write(); err != nil {
			t.Fatalf("write %d: %v", i, err)
		}
		if got := harness.Query(t, db, read); !strings.Contains(got.Rows[0], fmt.Sprint(i+1)) {
			t.Errorf("after write %d: %v", i, got)
		}
	}
}
