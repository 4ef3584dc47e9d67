package history

import (
	"fmt"
	"slices"
	"strings"
)

// show describes a read for a report.
func (h *History) show(r *Op) string {
	s := fmt.Sprintf("%v (%s): process %d client %d read version %d of register %d from %s by %q in %v", ms(r.Call-h.start()), h.phase(r.Call).Name,
		r.Process, r.Client, r.Version, r.Register, r.Level, r.Key, ms(r.Return-r.Call))
	if next := h.write(r.Register, r.Version+1); next != nil {
		s += fmt.Sprintf(" (version %d was written by %s from %v to %v, %s, unfenced=%v late=%v)", r.Version+1, next.By,
			ms(next.Call-h.start()), ms(next.Return-h.start()), next.Outcome, next.Unfenced, next.Late)
	}
	return s
}

func (h *History) start() int64 {
	if len(h.Phases) == 0 {
		return 0
	}
	return h.Phases[0].Start
}

// HitShare is the share of all queries, also of those that could not be hits, that
// were answered from the cache.
func (h *History) HitShare() float64 {
	if h.Queries == 0 {
		return 0
	}
	return float64(h.Hits) / float64(h.Queries)
}

// Count returns the number of writes with an outcome.
func (h *History) Count(o Outcome) int {
	n := 0
	for i := range h.Writes {
		if h.Writes[i].Outcome == o {
			n++
		}
	}
	return n
}

// Percentile returns the p-th part of the values, which it sorts; 0 of none.
func Percentile(values []int64, p float64) int64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(len(values)-1, int(p*float64(len(values))))]
}

// Propagation returns, for each committed write of a quiet phase and each other
// process, how long after the write's return that process still began a read that
// did not show it.
func (h *History) Propagation() []int64 {
	type place struct{ process, register int }
	reads := map[place][]*Op{}
	for i := range h.Reads {
		r := &h.Reads[i]
		if h.phase(r.Call).Quiet {
			reads[place{r.Process, r.Register}] = append(reads[place{r.Process, r.Register}], r)
		}
	}
	for _, list := range reads {
		slices.SortFunc(list, func(a, b *Op) int { return int(min(1, max(-1, a.Call-b.Call))) })
	}
	var out []int64
	for i := range h.Writes {
		w := &h.Writes[i]
		if w.Version == 0 || w.Outcome != Committed || !h.phase(w.Return).Quiet {
			continue
		}
		for p, list := range reads {
			if p.register != w.Register || p.process == w.Process {
				continue
			}
			first, _ := slices.BinarySearchFunc(list, w.Return, func(r *Op, t int64) int { return int(min(1, max(-1, r.Call-t))) })
			if first == len(list) {
				continue
			}
			lag := int64(0)
			for _, r := range list[first:] {
				if r.Version >= w.Version {
					break
				}
				lag = r.Call - w.Return
			}
			out = append(out, lag)
		}
	}
	return out
}

// ReadTimes returns how long the reads took that began in phases for which ok is
// true.
func (h *History) ReadTimes(ok func(*Phase) bool) []int64 {
	var out []int64
	for i := range h.Reads {
		if r := &h.Reads[i]; ok(h.phase(r.Call)) {
			out = append(out, r.Return-r.Call)
		}
	}
	return out
}

// Report describes the run. worst is what Bounded returned.
func (h *History) Report(worst map[*Phase]int64) string {
	var b strings.Builder
	late, unfenced := 0, 0
	for i := range h.Writes {
		w := &h.Writes[i]
		if w.Late {
			late++
		}
		if w.Unfenced {
			unfenced++
		}
	}
	fmt.Fprintf(&b, "%d operations: %d reads, %d writes (%d committed, %d rolled back, %d refused, %d unknown; %d unfenced, %d told late)\n",
		len(h.Reads)+len(h.Writes), len(h.Reads), len(h.Writes), h.Count(Committed), h.Count(RolledBack), h.Count(Refused), h.Count(Unknown), unfenced, late)
	fmt.Fprintf(&b, "%d of %d queries were hits (%.0f%%)\n", h.Hits, h.Queries, 100*h.HitShare())
	lags := h.Propagation()
	fmt.Fprintf(&b, "a write was missed by a read that began after its return, without faults, at most: p50 %v, p99 %v, longest %v (%d pairs of write and process)\n",
		ms(Percentile(lags, 0.5)), ms(Percentile(lags, 0.99)), ms(Percentile(lags, 1)), len(lags))
	fmt.Fprintf(&b, "%-28s %8s %8s %5s %5s %10s %10s %10s %10s\n", "phase", "length", "reads", "L1", "L2", "p50", "p99", "longest", "stale")
	for i := range h.Phases {
		p := &h.Phases[i]
		levels := map[Level]int{}
		var took []int64
		for j := range h.Reads {
			if r := &h.Reads[j]; r.Call >= p.Start && r.Call < p.End {
				levels[r.Level]++
				took = append(took, r.Return-r.Call)
			}
		}
		known := max(1, len(took)-levels[Mixed])
		fmt.Fprintf(&b, "%-28s %8v %8d %4d%% %4d%% %10v %10v %10v %10v\n", p.Name, ms(p.End-p.Start).Round(1e7), len(took), 100*levels[L1]/known, 100*levels[L2]/known,
			ms(Percentile(took, 0.5)), ms(Percentile(took, 0.99)), ms(Percentile(took, 1)), ms(worst[p]))
	}
	return b.String()
}
