package test

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/mlcache/mlcache"
)

// Each of these is another question. An origin that knows types gives each
// another answer.
func TestArgumentsNeverShareAnEntry(t *testing.T) {
	t.Parallel()
	type id int64
	o := newOrigin(func(_ string, args []driver.NamedValue) (*result, error) {
		text := ""
		for _, a := range args {
			text += fmt.Sprintf("%s %T %#v;", a.Name, a.Value, a.Value)
			if at, ok := a.Value.(time.Time); ok {
				text += at.String()
			}
		}
		return &result{cols: []column{{name: "s"}}, rows: [][]driver.Value{{text}}}, nil
	})
	o.wrapConn = func(c *originConn) driver.Conn {
		return checkedConn{fullConn{c}, func(*driver.NamedValue) error { return nil }}
	}
	db, h := openDriver(t, o, nil)
	utc := someTime
	lists := [][]any{
		{}, {nil}, {""}, {[]byte(nil)}, {[]byte{}}, {"1"}, {1}, {int8(1)}, {int16(1)}, {int32(1)}, {int64(1)},
		{uint(1)}, {uint8(1)}, {uint16(1)}, {uint32(1)}, {uint64(1)}, {float32(1)}, {float64(1)}, {true}, {false},
		{[]byte("1")}, {0}, {-1}, {"\x00"}, {0.0}, {negativeZero()},
		{utc}, {utc.In(time.FixedZone("", 3600))}, {utc.In(time.FixedZone("A", 3600))}, {utc.Add(time.Nanosecond)},
		{1, 1}, {"1", "1"}, {"11"}, {"", "11"}, {"11", ""}, {nil, nil}, {[]byte("1"), []byte("1")}, {"1", []byte("1")},
		{1, nil}, {nil, 1}, {"1;string \"1\""},
		{id(1)}, {sql.NullInt64{Int64: 1, Valid: true}}, {sql.NullInt64{}}, {[]int64{1}}, {[]int64{1, 1}}, {[]int{1}}, {[]any{1}},
		{map[string]int{"a": 1}}, {map[string]int{"a": 2}}, {map[string]any{"a": 1}}, {json.RawMessage("1")}, {struct{ A int }{1}},
		{sql.Named("x", 1)}, {sql.Named("y", 1)}, {sql.Named("x", id(1))},
	}
	seen := map[string]int{}
	for round := range 2 {
		for i, args := range lists {
			var got string
			if err := db.QueryRowContext(t.Context(), "SELECT s FROM t WHERE x = $1", args...).Scan(&got); err != nil {
				t.Fatal(err)
			}
			if other, ok := seen[got]; ok && other != i {
				t.Errorf("round %d: %#v was answered like %#v: %s", round, args, lists[other], got)
			}
			seen[got] = i
		}
	}
	n := uint64(len(lists))
	wantCounts(t, h, n, 0, n, 0)

	// What has no exact form for a driver other than pgx is asked each time.
	for _, arg := range []any{valuer{int64(1)}, method("a"), []method{"a"}, struct{ A any }{valuer{"a"}}} {
		before := o.count("")
		for range 2 {
			if _, err := queryAll(t.Context(), db, "SELECT s FROM t WHERE x = $1", arg); err != nil {
				t.Fatal(err)
			}
		}
		if got := o.count("") - before; got != 2 {
			t.Errorf("%T was asked %d times", arg, got)
		}
	}
	if r := h.Stats().Reasons; r[mlcache.ReasonArgument] != 8 {
		t.Errorf("reasons %v", r)
	}
}

// method has a method that some driver may look for.
type method string

func (m method) Describe() string { return string(m) }

func negativeZero() float64 {
	zero := 0.0
	return -zero
}

// A text that PostgreSQL may read as a time relative to now means something else
// at each call.
func TestDateWordsAsArgumentsBypass(t *testing.T) {
	t.Parallel()
	db, h := openDriver(t, ticking(), nil)
	for _, arg := range []any{"now", "NOW", "today 10:00", " Tomorrow ", []byte("yesterday"), "{now}"} {
		before := h.Stats()
		for range 2 {
			scanInt(t.Context(), t, db, "SELECT n FROM t WHERE at < $1", arg)
		}
		after := h.Stats()
		if after.Bypasses-before.Bypasses != 2 || after.Reasons[mlcache.ReasonDateArgument]-before.Reasons[mlcache.ReasonDateArgument] != 2 {
			t.Errorf("%q: %+v", arg, after)
		}
	}
	for _, arg := range []any{"nowhere", "snow", "2026-07-04", "infinity"} {
		before := h.Stats()
		for range 2 {
			scanInt(t.Context(), t, db, "SELECT n FROM t WHERE at < $1", arg)
		}
		if after := h.Stats(); after.L1Hits-before.L1Hits != 1 {
			t.Errorf("%q: %+v", arg, after)
		}
	}
}

// A program that changes the bytes of an argument asks another question the next
// time.
func TestArgumentsAreReadWhenTheyAreGiven(t *testing.T) {
	t.Parallel()
	o := newOrigin(func(_ string, args []driver.NamedValue) (*result, error) {
		return intResult(int64(args[0].Value.([]byte)[0])), nil
	})
	db, _ := openDriver(t, o, nil)
	arg := []byte{1}
	for range 2 {
		for _, b := range []byte{1, 2} {
			arg[0] = b
			if n := scanInt(t.Context(), t, db, "SELECT n FROM t WHERE b = $1", arg); n != int64(b) {
				t.Errorf("got %d for %d", n, b)
			}
		}
	}
}
