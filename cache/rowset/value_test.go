package rowset

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestValueRoundTrip(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 3, 29, 2, 30, 0, 123456789, time.UTC)
	values := []driver.Value{
		nil, int64(0), int64(-1), int64(math.MinInt64), int64(math.MaxInt64),
		0.0, math.Copysign(0, -1), 1.5, math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64,
		true, false,
		"", "a", "\x00", "Ünï\xff", strings.Repeat("x", 100000),
		[]byte(nil), []byte{}, []byte("a"), []byte{0, 1, 255},
		time.Time{}, day, day.In(time.Local), day.In(time.FixedZone("CET", 3600)), day.In(time.FixedZone("", -12345)),
		day.In(time.FixedZone("UTC", 0)), day.In(time.FixedZone("", 0)), day.In(time.FixedZone("x", math.MinInt32)),
		time.Unix(math.MaxInt64, 999999999), time.Unix(math.MinInt64, 0).UTC(),
		time.Date(-4713, 11, 24, 0, 0, 0, 0, time.UTC), time.Date(294276, 12, 31, 0, 0, 0, 0, time.UTC),
	}
	for _, v := range values {
		prefix := []byte("dst")
		b, err := AppendValue(prefix, v)
		if err != nil || !bytes.HasPrefix(b, prefix) {
			t.Errorf("AppendValue(%T %v) = %q, %v", v, v, b, err)
			continue
		}
		b = b[len(prefix):]
		if v == nil {
			b = nil
		}
		got, err := DecodeValue(b)
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%T %v came back as %T %v, %v", v, v, got, got, err)
		}
		if tm, ok := v.(time.Time); ok && (got.(time.Time).String() != tm.String() || got.(time.Time).Location().String() != tm.Location().String()) {
			t.Errorf("%v came back as %v", tm, got)
		}
		// A value is whole or it is nothing.
		for n := range min(len(b), 100) {
			if cut, err := DecodeValue(b[:n]); err == nil && reflect.DeepEqual(cut, v) {
				t.Errorf("%T %v comes back from %d of its %d bytes", v, v, n, len(b))
			}
		}
	}
}

func TestValueKeepsFloatBits(t *testing.T) {
	t.Parallel()
	for _, bits := range []uint64{1 << 63, 0x7ff8000000000001, 0x7ff0000000000001, 0xfff8dead0000beef} {
		b, err := AppendValue(nil, math.Float64frombits(bits))
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeValue(b)
		if f, ok := got.(float64); err != nil || !ok || math.Float64bits(f) != bits {
			t.Errorf("%x came back as %T %v, %v", bits, got, got, err)
		}
	}
}

func TestValueDropsMonotonicReading(t *testing.T) {
	t.Parallel()
	now := time.Now()
	b, err := AppendValue(nil, now)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeValue(b); err != nil || got != now.Round(0) {
		t.Errorf("%v came back as %v, %v", now, got, err)
	}
}

func TestValueRefuses(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	values := []driver.Value{int32(1), 1, uint64(1), float32(1), struct{}{}, []string{"a"}, &day, time.Second}
	for _, name := range []string{
		"Europe/Berlin",
		"CET",       // named like its zone in winter, and yet not fixed
		"Etc/GMT+5", // fixed, and yet not named like its zone
	} {
		loc, err := time.LoadLocation(name)
		if err != nil {
			t.Fatalf("this machine has no time zones, which the test needs: %v", err)
		}
		values = append(values, day.In(loc))
	}
	if far := day.In(time.FixedZone("far", math.MaxInt)); math.MaxInt > math.MaxInt32 {
		values = append(values, far)
	}
	for _, v := range values {
		got, err := AppendValue([]byte("dst"), v)
		if !errors.Is(err, ErrUnsupported) || string(got) != "dst" {
			t.Errorf("AppendValue(%T %v) = %q, %v; want dst unchanged and ErrUnsupported", v, v, got, err)
		}
	}
}

// Appending to a decoded []byte must not run into what lies behind it.
func TestDecodedBytesAreClipped(t *testing.T) {
	t.Parallel()
	b, err := AppendValue(make([]byte, 0, 100), []byte("bytes"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := DecodeValue(b)
	if got, ok := v.([]byte); err != nil || !ok || cap(got) != len("bytes") {
		t.Errorf("DecodeValue = %q with room for %d bytes, %v", got, cap(got), err)
	}
}

func TestDecodeValueRefuses(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"empty":                    {},
		"tag 0":                    {0},
		"tag beyond the last":      {valueTimeFixed + 1},
		"short number":             {valueInt64, 1, 2, 3, 4, 5, 6, 7},
		"long number":              {valueFloat64, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		"true with more":           {valueTrue, 0},
		"false with more":          {valueFalse, 0},
		"nil bytes with more":      {valueNilBytes, 0},
		"short time":               append([]byte{valueTimeUTC}, make([]byte, 11)...),
		"UTC with a zone":          append([]byte{valueTimeUTC}, make([]byte, 16)...),
		"fixed zone without one":   append([]byte{valueTimeFixed}, make([]byte, 12)...),
		"a second of nanoseconds":  {valueTimeUTC, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0xca, 0x9a, 0x3b},
		"more than that, in Local": {valueTimeLocal, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
	} {
		if v, err := DecodeValue(b); !errors.Is(err, ErrCorrupt) || v != nil {
			t.Errorf("%s: DecodeValue = %v, %v; want ErrCorrupt", name, v, err)
		}
	}
}

func TestValueRows(t *testing.T) {
	t.Parallel()
	rows := [][]driver.Value{
		{int64(1), "one", time.Unix(1, 2).UTC()},
		{nil, []byte(nil), []byte{}},
		{"", false, math.Inf(-1)},
	}
	var b Builder
	if err := b.Reset(Values, people); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if err := b.AppendValueRow(row); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Open(b.Bytes())
	if err != nil || r.Mode() != Values {
		t.Fatalf("mode %d, %v", r.Mode(), err)
	}
	cells := make([][]byte, r.NumCols())
	for i := 0; r.Next(cells); i++ {
		for j, c := range cells {
			if v, err := DecodeValue(c); err != nil || !reflect.DeepEqual(v, rows[i][j]) {
				t.Errorf("row %d, column %d: %T %v, %v; want %T %v", i, j, v, v, err, rows[i][j], rows[i][j])
			}
		}
	}
}
