package cache

import (
	"math"
	"testing"
	"time"
)

func TestJitter(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		ttl      time.Duration
		fraction float64
		least    time.Duration
	}{
		{time.Minute, 0.1, 54 * time.Second},
		{time.Minute, 1, 1},
		{time.Minute, 5, 1},
		{time.Minute, math.Inf(1), 1},
		{time.Minute, 0, time.Minute},
		{time.Minute, -1, time.Minute},
		{time.Minute, math.NaN(), time.Minute},
		{1, 0.5, 1},
		{2, 1, 1},
		{0, 0.5, 0},
		{-time.Second, 0.5, -time.Second},
		{math.MaxInt64, 0.5, math.MaxInt64 / 2},
		{math.MaxInt64, 1, 1},
	} {
		for range 1000 {
			if got := Jitter(tc.ttl, tc.fraction); got > tc.ttl || got < tc.least {
				t.Errorf("Jitter(%v, %v) = %v, want between %v and %v", tc.ttl, tc.fraction, got, tc.least, tc.ttl)
				break
			}
		}
	}
}

func TestJitterSpreads(t *testing.T) {
	t.Parallel()
	const parts = 10
	var seen [parts]int
	for range 1000 {
		short := time.Minute - Jitter(time.Minute, 0.5)
		seen[short*parts/(30*time.Second)]++
	}
	for i, n := range seen {
		if n == 0 {
			t.Errorf("none of 1000 in part %d of %d of the spread: %v", i, parts, seen)
		}
	}
}
