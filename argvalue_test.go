package mlcache

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/mlcache/mlcache/cache"
)

type (
	testStatus  string
	testState   string
	testID      int64
	testRole    int
	testBytes   []byte
	testPair    struct{ A, B string }
	testTagged  struct{ A, B string }
	testHidden  struct{ a any }
	testChain   struct{ Next *testChain }
	testValuer  struct{ v driver.Value }
	testNilable struct{ n int }
)

func (r testRole) String() string                 { return [...]string{"admin", "guest"}[r] }
func (v testValuer) Value() (driver.Value, error) { return v.v, nil }
func (v *testNilable) Value() (driver.Value, error) {
	if v == nil {
		return "nobody", nil
	}
	return int64(v.n), nil
}

func encodeArgs(t testing.TB, args ...any) []byte {
	t.Helper()
	e := argEncoder{plainPgx: true, isPgx: true}
	for _, arg := range args {
		if _, reason := e.append(arg); reason != "" {
			t.Fatalf("%T %v: %s", arg, arg, reason)
		}
	}
	return e.key
}

func ptr[T any](v T) *T { return &v }

// Arguments that pgx may encode differently: no two encodings are equal, and none
// begins another.
func TestArgumentsHaveEncodingsOfTheirOwn(t *testing.T) {
	t.Parallel()
	type local struct{ A int }
	here := reflect.TypeFor[local]()
	there := func() reflect.Type {
		type local struct{ A int32 }
		return reflect.TypeFor[local]()
	}()
	if here.String() != there.String() {
		t.Fatal("the two local types no longer have the same name")
	}
	utc := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	args := []any{
		nil, "a", []byte("a"), 1, int64(1), true, // the basic ones
		testStatus("a"), testState("a"), testStatus(""), testStatus("ab"), testID(1), testID(2), testBytes("a"), testBytes(nil), testBytes{},
		json.RawMessage("a"), json.RawMessage(nil), json.Number("1"), testRole(0), testRole(1), time.Second, time.Month(1), time.Weekday(1),
		ptr("a"), ptr(testStatus("a")), (*string)(nil), (*testStatus)(nil), (*int)(nil), ptr(ptr("a")), ptr((*string)(nil)),
		[]string(nil), []string{}, []string{""}, []string{"a"}, []string{"a", "b"}, []string{"ab"}, []string{"a", ""}, []testStatus{"a"},
		[1]string{"a"}, [2]string{"a", "b"}, [][]string{{"a"}, {"b"}}, [][]string{{"a", "b"}}, [][]string{{"a"}, nil}, [][]string{{"a"}, {}},
		[]int{1}, []int32{1}, []int64{1}, []int64{1, 2}, []*int64{ptr(int64(1)), nil}, []*int64{nil, ptr(int64(1))}, []bool{true},
		[][]byte{[]byte("a"), []byte("b")}, [][]byte{[]byte("ab")}, [][]byte{nil}, [][]byte{{}}, [2]byte{1, 2}, [16]byte{}, []testRole{0, 1},
		[]any{}, []any{"a"}, []any{testStatus("a")}, []any{[]byte("a")}, []any{nil}, []any{1}, []any{int64(1)}, []any{"a", nil}, []any{nil, "a"},
		map[string]string(nil), map[string]string{}, map[string]string{"a": "b"}, map[string]string{"a": "b", "c": "d"}, map[string]string{"a": "bc", "": "d"},
		map[string]any{"a": "b"}, map[string]any{"a": 1}, map[string]any{"a": 1.0}, map[string]any{"a": map[string]any{"b": nil}}, map[string]any{"a": nil},
		map[string]*string{"a": nil}, map[string]*string{"a": ptr("")}, map[int]string{1: "a"}, pgtype.Hstore{"a": nil},
		testPair{"a", "b"}, testPair{"ab", ""}, testTagged{"a", "b"}, struct{ A, B string }{"a", "b"}, ptr(testPair{"a", "b"}), []testPair{{"a", "b"}},
		struct {
			A string `json:"x"`
		}{"a"}, struct {
			A string `json:"y"`
		}{"a"},
		testHidden{1}, testHidden{int64(1)}, testHidden{nil}, testChain{}, testChain{&testChain{}}, struct{}{},
		reflect.Zero(here).Interface(), reflect.Zero(there).Interface(),
		sql.NullString{}, sql.NullString{Valid: true}, sql.NullString{String: "a", Valid: true}, sql.NullInt64{Int64: 1, Valid: true}, sql.NullInt32{Int32: 1, Valid: true},
		sql.Null[string]{V: "a", Valid: true}, sql.Null[int]{V: 1, Valid: true}, sql.NullTime{Time: utc, Valid: true}, sql.NullTime{Time: utc.In(time.FixedZone("", 60)), Valid: true},
		pgtype.Text{String: "a", Valid: true}, pgtype.Int4{Int32: 1, Valid: true}, pgtype.Int8{Int64: 1, Valid: true}, pgtype.UUID{Valid: true}, pgtype.UUID{},
		pgtype.Numeric{Int: big.NewInt(10), Exp: -1, Valid: true}, pgtype.Numeric{Int: big.NewInt(100), Exp: -2, Valid: true}, pgtype.Numeric{NaN: true, Valid: true},
		pgtype.Date{Time: utc, Valid: true}, pgtype.Date{InfinityModifier: pgtype.Infinity, Valid: true}, pgtype.Timestamptz{Time: utc, Valid: true},
		pgtype.Range[pgtype.Int4]{Lower: pgtype.Int4{Int32: 1, Valid: true}, LowerType: pgtype.Inclusive, UpperType: pgtype.Unbounded, Valid: true},
		pgtype.Range[pgtype.Int8]{Lower: pgtype.Int8{Int64: 1, Valid: true}, LowerType: pgtype.Inclusive, UpperType: pgtype.Unbounded, Valid: true},
		pgtype.Array[string]{Elements: []string{"a"}, Dims: []pgtype.ArrayDimension{{Length: 1, LowerBound: 1}}, Valid: true},
		pgtype.Array[string]{Elements: []string{"a"}, Dims: []pgtype.ArrayDimension{{Length: 1, LowerBound: 2}}, Valid: true}, pgtype.FlatArray[string]{"a"},
		big.NewInt(1), big.NewInt(-1), *big.NewInt(1), netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::ffff:127.0.0.1"),
		netip.MustParseAddr("fe80::1%a"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/9"),
		testValuer{"a"}, testValuer{[]byte("a")}, testValuer{nil}, testValuer{int64(1)}, testValuer{testStatus("a")}, testValuer{true}, testValuer{utc},
		(*testValuer)(nil), (*testNilable)(nil), &testNilable{2},
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol, pgx.QueryResultFormats{1}, pgx.QueryResultFormats{0}, pgx.QueryResultFormats{1, 1},
		pgx.QueryResultFormatsByOID{23: 1}, pgx.QueryResultFormatsByOID{23: 0}, pgx.QueryResultFormatsByOID{},
		float32(1), []float32{1}, []float64{1}, []float64{math.Copysign(0, -1)}, []float64{0}, []float64{math.NaN()}, []time.Time{utc},
	}
	keys := make([][]byte, len(args))
	for i, arg := range args {
		keys[i] = encodeArgs(t, arg)
		if again := encodeArgs(t, arg); !bytes.Equal(again, keys[i]) {
			t.Errorf("%T %#v: not the same encoding twice", arg, arg)
		}
	}
	for i := range keys {
		for j := range keys {
			if i != j && bytes.HasPrefix(keys[i], keys[j]) {
				t.Errorf("the encoding of %T %#v begins with that of %T %#v", args[i], args[i], args[j], args[j])
			}
		}
	}
}

// Arguments that pgx sends alike, since nothing else tells them apart.
func TestEqualArgumentsHaveOneEncoding(t *testing.T) {
	t.Parallel()
	large := make(map[string]int)
	for i := range 1000 {
		large[fmt.Sprint(i)] = i
	}
	other := make(map[string]int)
	for i := 999; i >= 0; i-- {
		other[fmt.Sprint(i)] = i
	}
	now := time.Now()
	for name, pair := range map[string][2]any{
		"maps filled in another order":  {large, other},
		"pointers to equal values":      {ptr("a"), ptr("a")},
		"slices of another capacity":    {append(make([]int, 0, 9), 1), []int{1}},
		"times with a monotonic clock":  {[]time.Time{now}, []time.Time{now.Round(0)}},
		"valuers with the same value":   {testValuer{"a"}, ptr(testValuer{"a"})},
		"a memo and what it stands for": {testValuer{"a"}, memoValuer{value: "a"}},
	} {
		if a, b := encodeArgs(t, pair[0]), encodeArgs(t, pair[1]); !bytes.Equal(a, b) {
			t.Errorf("%s: %x and %x", name, a, b)
		}
	}
}

type (
	testText     struct{}
	testJSON     struct{ A int }
	testTextPtr  struct{ A int }
	testStringer struct{ A int }
	testGuarded  struct {
		sync.Mutex
		A int
	}
	testFailing struct{}
	testDiving  struct{}
	testTwice   struct{}
	testZero    string
)

func (testText) TextValue() (pgtype.Text, error)  { return pgtype.Text{}, nil }
func (testText) Value() (driver.Value, error)     { return "a", nil }
func (testJSON) MarshalJSON() ([]byte, error)     { return nil, nil }
func (*testTextPtr) MarshalText() ([]byte, error) { return nil, nil }
func (testStringer) String() string               { return "" }
func (testFailing) Value() (driver.Value, error)  { return nil, errors.New("no value") }
func (testDiving) Value() (driver.Value, error)   { panic("no value") }
func (testTwice) Value() (driver.Value, error)    { return testValuer{"a"}, nil }
func (testZero) IsZero() bool                     { return false }

func TestArgumentsThatAreNotEncoded(t *testing.T) {
	t.Parallel()
	cycle := &testChain{}
	cycle.Next = cycle
	self := []any{nil}
	self[0] = self
	for _, c := range []struct {
		arg  any
		want Reason
	}{
		{testText{}, ReasonArgument}, {testJSON{}, ReasonArgument}, {&testJSON{}, ReasonArgument}, {[]testJSON{}, ReasonArgument},
		{testTextPtr{}, ReasonArgument}, {&testTextPtr{}, ReasonArgument}, {map[string]any{"a": []any{testTextPtr{}}}, ReasonArgument},
		{testStringer{}, ReasonArgument}, {&testGuarded{}, ReasonArgument}, {testZero("a"), ReasonArgument},
		{testFailing{}, ReasonArgument}, {testDiving{}, ReasonArgument}, {testTwice{}, ReasonArgument},
		{[]testValuer{{"a"}}, ReasonArgument}, {[]any{testValuer{"a"}}, ReasonArgument},
		{testRole(9), ReasonArgument}, // its String panics
		{cycle, ReasonArgument}, {self, ReasonArgument}, {make(chan int), ReasonArgument}, {func() {}, ReasonArgument}, {1i, ReasonArgument},
		{make([]struct{}, 1<<40), ReasonArgument}, {make([]int64, 1<<20), ReasonArgument}, {make([]string, 1<<20), ReasonArgument},
		{strings.Split(strings.Repeat("x", 1<<17), ""), ReasonArgument}, {json.RawMessage(make([]byte, 1<<20)), ReasonArgument},
		{[]float32{float32(math.NaN())}, ReasonArgument},
		{"now", ReasonDateArgument}, {testStatus("now"), ReasonDateArgument}, {[]string{"a", "Today"}, ReasonDateArgument}, {ptr("tomorrow"), ReasonDateArgument},
		{[]byte("now"), ReasonDateArgument}, {testBytes("now"), ReasonDateArgument}, {[][]byte{[]byte("now")}, ReasonDateArgument},
		{testValuer{"now"}, ReasonDateArgument}, {testValuer{[]string{"now"}}, ReasonDateArgument}, {sql.NullString{String: "now"}, ReasonDateArgument},
		{map[string]any{"at": "yesterday"}, ReasonDateArgument}, {testPair{"now", ""}, ReasonDateArgument}, {pgtype.Text{String: "now"}, ReasonDateArgument},
		{json.RawMessage(`{"at":"now"}`), ReasonDateArgument}, {testHidden{"now"}, ReasonDateArgument},
	} {
		e := argEncoder{key: []byte("key"), plainPgx: true, isPgx: true}
		if _, got := e.append(c.arg); got != c.want || string(e.key) != "key" {
			t.Errorf("%T: reason %q, %d bytes of key; want %q and an unchanged key", c.arg, got, len(e.key), c.want)
		}
	}
}

var testLanguage = "en"

type testColour int

func (c testColour) String() string { return testLanguage + fmt.Sprint(int(c)) }

// What String says is a part of the key, since pgx may send it.
func TestStringOfAnArgument(t *testing.T) {
	before := encodeArgs(t, []testColour{1})
	testLanguage = "de"
	if after := encodeArgs(t, []testColour{1}); bytes.Equal(before, after) {
		t.Errorf("both are %x", before)
	}
}

// What is not pgx's own connection, or has types of the user's, may look at more
// than pgx does.
func TestArgumentsForOtherDrivers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		arg                  any
		plain, pgx, anything bool
	}{
		{testStatus("a"), true, true, true}, {[]string{"a"}, true, true, true}, {sql.NullString{}, true, true, true},
		{testRole(1), true, true, false}, {[]any{testRole(1)}, true, true, false}, {testValuer{"a"}, true, false, false},
	} {
		for _, e := range []struct {
			argEncoder
			want bool
		}{{argEncoder{plainPgx: true, isPgx: true}, c.plain}, {argEncoder{isPgx: true}, c.pgx}, {argEncoder{}, c.anything}} {
			if _, reason := e.append(c.arg); (reason == "") != e.want {
				t.Errorf("%T, plain %t, pgx %t: %q", c.arg, e.plainPgx, e.isPgx, reason)
			}
		}
	}
}

