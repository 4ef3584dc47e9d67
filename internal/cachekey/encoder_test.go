package cachekey

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
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

	"github.com/mlcache/mlcache/internal/bypass"
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
	e := Encoder{PlainPgx: true, IsPgx: true}
	for _, arg := range args {
		if _, reason := e.Append(arg); reason != "" {
			t.Fatalf("%T %v: %s", arg, arg, reason)
		}
	}
	return e.Key
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
		"a memo and what it stands for": {testValuer{"a"}, Memo{value: "a"}},
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
		want bypass.Reason
	}{
		{testText{}, bypass.Argument}, {testJSON{}, bypass.Argument}, {&testJSON{}, bypass.Argument}, {[]testJSON{}, bypass.Argument},
		{testTextPtr{}, bypass.Argument}, {&testTextPtr{}, bypass.Argument}, {map[string]any{"a": []any{testTextPtr{}}}, bypass.Argument},
		{testStringer{}, bypass.Argument}, {&testGuarded{}, bypass.Argument}, {testZero("a"), bypass.Argument},
		{testFailing{}, bypass.Argument}, {testDiving{}, bypass.Argument}, {testTwice{}, bypass.Argument},
		{[]testValuer{{"a"}}, bypass.Argument}, {[]any{testValuer{"a"}}, bypass.Argument},
		{testRole(9), bypass.Argument}, // its String panics
		{cycle, bypass.Argument}, {self, bypass.Argument}, {make(chan int), bypass.Argument}, {func() {}, bypass.Argument}, {1i, bypass.Argument},
		{make([]struct{}, 1<<40), bypass.Argument}, {make([]int64, 1<<20), bypass.Argument}, {make([]string, 1<<20), bypass.Argument},
		{strings.Split(strings.Repeat("x", 1<<17), ""), bypass.Argument}, {json.RawMessage(make([]byte, 1<<20)), bypass.Argument},
		{[]float32{float32(math.NaN())}, bypass.Argument},
		{"now", bypass.DateArgument}, {testStatus("now"), bypass.DateArgument}, {[]string{"a", "Today"}, bypass.DateArgument}, {ptr("tomorrow"), bypass.DateArgument},
		{[]byte("now"), bypass.DateArgument}, {testBytes("now"), bypass.DateArgument}, {[][]byte{[]byte("now")}, bypass.DateArgument},
		{testValuer{"now"}, bypass.DateArgument}, {testValuer{[]string{"now"}}, bypass.DateArgument}, {sql.NullString{String: "now"}, bypass.DateArgument},
		{map[string]any{"at": "yesterday"}, bypass.DateArgument}, {testPair{"now", ""}, bypass.DateArgument}, {pgtype.Text{String: "now"}, bypass.DateArgument},
		{json.RawMessage(`{"at":"now"}`), bypass.DateArgument}, {testHidden{"now"}, bypass.DateArgument},
	} {
		e := Encoder{Key: []byte("key"), PlainPgx: true, IsPgx: true}
		if _, got := e.Append(c.arg); got != c.want || string(e.Key) != "key" {
			t.Errorf("%T: reason %q, %d bytes of key; want %q and an unchanged key", c.arg, got, len(e.Key), c.want)
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
			Encoder
			want bool
		}{{Encoder{PlainPgx: true, IsPgx: true}, c.plain}, {Encoder{IsPgx: true}, c.pgx}, {Encoder{}, c.anything}} {
			if _, reason := e.Append(c.arg); (reason == "") != e.want {
				t.Errorf("%T, plain %t, pgx %t: %q", c.arg, e.PlainPgx, e.IsPgx, reason)
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
