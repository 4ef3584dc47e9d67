package mlcache

import (
	"database/sql/driver"
	"math"
	"runtime"
	"testing"
	"time"
)

// Values from boxes are what Go's own conversion gives, stay so while the memory
// is used on, and are kept alive by nothing but themselves.
func TestBoxes(t *testing.T) {
	for _, rows := range []int{0, 1, 2, 1000} {
		var b boxes
		b.reset(rows)
		var got, want []driver.Value
		for i := range 300 {
			n, f, s, now := int64(i)*1e12-5, float64(i)/3, string(rune('a'+i%26))+time.Duration(i).String(), time.Unix(int64(i), 7).UTC()
			got = append(got, b.int64(n), b.int64(int64(i)), b.float64(f), b.string(s), b.time(now))
			want = append(want, n, int64(i), f, s, now)
			if i%100 == 0 {
				runtime.GC()
			}
		}
		got = append(got, b.float64(math.Inf(-1)), b.string(""), b.time(time.Time{}))
		want = append(want, math.Inf(-1), "", time.Time{})
		b = boxes{}
		runtime.GC()
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("%d rows: value %d is %v (%T), want %v", rows, i, got[i], got[i], want[i])
			}
		}
	}
}

// One row of a few columns takes one allocation, and many rows one for each 64
// values.
func TestBoxesAllocate(t *testing.T) {
	now := time.Now()
	fill := func(rows int) func() {
		return func() {
			var b boxes
			b.reset(rows)
			for range rows {
				sinks = [4]driver.Value{b.int64(1 << 40), b.float64(1.5), b.string("a string"), b.time(now)}
			}
		}
	}
	for rows, most := range map[int]float64{1: 1, 100: 8} {
		if n := testing.AllocsPerRun(100, fill(rows)); n > most {
			t.Errorf("%d rows: %v allocations, want at most %v", rows, n, most)
		}
	}
}

var sinks [4]driver.Value
