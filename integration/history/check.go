package history

import (
	"math"
	"slices"
	"sort"
)

// never stands for a moment that does not come.
const never = math.MaxInt64

// Judge runs the checks that hold in every mode: only what was committed is seen,
// own writes are seen, and without faults nobody goes back.
func (h *History) Judge() {
	h.onlyCommitted()
	h.ownWrites()
	h.neverBackwards()
}

// onlyCommitted: an answer is a version that was committed, with the name of the
// write that made it, and not from before that write began.
func (h *History) onlyCommitted() {
	for i := range h.Reads {
		r := &h.Reads[i]
		if r.Version == 0 && r.By == "" {
			continue
		}
		w := h.write(r.Register, r.Version)
		switch {
		case w == nil || w.By != r.By:
			h.violate("%s: version %d by %q was never committed", h.show(r), r.Version, r.By)
		case w.Call > r.Return:
			h.violate("%s: the version was written later", h.show(r))
		}
	}
}

// ownWrites: what a write of the process has made before the read began is seen,
// or something newer.
func (h *History) ownWrites() {
	type place struct{ process, register int }
	own := map[place]*timeline{}
	for i := range h.Writes {
		w := &h.Writes[i]
		if w.Outcome != Committed {
			continue
		}
		p := place{w.Process, w.Register}
		if own[p] == nil {
			own[p] = &timeline{}
		}
		own[p].add(w.Return, w.Version)
	}
	for i := range h.Reads {
		r := &h.Reads[i]
		if want := own[place{r.Process, r.Register}].before(r.Call); r.Version < want {
			h.violate("%s: the process itself had written version %d, %v before", h.show(r), want, ms(r.Call-h.write(r.Register, want).Return))
		}
	}
}

// neverBackwards: within a quiet or orderly phase, the answers of a process to one question,
// through whatever pool, do not get older, unless they still miss a write of which
// Redis could not be told. Answers whose reads overlap have no order.
func (h *History) neverBackwards() {
	type question struct {
		process, register int
		key               string
		phase             *Phase
	}
	seen := map[question]*timeline{}
	late := h.ExcuseLate()
	for i := range h.Reads {
		r := &h.Reads[i]
		if p := h.phase(r.Call); p.ordered() && r.Return < p.End {
			q := question{r.Process, r.Register, r.Key, p}
			if seen[q] == nil {
				seen[q] = &timeline{}
			}
			seen[q].add(r.Return, r.Version)
		}
	}
	for i := range h.Reads {
		r := &h.Reads[i]
		p := h.phase(r.Call)
		if !p.ordered() || r.Return >= p.End {
			continue
		}
		if before := seen[question{r.Process, r.Register, r.Key, p}].before(r.Call); r.Version < before && !late(r) {
			h.violate("%s: the process had seen version %d before, first so: %s", h.show(r), before, h.show(h.shown(r, before)))
		}
	}
}

// shown is the first read of r's process, and of its question, that has shown the version.
func (h *History) shown(r *Op, version int64) (first *Op) {
	for i := range h.Reads {
		x := &h.Reads[i]
		if x.Process == r.Process && x.Register == r.Register && x.Key == r.Key && x.Version == version && (first == nil || x.Return < first.Return) {
			first = x
		}
	}
	return first
}

func (p *Phase) ordered() bool { return p.Quiet || p.Orderly }

// known says when each version of a register counts as known to all: when its
// write has returned; or, if Redis could not be told, when its process was
// served from the cache of that table again, since it is not before it has told,
// or when all must have noticed that Redis takes no writes.
// Of a write whose outcome nobody was told, when somebody has seen it.
func (h *History) known(register int) []int64 {
	known := make([]int64, len(h.made[register]))
	for v := range known {
		known[v] = never
	}
	known[0] = math.MinInt64
	for v := int64(1); v < int64(len(known)); v++ {
		w := h.write(register, v)
		switch {
		case w == nil:
		case w.Outcome == Committed && !w.Late:
			known[v] = w.Return
		case w.Outcome == Committed:
			known[v] = min(h.served(w), h.refused(w))
		case !h.redisBroken(w.Call):
			known[v] = h.firstSeen(register, v)
		}
	}
	return known
}

func (h *History) redisBroken(at int64) bool { return h.phase(at).RedisBroken }

