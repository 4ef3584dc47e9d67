// Package duel compares two ways to do one thing on a machine that does other
// things too. It promises ratios that such a machine does not spoil: subject and
// reference run in turn, in slices too short for the machine to change much
// between them, and what counts is the median of the ratios of neighbours. A
// time by itself is no result.
package duel

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// Run does an operation n times.
type Run func(n int) error

// Plan says how long a duel takes.
type Plan struct {
	// Slice is how long one side runs before it is the other's turn.
	Slice time.Duration
	// Total is for both sides together; warming up and counting allocations
	// come on top. At least three rounds are run.
	Total time.Duration
}

// Result is what a duel has shown.
type Result struct {
	// Ratios has the subject's time by the reference's, one for each round, in
	// order.
	Ratios []float64
	// Subject and Reference are the medians of the times of one operation.
	Subject, Reference Cost
}

// Cost is what one operation takes.
type Cost struct {
	Time   time.Duration
	Allocs float64
	Bytes  float64
}

// Fight runs the duel. Both sides are warmed up first, and their slices
// calibrated.
func Fight(ctx context.Context, subject, reference Run, plan Plan) (Result, error) {
	var r Result
	ns, err := calibrate(ctx, subject, plan.Slice)
	if err != nil {
		return r, fmt.Errorf("subject: %w", err)
	}
	nr, err := calibrate(ctx, reference, plan.Slice)
	if err != nil {
		return r, fmt.Errorf("reference: %w", err)
	}
	var subjects, references []float64
	begun := time.Now()
	for round := 0; round < 3 || time.Since(begun) < plan.Total; round++ {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		// Who begins changes, so that a drift of the machine's speed favours
		// nobody.
		sides := []struct {
			run  Run
			n    int
			into *[]float64
		}{{subject, ns, &subjects}, {reference, nr, &references}}
		if round%2 == 1 {
			slices.Reverse(sides)
		}
		for _, side := range sides {
			t, err := timed(side.run, side.n)
			if err != nil {
				return r, err
			}
			*side.into = append(*side.into, t)
		}
		r.Ratios = append(r.Ratios, subjects[round]/references[round])
	}
	r.Subject.Time = time.Duration(Median(subjects))
	r.Reference.Time = time.Duration(Median(references))
	if err := r.Subject.count(subject, ns); err != nil {
		return r, err
	}
	return r, r.Reference.count(reference, nr)
}

// RoundRobin runs several ways in turn and returns the median cost of each.
func RoundRobin(ctx context.Context, ways []Run, plan Plan) ([]Cost, error) {
	counts := make([]int, len(ways))
	times := make([][]float64, len(ways))
	for i, w := range ways {
		var err error
		if counts[i], err = calibrate(ctx, w, plan.Slice); err != nil {
			return nil, err
		}
	}
	begun := time.Now()
	for round := 0; round < 3 || time.Since(begun) < plan.Total; round++ {
		for i := range ways {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			k := (i + round) % len(ways)
			t, err := timed(ways[k], counts[k])
			if err != nil {
				return nil, err
			}
			times[k] = append(times[k], t)
		}
	}
	costs := make([]Cost, len(ways))
	for i, w := range ways {
		costs[i].Time = time.Duration(Median(times[i]))
		if err := costs[i].count(w, counts[i]); err != nil {
			return nil, err
		}
	}
	return costs, nil
}

// calibrate warms up and returns how many operations fill a slice.
func calibrate(ctx context.Context, run Run, slice time.Duration) (int, error) {
	n := 1
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		t, err := timed(run, n)
		if err != nil {
			return 0, err
		}
		total := time.Duration(t * float64(n))
		if total >= slice/2 {
			return max(1, int(float64(slice)/max(t, 1))), nil
		}
		n = min(2*n+1, n*100)
	}
}

// timed returns nanoseconds for each operation.
func timed(run Run, n int) (float64, error) {
	start := time.Now()
	err := run(n)
	return float64(time.Since(start)) / float64(n), err
}

// count measures allocations apart from times. Whatever else allocates in the
// process is counted too, so the least of three is taken.
func (c *Cost) count(run Run, n int) error {
	n = max(1, min(n, 2000))
	var before, after runtime.MemStats
	for i := range 3 {
		runtime.ReadMemStats(&before)
		if err := run(n); err != nil {
			return err
		}
		runtime.ReadMemStats(&after)
		allocs := float64(after.Mallocs-before.Mallocs) / float64(n)
		if i == 0 || allocs < c.Allocs {
			c.Allocs = allocs
			c.Bytes = float64(after.TotalAlloc-before.TotalAlloc) / float64(n)
		}
	}
	return nil
}

// Median returns the middle of the values; the mean of the two in the middle if
// their number is even, and 0 if there are none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	if m := len(s) / 2; len(s)%2 == 0 {
		return (s[m-1] + s[m]) / 2
	}
	return s[len(s)/2]
}

// ErrNotMeasured is for a side that turned out not to do what it should.
var ErrNotMeasured = errors.New("not measured")