// Over Redis two processes find the same entry.
func TestTypesOfArgumentsAreTheSameInEachProcess(t *testing.T) {
	t.Parallel()
	got := fmt.Sprintf("%x", argTypeOf(reflect.TypeFor[[]testPair]()).id)
	argTypes.Clear()
	if again := fmt.Sprintf("%x", argTypeOf(reflect.TypeFor[[]testPair]()).id); again != got {
		t.Errorf("%s and %s", got, again)
	}
}

// fuzzArg makes an argument of bytes.
func fuzzArg(b *bytes.Reader, depth int) any {
	next := func() int { c, _ := b.ReadByte(); return int(c) }
	text := func() string {
		out := make([]byte, next()%5)
		b.Read(out)
		return string(out)
	}
	number := func() int64 {
		var out [8]byte
		b.Read(out[:next()%9])
		return int64(binary.LittleEndian.Uint64(out[:]))
	}
	many := func() []any {
		var out []any
		for range next() % 4 {
			out = append(out, fuzzArg(b, depth+1))
		}
		return out
	}
	kind := next() % 24
	if depth > 4 {
		kind %= 16
	}
	switch kind {
	case 0:
		return nil
	case 1:
		return text()
	case 2:
		return []byte(text())
	case 3:
		return testStatus(text())
	case 4:
		return number()
	case 5:
		return testID(number())
	case 6:
		return int(number())
	case 7:
		return next()%2 == 0
	case 8:
		return math.Float64frombits(uint64(number()))
	case 9:
		return testBytes(text())
	case 10:
		return json.RawMessage(text())
	case 11:
		return time.Unix(number()%1e10, number()%1e9).In(time.FixedZone(text(), next()))
	case 12:
		return ptr(text())
	case 13:
		return sql.NullString{String: text(), Valid: next()%2 == 0}
	case 14:
		return [2]byte{byte(next()), byte(next())}
	case 15:
		return testValuer{text()}
	case 16:
		return many()
	case 17:
		var out []string
		for range next() % 4 {
			out = append(out, text())
		}
		return out
	case 18:
		return testPair{text(), text()}
	case 19:
		out := map[string]any{}
		for _, v := range many() {
			out[text()] = v
		}
		return out
	case 20:
		return testHidden{fuzzArg(b, depth+1)}
	case 21:
		return ptr(fuzzArg(b, depth+1))
	case 22:
		return [][]byte{[]byte(text()), []byte(text())}
	default:
		return pgtype.Text{String: text(), Valid: next()%2 == 0}
	}
}