// served is when w's process was served from the cache of w's table again.
func (h *History) served(w *Op) int64 {
	table, _ := h.Shape.Place(w.Register)
	first := int64(never)
	for i := range h.Reads {
		r := &h.Reads[i]
		t, _ := h.Shape.Place(r.Register)
		if r.Process == w.Process && t == table && r.Call > w.Return && (r.Level == L1 || r.Level == L2) {
			first = min(first, r.Return)
		}
	}
	return first
}

// refused is when a Redis that takes no writes must have been noticed by all, so that a write of which it could not be
// told is missed by nobody any more.
func (h *History) refused(w *Op) int64 {
	if p := h.phase(w.Return); p.Refuses && h.Refusal < never && p.End > w.Return+h.Refusal {
		return max(w.Return, p.Start+h.Refusal)
	}
	return never
}

func (h *History) firstSeen(register int, version int64) int64 {
	first := int64(never)
	for i := range h.Reads {
		if r := &h.Reads[i]; r.Register == register && r.Version == version {
			first = min(first, r.Return)
		}
	}
	return first
}

// Bounded checks that a read that begins at t misses no version that was known before
// t minus the bound. It returns the largest staleness by phase. A version counts as
// known when its write has returned; see [History.known] for the exceptions.
func (h *History) Bounded(bound int64) map[*Phase]int64 {
	// missed holds, by register and version, since when an answer with that
	// version has been old.
	missed := make([][]int64, h.Shape.Registers())
	for g := range missed {
		known := h.known(g)
		since := make([]int64, len(known))
		next := int64(never)
		for v := len(known) - 1; v >= 0; v-- {
			since[v] = next
			next = min(next, known[v])
		}
		missed[g] = since
	}
	worst := map[*Phase]int64{}
	for i := range h.Reads {
		r := &h.Reads[i]
		if r.Version >= int64(len(missed[r.Register])) {
			continue // onlyCommitted has told
		}
		since := missed[r.Register][r.Version]
		if since >= r.Call {
			continue
		}
		stale := r.Call - since
		p := h.phase(r.Call)
		worst[p] = max(worst[p], stale)
		if stale > bound {
			h.violate("%s: it was old for %v, the bound is %v", h.show(r), ms(stale), ms(bound))
		}
	}
	return worst
}

// ExcuseLate returns a function that is true of reads to which a write may be
// unknown though it has been seen by others: reads of other processes, from the
// call of a write that Redis was not told of until it was. With
// mlcache_on_redis_down=fail-writes there are none.
func (h *History) ExcuseLate() func(*Op) bool {
	type window struct {
		w     *Op
		until int64
	}
	windows := make([][]window, h.Shape.Registers())
	for i := range h.Writes {
		w := &h.Writes[i]
		if w.Version == 0 || !w.Late && !w.Unfenced && (w.Outcome == Committed || !h.redisBroken(w.Call)) {
			continue
		}
		until := w.Return
		if w.Late {
			until = min(h.served(w), h.refused(w))
		}
		windows[w.Register] = append(windows[w.Register], window{w, until})
	}
	return func(r *Op) bool {
		for _, x := range windows[r.Register] {
			if r.Process != x.w.Process && r.Version < x.w.Version && r.Return > x.w.Call && r.Call < x.until {
				return true
			}
		}
		return false
	}
}

// timeline answers which was the largest version seen before a moment.
type timeline struct {
	at      []int64
	version []int64
	sorted  bool
}

func (l *timeline) add(at, version int64) {
	l.at, l.version, l.sorted = append(l.at, at), append(l.version, version), false
}

func (l *timeline) before(t int64) int64 {
	if l == nil {
		return 0
	}
	if !l.sorted {
		order := make([]int, len(l.at))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int { return int(min(1, max(-1, l.at[a]-l.at[b]))) })
		at, version := make([]int64, len(order)), make([]int64, len(order))
		largest := int64(0)
		for i, o := range order {
			largest = max(largest, l.version[o])
			at[i], version[i] = l.at[o], largest
		}
		l.at, l.version, l.sorted = at, version, true
	}
	n := sort.Search(len(l.at), func(i int) bool { return l.at[i] >= t })
	if n == 0 {
		return 0
	}
	return l.version[n-1]
}
