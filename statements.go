package mlcache

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mlcache/mlcache/sqlinfo"
)

const (
	// maxStatements is of how many statements counts are kept. When there are more, the half
	// with the fewest calls is forgotten.
	maxStatements = 1000
	// maxStatementText is about how many bytes of a statement's text are kept.
	maxStatementText = 600
)

// statements counts by statement, whatever constants its text holds. A plan finds
// its statement once; only the database's answers, bypasses and batches of hits
// are counted here, so the lock is on nobody's way.
type statements struct {
	mu     sync.Mutex
	byText map[string]*statement
}

type statement struct {
	text    string // as Normalize has it: without values
	hits    atomic.Uint64
	misses  atomic.Uint64
	answers atomic.Uint64 // of the database, that were waited for
	waited  atomic.Int64  // for them, in nanoseconds
	gone    atomic.Bool   // it has been forgotten

	mu       sync.Mutex
	bypasses map[Reason]uint64
}

// of returns the statement of a plan.
func (s *statements) of(p *plan, query string) *statement {
	if st := p.statement.Load(); st != nil && !st.gone.Load() {
		return st
	}
	text := sqlinfo.Normalize(query, maxStatementText)
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.byText[text]
	if st == nil {
		if len(s.byText) >= maxStatements {
			s.forgetHalf()
		}
		if s.byText == nil {
			s.byText = make(map[string]*statement)
		}
		st = &statement{text: text}
		s.byText[text] = st
	}
	p.statement.Store(st)
	return st
}

// forgetHalf is called with s.mu held.
func (s *statements) forgetHalf() {
	all := slices.SortedFunc(maps.Values(s.byText), func(a, b *statement) int { return cmp.Compare(a.calls(), b.calls()) })
	for _, st := range all[:len(all)/2] {
		st.gone.Store(true)
		delete(s.byText, st.text)
	}
}

func (st *statement) calls() uint64 {
	n := st.hits.Load() + st.misses.Load()
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, b := range st.bypasses {
		n += b
	}
	return n
}

// bypass counts one, and says whether it is the first.
func (st *statement) bypass(r Reason) (first bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	first = len(st.bypasses) == 0
	if first {
		st.bypasses = make(map[Reason]uint64, 1)
	}
	st.bypasses[r]++ // reasons are a closed list
	return first
}

// worthCounting is false for what is no query of anything: its text may hold values that are
// no constants (SET name = value).
func (p *plan) worthCounting() bool {
	return p.info.Kind == sqlinfo.Read || p.info.Kind == sqlinfo.Write
}

// told counts hits that a connection has told of.
func (p *plan) told(n uint32) {
	p.gate.Hit(n)
	if st := p.statement.Load(); st != nil {
		st.hits.Add(uint64(n))
	}
}

func (e *engine) logsDebug(ctx context.Context) bool {
	return e.cfg.Logger.Enabled(ctx, slog.LevelDebug)
}

// StatementStats are the counts of one statement since it was first seen.
type StatementStats struct {
	// Text is the statement without values: each constant is a ?, and a list of
	// them shows one. It is cut after some hundred bytes.
	Text string `json:"text"`
	// Hits are queries answered from L1 or L2. Connections tell of them in batches, so
	// a few of the newest may be missing.
	Hits uint64 `json:"hits"`
	// Misses and Bypasses are as in Stats.
	Misses   uint64 `json:"misses"`
	Bypasses uint64 `json:"bypasses"`
	// Reasons counts the bypasses by reason.
	Reasons map[Reason]uint64 `json:"reasons,omitempty"`
	// Origin is how long the database took for a miss, on average; 0 if it was never asked.
	Origin time.Duration `json:"origin_ns"`
	// Saved estimates the time that hits have saved their callers: what the database
	// takes for a miss of this statement less what a hit of any takes.
	Saved time.Duration `json:"saved_ns"`
}

// Calls is how often the statement was run.
func (s StatementStats) Calls() uint64 { return s.Hits + s.Misses + s.Bypasses }

// Statements returns the counts of the statements that were seen, those with the most
// calls first; at most about a thousand are kept. Their texts hold no values.
func (h *Handle) Statements() []StatementStats {
	e := h.connector.current()
	e.statements.mu.Lock()
	all := slices.Collect(maps.Values(e.statements.byText))
	e.statements.mu.Unlock()
	hit := e.meanHit()
	out := make([]StatementStats, 0, len(all))
	for _, st := range all {
		s := StatementStats{Text: st.text, Hits: st.hits.Load(), Misses: st.misses.Load()}
		st.mu.Lock()
		s.Reasons = maps.Clone(st.bypasses)
		st.mu.Unlock()
		for _, n := range s.Reasons {
			s.Bypasses += n
		}
		if n := st.answers.Load(); n > 0 {
			s.Origin = time.Duration(st.waited.Load()) / time.Duration(n)
			s.Saved = max(0, s.Origin-hit) * time.Duration(s.Hits)
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b StatementStats) int {
		return cmp.Or(cmp.Compare(b.Calls(), a.Calls()), cmp.Compare(a.Text, b.Text))
	})
	return out
}

// meanHit is what a hit takes on average, over both levels.
func (e *engine) meanHit() time.Duration {
	levels, l := e.stats.levels.Snapshot(), e.latency.snapshot()
	n := levels.L1.Hits + levels.L2.Hits
	if n == 0 {
		return 0
	}
	return time.Duration((float64(l.L1.Mean())*float64(levels.L1.Hits) + float64(l.L2.Mean())*float64(levels.L2.Hits)) / float64(n))
}
