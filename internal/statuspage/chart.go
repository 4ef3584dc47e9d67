package statuspage

import (
	"fmt"
	"strings"
	"time"
)

// chart is how queries were answered over time, as shapes in a box of chartWidth by
// chartHeight: a band for each level, as a share of all queries, and a line for their number.
type chart struct {
	Bands      []chartBand
	Rate       string // points of the line, within rateHeight
	Peak, Last float64
	From, To   time.Time
	Width      int
	Height     int
	RateHeight int
}

type chartBand struct{ Class, Name, Points string }

const (
	chartWidth  = 960
	chartHeight = 150
	rateHeight  = 46
)

// Chart draws the history; nil while there is too little of it.
func (v *View) Chart() *chart {
	type step struct {
		at     time.Time
		shares [4]float64
		rate   float64
	}
	var steps []step
	for i := 1; i < len(v.History); i++ {
		a, b := v.History[i-1], v.History[i]
		parts := [4]float64{Grown(a.L1Hits, b.L1Hits), Grown(a.L2Hits, b.L2Hits), Grown(a.Misses, b.Misses), Grown(a.Bypasses, b.Bypasses)}
		var sum float64
		for _, p := range parts {
			sum += p
		}
		d := b.At.Sub(a.At).Seconds()
		if d < 0.5 {
			continue // too short to say anything
		}
		s := step{at: b.At, rate: sum / d}
		for j, p := range parts {
			if sum > 0 {
				s.shares[j] = p / sum
			}
		}
		steps = append(steps, s)
	}
	if len(steps) < 2 {
		return nil
	}
	first, last := steps[0].at, steps[len(steps)-1].at
	c := &chart{From: first, To: last, Width: chartWidth, Height: chartHeight, RateHeight: rateHeight, Last: steps[len(steps)-1].rate}
	for _, s := range steps {
		c.Peak = max(c.Peak, s.rate)
	}
	x := func(s step) float64 { return chartWidth * float64(s.at.Sub(first)) / float64(last.Sub(first)) }
	names := [4]string{"memory (L1)", "Redis (L2)", "database", "past the cache"}
	below := make([]float64, len(steps))
	for j, class := range [4]string{"l1", "l2", "origin", "bypass"} {
		var up, down strings.Builder
		for i, s := range steps {
			below[i] += s.shares[j]
			fmt.Fprintf(&up, "%.1f,%.1f ", x(s), chartHeight*(1-below[i]))
		}
		for i := len(steps) - 1; i >= 0; i-- { // the lower edge goes back
			fmt.Fprintf(&down, "%.1f,%.1f ", x(steps[i]), chartHeight*(1-(below[i]-steps[i].shares[j])))
		}
		c.Bands = append(c.Bands, chartBand{class, names[j], up.String() + down.String()})
	}
	var rate strings.Builder
	for _, s := range steps {
		y := float64(rateHeight)
		if c.Peak > 0 {
			y = rateHeight * (1 - 0.94*s.rate/c.Peak)
		}
		fmt.Fprintf(&rate, "%.1f,%.1f ", x(s), y)
	}
	c.Rate = strings.TrimSpace(rate.String())
	return c
}

// Grown is how much a count has Grown; what is less than before began anew.
func Grown(from, to uint64) float64 {
	if to < from {
		return float64(to)
	}
	return float64(to - from)
}
