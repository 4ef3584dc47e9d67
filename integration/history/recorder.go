package history

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math"
	"sync"
	"time"
)

// Phase is a part of a run.
type Phase struct {
	Name       string
	Start, End int64
	// Quiet: nothing is broken, and nothing was just before.
	Quiet bool
	// Orderly: what is broken is not between the processes and Redis, nor the processes.
	Orderly bool
	// Refuses: Redis answers, and takes no writes.
	Refuses bool
	// RedisBroken: a process that dies in it may have been unable to tell Redis
	// of a change under way.
	RedisBroken bool
}

// Recorder collects what the workers of a run tell.
type Recorder struct {
	Shape Shape

	mu         sync.Mutex
	processes  int
	reads      []Op
	open       map[string]Op // writes without an outcome yet, by name
	written    []Op
	counts     map[int]event // by process, the newest
	warm       map[int]event // the same at the end of the warm-up
	phases     []Phase
	settings   []Setting // that answers have shown
	reloads    []Setting // their changes
	violations []string
}

// NewRecorder records a run over registers of that shape.
func NewRecorder(s Shape) *Recorder {
	return &Recorder{Shape: s, open: map[string]Op{}, counts: map[int]event{}}
}

func (r *Recorder) nextProcess() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.processes++
	return r.processes
}

func (r *Recorder) violation(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, fmt.Sprintf(format, args...))
}

func (r *Recorder) add(process int, e event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e.Kind {
	case eventRead:
		r.reads = append(r.reads, *e.Op)
	case eventIntent:
		r.open[e.Op.By] = *e.Op
	case eventWritten:
		delete(r.open, e.Op.By)
		r.written = append(r.written, *e.Op)
	case eventSetting:
		r.settings = append(r.settings, *e.Set)
	case eventStats:
		r.counts[process] = e
	case eventViolation:
		r.violations = append(r.violations, e.Text)
	}
}

// Operations is the number of operations so far.
func (r *Recorder) Operations() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.reads) + len(r.written)
}

// hits returns the sums of what was counted since the counts in from.
func (r *Recorder) hits(from map[int]event) (queries, hits uint64) {
	for p, e := range r.counts {
		queries += e.Queries - from[p].Queries
		hits += e.Hits - from[p].Hits
	}
	return queries, hits
}

// WarmUp waits until most queries are hits, at most for limit. What was counted
// until then is no part of the history's counts.
func (r *Recorder) WarmUp(limit time.Duration) {
	for start := time.Now(); time.Since(start) < limit; {
		r.mu.Lock()
		r.warm = maps.Clone(r.counts)
		r.mu.Unlock()
		time.Sleep(500 * time.Millisecond)
		r.mu.Lock()
		queries, hits := r.hits(r.warm)
		r.mu.Unlock()
		if hits*3 > queries*2 {
			return
		}
	}
}

// Phase begins a phase, and so ends the one before.
func (r *Recorder) Phase(p Phase) {
	p.Start, p.End = Now(), math.MaxInt64
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.phases); n > 0 {
		r.phases[n-1].End = p.Start
	}
	r.phases = append(r.phases, p)
}

// History is a finished record together with the truth.
type History struct {
	Shape  Shape
	Bound  int64
	Reads  []Op
	Writes []Op // Version is known for each that happened
	Phases []Phase
	// Settings are what answers have shown of the server's configuration, Reloads its changes in their order.
	Settings, Reloads []Setting

	// Refusal is how long a Redis that takes no writes may be taken for one that does: so much later others may learn of
	// a write of which it cannot be told.
	Refusal int64

	Queries, Hits uint64
	Violations    []string

	// made holds, by register and version, the index in Writes; version 0 is -1.
	made [][]int
}

// Finish ends the record when all workers have ended. db leads to the database
// without a cache.
func (r *Recorder) Finish(ctx context.Context, db *sql.DB) (*History, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := &History{Shape: r.Shape, Refusal: never, Reads: r.reads, Writes: r.written, Phases: r.phases, Settings: r.settings, Reloads: r.reloads, Violations: r.violations}
	for _, op := range r.open {
		op.Outcome, op.Return = Unknown, math.MaxInt64
		h.Writes = append(h.Writes, op)
	}
	h.Queries, h.Hits = r.hits(r.warm)
	if n := len(h.Phases); n > 0 {
		h.Phases[n-1].End = Now()
	}
	rows, err := db.QueryContext(ctx, "SELECT tab, id, n, writer FROM audit ORDER BY tab, id, n")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var truth []seen
	for rows.Next() {
		var table, row int
		var s seen
		if err := rows.Scan(&table, &row, &s.version, &s.by); err != nil {
			return nil, err
		}
		s.register = r.Shape.register(table, row)
		truth = append(truth, s)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	h.match(truth)
	return h, nil
}

func (h *History) violate(format string, args ...any) {
	h.Violations = append(h.Violations, fmt.Sprintf(format, args...))
}

// match gives each write the version that it made, if it made one, and holds what
// its caller was told against it. truth is in the order of registers and
// versions.
func (h *History) match(truth []seen) {
	index := make(map[string]int, len(h.Writes))
	for i, w := range h.Writes {
		index[w.By] = i
	}
	h.made = make([][]int, h.Shape.Registers())
	for i := range h.made {
		h.made[i] = []int{-1}
	}
	happened := make(map[int]bool, len(truth))
	for _, s := range truth {
		i, known := index[s.by]
		switch {
		case !known || h.Writes[i].Register != s.register || happened[i]:
			h.violate("the database has version %d of register %d by %q, who wrote something else", s.version, s.register, s.by)
			i = -1
		case s.version != int64(len(h.made[s.register])):
			h.violate("register %d has version %d after %d versions", s.register, s.version, len(h.made[s.register])-1)
		default:
			happened[i] = true
			if w := &h.Writes[i]; w.Version != 0 && w.Version != s.version {
				h.violate("write %s was told that it made version %d of register %d; it made %d", w.By, w.Version, w.Register, s.version)
			}
			h.Writes[i].Version = s.version
		}
		h.made[s.register] = append(h.made[s.register], i)
	}
	for i, w := range h.Writes {
		switch {
		case happened[i] && (w.Outcome == Refused || w.Outcome == RolledBack):
			h.violate("write %s was %s, but made version %d of register %d", w.By, w.Outcome, w.Version, w.Register)
		case !happened[i] && w.Outcome == Committed:
			h.violate("write %s of register %d was acknowledged, but did not happen", w.By, w.Register)
		case !happened[i]:
			h.Writes[i].Version = 0
		}
	}
}

// write returns what made a version of a register; nil for the first state, and
// for what was never committed.
func (h *History) write(register int, version int64) *Op {
	if version < 1 || version >= int64(len(h.made[register])) || h.made[register][version] < 0 {
		return nil
	}
	return &h.Writes[h.made[register][version]]
}

// phase returns the phase in which a moment lies.
func (h *History) phase(at int64) *Phase {
	for i := range h.Phases {
		if p := &h.Phases[i]; at >= p.Start && at < p.End {
			return p
		}
	}
	return &Phase{Name: "outside"}
}
