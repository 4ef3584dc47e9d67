// Package duel compares two ways to do one thing on a machine that does other
// things too. It promises ratios that such a machine does not spoil: subject and
// reference run in turn, in slices so short that many of them are disturbed by
// nothing; the quiet ones of a round give a ratio, and the median of the rounds
// is the result. A time by itself is none.
package duel

import (
	"context"
	"errors"
	"math/rand/v2"
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
	// Total is for all sides together; warming up and counting allocations come
	// on top.
	Total time.Duration
	// Rounds is in how many equal parts the total is divided. Each gives one
	// ratio. Where warming up takes long there are fewer, so that no duel takes
	// much more than twice the total.
	Rounds int
	// Quantile is which of a round's slices stand for it, by time. Zero means
	// Quiet. 0.5 is for sides whose own slices differ.
	Quantile float64
	// Between, if not nil, is called before each round. It is for what could
	// favour one side by chance for as long as it lasts, such as the processor
	// that a server's process has come to.
	Between func()
	// Warm is how many operations each side does after Between that are not
	// measured. A slice's worth is the least.
	Warm int
}

// Quiet is the quantile of slices that were probably not disturbed, on a machine
// that is busy most of the time.
const Quiet = 0.25

// A round has at least so many slices of each side, and a duel so many rounds, if
// the plan has.
const (
	leastSlices = 3
	leastRounds = 5
)

// Result is what a duel has shown.
type Result struct {
	// Ratios has for each round the subject's time by the reference's.
	Ratios []float64
	// Subject and Reference are the medians of the times of one operation over
	// all rounds.
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
	times, costs, err := inTurn(ctx, []Run{subject, reference}, plan)
	if err != nil {
		return Result{}, err
	}
	r := Result{Subject: costs[0], Reference: costs[1]}
	for round := range times[0] {
		r.Ratios = append(r.Ratios, times[0][round]/times[1][round])
	}
	return r, nil
}

// RoundRobin runs several ways in turn and returns the median cost of each.
func RoundRobin(ctx context.Context, ways []Run, plan Plan) ([]Cost, error) {
	_, costs, err := inTurn(ctx, ways, plan)
	return costs, err
}

// Ratios runs several ways in turn and returns, for each, the median over the
// rounds of its time by that of the way that base names for it.
func Ratios(ctx context.Context, ways []Run, base []int, plan Plan) ([]float64, error) {
	times, _, err := inTurn(ctx, ways, plan)
	if err != nil {
		return nil, err
	}
	medians := make([]float64, len(ways))
	for i := range ways {
		ratios := make([]float64, len(times[i]))
		for round := range ratios {
			ratios[round] = times[i][round] / times[base[i]][round]
		}
		medians[i] = Median(ratios)
	}
	return medians, nil
}

// inTurn returns, for each way, the time of an operation in every round, and its
// cost over all.
func inTurn(ctx context.Context, ways []Run, plan Plan) (times [][]float64, costs []Cost, err error) {
	counts := make([]int, len(ways))
	for i, way := range ways {
		if counts[i], err = calibrate(ctx, way, plan.Slice); err != nil {
			return nil, nil, err
		}
	}
	quiet := plan.Quantile
	if quiet == 0 {
		quiet = Quiet
	}
	times = make([][]float64, len(ways))
	costs = make([]Cost, len(ways))
	order := rand.New(rand.NewPCG(1, 2))
	duel := time.Now()
	for round := range plan.Rounds {
		if round >= leastRounds && time.Since(duel) > 2*plan.Total {
			break
		}
		if plan.Between != nil {
			plan.Between()
			for i, way := range ways {
				if _, err := timed(way, max(counts[i], plan.Warm)); err != nil {
					return nil, nil, err
				}
			}
		}
		taken := make([][]float64, len(ways))
		begun := time.Now()
		for turn := 0; turn < leastSlices || time.Since(begun) < plan.Total/time.Duration(plan.Rounds); turn++ {
			if err := ctx.Err(); err != nil {
				return nil, nil, err
			}
			// Nobody is to come after the same one always: what goes over a network
			// is slower after what does not, since the server has fallen asleep.
			for i, k := range order.Perm(len(ways)) {
				if len(ways) == 2 {
					k = (i + turn) % 2
				}
				t, err := timed(ways[k], counts[k])
				if err != nil {
					return nil, nil, err
				}
				taken[k] = append(taken[k], t)
			}
		}
		for i := range ways {
			times[i] = append(times[i], quantile(taken[i], quiet))
		}
	}
	for i, way := range ways {
		costs[i].Time = time.Duration(Median(times[i]))
		if err := costs[i].count(way, counts[i]); err != nil {
			return nil, nil, err
		}
	}
	return times, costs, nil
}

// calibrate warms up and returns how many operations fill a slice.
func calibrate(ctx context.Context, run Run, slice time.Duration) (int, error) {
	n := 1
	for {
		var times []float64
		for range 5 {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			t, err := timed(run, n)
			if err != nil {
				return 0, err
			}
			times = append(times, t)
		}
		t := max(Median(times), 1)
		if t*float64(n) >= float64(slice)/4 {
			return max(1, int(float64(slice)/t)), nil
		}
		n *= 2
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

// quantile returns the value below which the part q of the values is.
func quantile(values []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return s[int(q*float64(len(s)-1)+0.5)]
}

// ErrNotMeasured is for a side that turned out not to do what it should.
var ErrNotMeasured = errors.New("not measured")
