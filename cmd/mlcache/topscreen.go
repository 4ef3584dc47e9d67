package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mlcache/mlcache"
)

// topLines is the screen of top, none longer than width.
func topLines(r, before *mlcache.Status, width int) []string {
	var lines []string
	line := func(format string, args ...any) {
		lines = append(lines, cut(strings.TrimRight(fmt.Sprintf(format, args...), " "), width))
	}
	line("mlcache  namespace %s  mode %s  %s  %s", printable(r.Namespace), r.Mode, r.Consistency, r.At.Format("15:04:05"))
	if x := r.Redis; x == nil {
		line("Redis none: one process")
	} else {
		state, lease, untold := "answers", "live", fmt.Sprint(x.Queued)
		if x.Breaker != "closed" {
			state = "is away, breaker " + x.Breaker
		}
		if !x.Live {
			lease = "not live"
		}
		if x.Queued < 0 {
			untold = "everything"
		}
		line("Redis %s  lease %s, %v of %v  untold changes %s  sent %s  received %s", state, lease, max(0, x.Age).Round(time.Millisecond), x.Bound, untold,
			size(int64(x.Sent)), size(int64(x.Received)))
	}
	line("")
	now := mlcache.Sample{At: r.At, L1Hits: r.L1Hits, L2Hits: r.L2Hits, Misses: r.Misses, Bypasses: r.Bypasses}
	since, known := sampleBefore(r, before)
	perSecond := func(to, from uint64) string {
		d := now.At.Sub(since.At).Seconds()
		if !known || d <= 0 || to < from {
			return "-"
		}
		return fmt.Sprintf("%.0f", float64(to-from)/d)
	}
	line("%-16s %12s %10s %12s %12s", "answered by", "queries", "a second", "median", "p99")
	for i, l := range r.Levels {
		name := [3]string{"memory (L1)", "Redis (L2)", "database"}[i]
		from := [3]uint64{since.L1Hits, since.L2Hits, since.Misses}[i]
		line("%-16s %12d %10s %12s %12s", name, l.Count, perSecond(l.Count, from), short(l.Median), short(l.P99))
	}
	line("%-16s %12d %10s", "past the cache", r.Bypasses, perSecond(r.Bypasses, since.Bypasses))
	line("")
	line("hit ratio %.1f %%  L1 %d entries in %s, %d evictions  shared %d", 100*r.HitRate, r.L1Entries, size(r.L1Size), r.L1Evictions, r.Shared)
	line("")
	line("%10s %7s %10s %10s  %s", "calls", "hits", "bypasses", "database", "statement")
	for _, s := range r.ByCalls[:min(10, len(r.ByCalls))] {
		line("%10d %6.0f%% %10d %10s  %s", s.Calls(), 100*float64(s.Hits)/max(1, float64(s.Calls())), s.Bypasses, short(s.Origin), printable(s.Text))
	}
	if len(r.Reasons) > 0 {
		line("")
		line("%10s  %s", "bypasses", "reason")
		for _, x := range r.Reasons[:min(5, len(r.Reasons))] {
			line("%10d  %s: %s", x.Count, printable(string(x.Reason)), printable(x.Doc))
		}
	}
	if len(r.Tables) > 0 {
		line("")
		line("%13s %10s  %s", "invalidations", "lost hits", "table")
		for _, x := range r.Tables[:min(8, len(r.Tables))] {
			line("%13d %10d  %s", x.Invalidations, x.LostHits, printable(x.Table))
		}
	}
	return lines
}

// sampleBefore is what rates are counted from: the last look, or else the newest sample of the
// process that is not of right now.
func sampleBefore(r, before *mlcache.Status) (mlcache.Sample, bool) {
	if before != nil {
		return mlcache.Sample{At: before.At, L1Hits: before.L1Hits, L2Hits: before.L2Hits, Misses: before.Misses, Bypasses: before.Bypasses}, true
	}
	for _, s := range slices.Backward(r.History) {
		if r.At.Sub(s.At) > time.Second {
			return s, true
		}
	}
	return mlcache.Sample{}, false
}

// short writes a duration with few digits.
func short(d time.Duration) string {
	switch {
	case d <= 0:
		return "-"
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(100 * time.Nanosecond).String()
}

// cut keeps a line within the width of the screen.
func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:max(0, width-1)]) + "…"
}
