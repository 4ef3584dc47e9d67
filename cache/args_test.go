package cache

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

// Arguments that an origin may treat differently: no two encodings are equal,
// and none begins another.
func distinctArgs() []any {
	utc := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return []any{
		nil, false, true,
		int(0), int8(0), int16(0), int32(0), int64(0),
		uint(0), uint8(0), uint16(0), uint32(0), uint64(0),
		int(1), int8(1), int16(1), int32(1), int64(1),
		uint(1), uint8(1), uint16(1), uint32(1), uint64(1),
		int(-1), int8(-1), int16(-1), int32(-1), int64(-1),
		int64(math.MinInt64), int64(math.MaxInt64), uint64(math.MaxUint64),
		float32(0), float64(0), float32(1), float64(1),
		float32(math.Copysign(0, -1)), math.Copysign(0, -1),
		math.Inf(1), math.Inf(-1), float32(math.Inf(1)),
		math.NaN(), math.Float64frombits(math.Float64bits(math.NaN()) + 1), math.SmallestNonzeroFloat64,
		"", "0", "1", "true", "t", " 1", "1 ", "a", "ab", "abc", "a\x00", "\x00", "NULL",
		strings.Repeat("x", 127), strings.Repeat("x", 128), strings.Repeat("x", 20000),
		[]byte(nil), []byte{}, []byte("a"), []byte("ab"), []byte("1"),
		time.Time{}, utc, utc.Add(1), utc.Add(time.Hour),
		// The same instant on different clocks on the wall: a column of type timestamp stores the wall's.
		utc.In(time.FixedZone("", 3600)), utc.In(time.FixedZone("CET", 3600)), utc.In(time.FixedZone("", -3600)),
		utc.In(time.FixedZone("CET", 7200)),
	}
}

func TestAppendArgIsExact(t *testing.T) {
	t.Parallel()
	args := distinctArgs()
	keys := make([][]byte, len(args))
	for i, arg := range args {
		key, ok := AppendArg(nil, arg)
		if !ok {
			t.Fatalf("%T %v is refused", arg, arg)
		}
		again, _ := AppendArg([]byte("dst"), arg)
		if string(again) != "dst"+string(key) {
			t.Errorf("%T %v: not the same encoding twice", arg, arg)
		}
		keys[i] = key
	}
	for i := range keys {
		for j := range keys {
			if i != j && bytes.HasPrefix(keys[i], keys[j]) {
				t.Errorf("the encoding of %T %v begins with that of %T %v", args[i], args[i], args[j], args[j])
			}
		}
	}
}

func TestAppendArgEqualArguments(t *testing.T) {
	t.Parallel()
	now := time.Now()
	berlin := func() *time.Location { return time.FixedZone("CET", 3600) }
	for name, pair := range map[string][2]any{
		"a reading of the monotonic clock": {now, now.Round(0)},
		"two locations with the same zone": {now.In(berlin()), now.In(berlin())},
		"a copy of bytes":                  {[]byte("a"), []byte("a")},
	} {
		a, _ := AppendArg(nil, pair[0])
		b, _ := AppendArg(nil, pair[1])
		if !bytes.Equal(a, b) {
			t.Errorf("%s: %x and %x", name, a, b)
		}
	}
}

type namedInt int64

func TestAppendArgRefuses(t *testing.T) {
	t.Parallel()
	one := 1
	for _, arg := range []any{
		namedInt(1), &one, (*int)(nil), time.Second, complex(1, 1), struct{}{}, []int{1}, []string{"a"},
		map[string]int{}, json.RawMessage("1"), [1]byte{}, &time.Time{}, time.March,
	} {
		got, ok := AppendArg([]byte("dst"), arg)
		if ok || string(got) != "dst" {
			t.Errorf("AppendArg(%T) = %q, %v; want dst unchanged and false", arg, got, ok)
		}
	}
}

func TestAppendStringParts(t *testing.T) {
	t.Parallel()
	a := AppendString(AppendString(nil, "ab"), "c")
	b := AppendString(AppendString(nil, "a"), "bc")
	if bytes.Equal(a, b) {
		t.Errorf(`("ab","c") and ("a","bc") are both %x`, a)
	}
}

func TestAppendArgDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 256)
	args := []any{int64(1 << 40), "a string", 1.5, true, nil, time.Now(), []byte("bytes")}
	if n := testing.AllocsPerRun(1000, func() {
		out := dst
		for _, arg := range args {
			out, _ = AppendArg(out, arg)
		}
	}); n != 0 {
		t.Errorf("allocates %v times", n)
	}
}

// Two lists of strings have the same key only if they are the same list.
func FuzzAppendArgStrings(f *testing.F) {
	f.Add("a", "b", "ab", "")
	f.Add("", "", "", "")
	f.Add("\x10\x01a", "", "a", "\x10")
	f.Fuzz(func(t *testing.T, a1, a2, b1, b2 string) {
		key := func(x, y string) []byte {
			k, _ := AppendArg(nil, x)
			k, _ = AppendArg(k, []byte(y))
			return k
		}
		if bytes.Equal(key(a1, a2), key(b1, b2)) != (a1 == b1 && a2 == b2) {
			t.Fatalf("(%q,%q) and (%q,%q)", a1, a2, b1, b2)
		}
	})
}
