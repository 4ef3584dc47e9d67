package demo

import (
	"fmt"
	"time"
)

// report writes the figures, at most 80 columns wide.
func (d *demo) report() {
	f := &d.figures
	var reads int64
	for _, l := range []level{l1, l2, origin} {
		reads += f.times[l].TotalCount()
	}
	d.screen.printf("\n%-28s%11s%9s%10s%10s%12s\n", "answered by", "reads", "share", "p50", "p99", "factor")
	d.row("database, without mlcache", plain, 0)
	d.row("database, through mlcache", origin, reads)
	d.row("L2, Redis", l2, reads)
	d.row("L1, memory", l1, reads)
	d.screen.printf("\n")

	without := float64(f.times[plain].TotalCount()) / f.plainSpent.Seconds()
	with := float64(reads) / f.cachedSpent.Seconds()
	d.screen.printf("Load        %.0f reads a second without mlcache, %.0f with it (%s)\n"+
		"            and %d writes meanwhile\n", without, with, factor(with/without), f.writes)
	if n := len(f.delays); n > 0 {
		d.screen.printf("A write     is served by the other process after %s (median), at most\n"+
			"            %s in %d rounds; the bound is %v\n", short(f.delays[n/2]), short(f.delays[n-1]), n, d.Bound)
	}
	v := f.verified
	d.screen.printf("Checked     %d answers to %d questions against the database:\n", v.Answers, v.Questions)
	if v.Wrong > 0 {
		d.screen.printf("            %d WERE WRONG\n", v.Wrong)
	} else {
		d.screen.printf("            none was wrong; the oldest was given %s after it was replaced\n", short(max(0, v.Oldest)))
	}
	for _, m := range v.Mistakes {
		d.screen.printf("            %s\n", m)
	}
	d.screen.printf("Whole run   %.1f s\n", time.Since(d.startedAt).Seconds())
}

// row writes one line of the table; of is the number of all reads, 0 for none.
func (d *demo) row(label string, l level, of int64) {
	h := d.figures.times[l]
	if h.TotalCount() == 0 {
		d.screen.printf("%-27s%11d%9s%11s%11s%11s\n", label, 0, "-", "-", "-", "-")
		return
	}
	share := "-"
	if of > 0 {
		share = fmt.Sprintf("%.1f%%", 100*float64(h.TotalCount())/float64(of))
	}
	p50, base := h.ValueAtQuantile(50), d.figures.times[plain].ValueAtQuantile(50)
	d.screen.printf("%-27s%11d%9s%11s%11s%11s\n", label, h.TotalCount(), share,
		short(time.Duration(p50)), short(time.Duration(h.ValueAtQuantile(99))), factor(float64(base)/float64(p50)))
}

// short writes a duration with about three digits.
func short(d time.Duration) string {
	switch {
	case d < 10*time.Microsecond:
		return fmt.Sprintf("%.2f µs", float64(d)/1e3)
	case d < time.Millisecond:
		return fmt.Sprintf("%.0f µs", float64(d)/1e3)
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}

// factor writes how many times faster something is.
func factor(f float64) string {
	if f >= 10 {
		return fmt.Sprintf("%.0fx", f)
	}
	return fmt.Sprintf("%.1fx", f)
}
