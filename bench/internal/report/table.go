// Package report prints what the benchmark has measured: as a table for a
// person, as JSON, and in the format of Go's benchmarks for benchstat.
package report

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/mlcache/mlcache/bench/internal/suite"
)

// Result is a case with what it has shown.
type Result struct {
	suite.Case
	suite.Outcome
	Verdict suite.Verdict
	Err     error
}

// Rows prints costs side by side, each also as a multiple of the one named base.
func Rows(w io.Writer, title string, rows []suite.Row, base string) {
	fmt.Fprintf(w, "%s\n", title)
	var unit time.Duration
	for _, r := range rows {
		if r.Name == base {
			unit = r.Time
		}
	}
	for _, r := range rows {
		ratio := ""
		if unit > 0 {
			ratio = number(float64(r.Time) / float64(unit))
		}
		fmt.Fprintf(w, "  %-38s %10s %8s of %s  %6.0f allocs %8.0f B   %s\n",
			r.Name, duration(r.Time), ratio, base, r.Allocs, r.Bytes, r.Note)
	}
	fmt.Fprintln(w)
}

const (
	head = "%-53s %-27s %8s %8s %8s %8s %8s  %-7s %s\n"
)

// Head prints the heads of the table of limits.
func Head(w io.Writer) {
	fmt.Fprintf(w, head, "case", "reference", "min", "median", "max", "limit", "aim", "verdict", "")
}

// Line prints one row of the table.
func Line(w io.Writer, r Result) {
	if r.Err != nil {
		fmt.Fprintf(w, "%-53s %-27s failed: %v\n", r.Name, r.Against, r.Err)
		return
	}
	fmt.Fprintf(w, head, r.Name, r.Against, value(r.Unit, r.Min), value(r.Unit, r.Median), value(r.Unit, r.Max),
		value(r.Unit, r.Limit.Value), value(r.Unit, r.Aim.Value), r.Verdict, details(r))
}

func details(r Result) string {
	s := ""
	if r.Reference.Time > 0 {
		s = fmt.Sprintf("%s : %s", duration(r.Subject.Time), duration(r.Reference.Time))
	}
	if r.Reference.Allocs > 0 || r.Subject.Allocs > 0 {
		s += fmt.Sprintf(", %+.0f allocs", r.ExtraAllocs())
		if r.Limit.Allocs >= 0 {
			s += fmt.Sprintf(" (limit %+.0f, aim %+.0f)", r.Limit.Allocs, r.Aim.Allocs)
		} else if r.Aim.Allocs >= 0 {
			s += fmt.Sprintf(" (aim %+.0f)", r.Aim.Allocs)
		}
	}
	if r.Note != "" {
		if s != "" {
			s += ", "
		}
		s += r.Note
	}
	return s
}

// value prints small ratios as a fraction, which is easier to compare.
func value(unit suite.Unit, v float64) string {
	switch unit {
	case suite.Ratio:
		return number(v)
	case suite.Throughput:
		return fmt.Sprintf("%.2fx", v)
	default:
		return fmt.Sprintf("%.1f %s", v, unit)
	}
}

func number(v float64) string {
	if v > 0 && v < 0.5 {
		return "1/" + trim(1/v)
	}
	return fmt.Sprintf("%.2f", v)
}

func trim(v float64) string {
	if r := math.Round(v); math.Abs(v-r) < 1e-9 {
		return fmt.Sprintf("%.0f", r)
	}
	return fmt.Sprintf("%.1f", v)
}

func duration(d time.Duration) string {
	switch {
	case d < 10*time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f us", float64(d)/float64(time.Microsecond))
	default:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
}
