package duel

import (
	"context"
	"errors"
	"testing"
	"time"
)

// spin keeps the processor busy: a sleep would be rounded by the system.
func spin(d time.Duration) Run {
	return func(n int) error {
		for range n {
			for end := time.Now().Add(d); time.Now().Before(end); {
			}
		}
		return nil
	}
}

func TestFightFindsTheRatio(t *testing.T) {
	t.Parallel()
	plan := Plan{Slice: 300 * time.Microsecond, Total: 200 * time.Millisecond, Rounds: 5}
	r, err := Fight(t.Context(), spin(30*time.Microsecond), spin(10*time.Microsecond), plan)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Ratios) != plan.Rounds {
		t.Fatalf("%d ratios, want one for each of %d rounds", len(r.Ratios), plan.Rounds)
	}
	if m := Median(r.Ratios); m < 2 || m > 4.5 {
		t.Errorf("ratio %.2f of something that takes three times as long", m)
	}
	if r.Subject.Time < 30*time.Microsecond || r.Reference.Time < 10*time.Microsecond {
		t.Errorf("%v and %v are less than was spent", r.Subject.Time, r.Reference.Time)
	}
}

func TestRatiosAreToTheNamedWay(t *testing.T) {
	t.Parallel()
	plan := Plan{Slice: 300 * time.Microsecond, Total: 200 * time.Millisecond, Rounds: 5}
	ways := []Run{spin(10 * time.Microsecond), spin(30 * time.Microsecond), spin(60 * time.Microsecond)}
	r, err := Ratios(t.Context(), ways, []int{0, 0, 1}, plan)
	if err != nil {
		t.Fatal(err)
	}
	if len(r) != 3 || r[0] != 1 || r[1] < 2 || r[1] > 4.5 || r[2] < 1.3 || r[2] > 3 {
		t.Errorf("ratios %.2f, want about 1, 3 and 2", r)
	}
}

var kept []byte

func TestFightCountsAllocations(t *testing.T) {
	plan := Plan{Slice: 100 * time.Microsecond, Total: 5 * time.Millisecond, Rounds: 1}
	allocating := func(n int) error {
		for range n {
			for range 7 {
				kept = make([]byte, 64)
			}
		}
		return nil
	}
	r, err := Fight(t.Context(), allocating, spin(time.Microsecond), plan)
	if err != nil {
		t.Fatal(err)
	}
	if r.Subject.Allocs < 7 || r.Subject.Allocs > 7.5 || r.Subject.Bytes < 7*64 {
		t.Errorf("%.2f allocations of %.0f bytes, want 7 of 448", r.Subject.Allocs, r.Subject.Bytes)
	}
	if r.Reference.Allocs > 0.5 {
		t.Errorf("%.2f allocations of a loop that makes none", r.Reference.Allocs)
	}
}

func TestFightEndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, err := Fight(t.Context(), spin(time.Microsecond), func(int) error { return broken }, Plan{Slice: time.Microsecond, Rounds: 1})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Fight(ctx, spin(time.Microsecond), spin(time.Microsecond), Plan{Slice: time.Microsecond, Rounds: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v after the end of the context", err)
	}
}

func TestBetweenComesBeforeEachRound(t *testing.T) {
	t.Parallel()
	const warm = 1 << 20 // more than fills a slice
	between, first, least := 0, false, 1<<30
	plan := Plan{Slice: time.Microsecond, Rounds: 4, Warm: warm, Between: func() { between++; first = true }}
	count := func(n int) error {
		if first {
			least, first = min(least, n), false
		}
		return nil
	}
	if _, err := Fight(t.Context(), count, func(int) error { return nil }, plan); err != nil {
		t.Fatal(err)
	}
	if between != plan.Rounds || least != warm {
		t.Errorf("%d calls, then at least %d operations; want %d and %d", between, least, plan.Rounds, warm)
	}
}

func TestQuantiles(t *testing.T) {
	t.Parallel()
	values := []float64{5, 1, 4, 2, 3}
	for _, c := range []struct{ q, want float64 }{{0, 1}, {0.25, 2}, {0.5, 3}, {1, 5}} {
		if got := quantile(values, c.q); got != c.want {
			t.Errorf("quantile %.2f is %v, want %v", c.q, got, c.want)
		}
	}
	if got := Median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median %v, want 2.5", got)
	}
	if got := Median(nil); got != 0 {
		t.Errorf("median of nothing %v, want 0", got)
	}
}