// sameArg says whether two arguments are the same but for what no driver sees.
func sameArg(a, b any) bool {
	bits := func(v any) any {
		if f, ok := v.(float64); ok {
			return math.Float64bits(f)
		}
		return v
	}
	return reflect.DeepEqual(bits(a), bits(b)) || fmt.Sprintf("%T%#v", a, a) == fmt.Sprintf("%T%#v", b, b)
}

// Two lists of arguments have one encoding only if they are the same list.
func FuzzArguments(f *testing.F) {
	f.Add([]byte("\x01\x02ab\x01\x01c"), []byte("\x01\x01a\x01\x02bc"))
	f.Add([]byte("\x10\x02\x01\x01a\x01\x01b"), []byte("\x11\x02\x01a\x01b"))
	f.Add([]byte("\x13\x01\x13\x01\x0f\x01a\x01b\x01c"), []byte("\x12\x01a\x01b"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var lists [2][]any
		var keys [2][]byte
		for i, in := range [][]byte{first, second} {
			e := argEncoder{plainPgx: true, isPgx: true}
			r := bytes.NewReader(in)
			for r.Len() > 0 && len(lists[i]) < 8 {
				arg := fuzzArg(r, 0)
				before := len(e.key)
				if _, reason := e.append(arg); reason != "" {
					if len(e.key) != before {
						t.Fatalf("%T was refused and left %d bytes", arg, len(e.key)-before)
					}
					continue
				}
				lists[i] = append(lists[i], arg)
			}
			keys[i] = e.key
			if again := encodeArgs(t, lists[i]...); !bytes.Equal(again, e.key) {
				t.Fatalf("%#v: not the same encoding twice", lists[i])
			}
		}
		if !bytes.Equal(keys[0], keys[1]) {
			return
		}
		same := len(lists[0]) == len(lists[1])
		for i := 0; same && i < len(lists[0]); i++ {
			same = sameArg(lists[0][i], lists[1][i])
		}
		if !same {
			t.Fatalf("%#v and %#v are both %x", lists[0], lists[1], keys[0])
		}
	})
}

// The usual arguments of a query that no cache could do without.
func BenchmarkAppendArguments(b *testing.B) {
	for name, arg := range map[string]any{
		"int": 1, "string": "a text", "named string": testStatus("active"), "ten int64s": []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
		"uuid": pgtype.UUID{Valid: true}, "null string": sql.NullString{String: "a", Valid: true}, "map": map[string]any{"a": 1, "b": "c"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			key := make([]byte, 0, cache.MaxKeySize)
			for b.Loop() {
				e := argEncoder{key: key, plainPgx: true, isPgx: true}
				e.append(arg)
			}
		})
	}
}
