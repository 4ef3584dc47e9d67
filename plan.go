package mlcache

import (
	"bytes"
	"crypto/sha256"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/cache/rowset"
	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/internal/memsize"
	"github.com/mlcache/mlcache/internal/policy"
	"github.com/mlcache/mlcache/invalidation"
	"github.com/mlcache/mlcache/sqlinfo"
)

// plan is what is known about a statement's text in one state of the schema and
// for sessions that resolve names alike. It never changes once made.
type plan struct {
	info *sqlinfo.Info
	// schema is what the plan was made with; nil for a plan made with none.
	schema *schemaState
	// names is that of the sessions for which it was made; see session.
	names [16]byte
	// reason is why the answer is not cached; empty if it may be.
	reason Reason
	// digest stands for the text in keys.
	digest [32]byte
	// cells are the versions that the answer depends on, the epoch first.
	cells []*invalidation.Cell
	// settings are those that a row security policy of one of the tables asks
	// for. Their values are a part of the key.
	settings []string

	// writes are the scopes that the statement changes, and nobody may change the slice; writesAll says all of
	// them. Both can be set on a SELECT that calls a function.
	writes    []string
	writesAll bool
	// doubted: writesAll is set though the text reads, since nobody could say that it does nothing else.
	doubted bool
	// anything: it runs code of which nothing is known, which may change tables over a session of its own, too (dblink).
	// The end of the transaction then comes too late to make that known, and a rollback takes nothing of it back.
	anything bool
	// held are the cells of writes, where there is no Redis and nothing else is to be
	// fenced; nil elsewhere. Nobody may change them.
	held []*invalidation.Cell
	ddl  bool
	// touchesSession: the statement may change the session's state. touchesNames: it
	// may change anything that the names in a text depend on. movesPath: of that
	// only the search path and the role, to the schemas toPath if that is not nil.
	touchesSession, touchesNames, movesPath bool
	// fires: event triggers may answer it, and whether there are any is not known; see conn.fired.
	fires  bool
	toPath []string

	decoded   atomic.Pointer[decodedColumns]
	gate      policy.Gate
	statement atomic.Pointer[statement] // nil until something is counted
	steering  atomic.Pointer[steering]
	// For statements whose answers may be used late: see stale.go and renew.go.
	seen       atomic.Pointer[sighting]
	notRenewed atomic.Int64 // before this time, in Unix nanoseconds

	size atomic.Int64 // in bytes, with the text; see measure
	home atomic.Pointer[planHome]
}

// decodedColumns remembers the columns of the last replayed answer: all answers
// of one plan have the same, as a rule.
type decodedColumns struct {
	block []byte
	cols  []rowset.Column
	names []string // of cols
	size  int      // of it all, in bytes
}

// answer is a payload that is ready to be read, from its first row on. Copies of it
// are read independently.
type answer struct {
	reader  rowset.Reader
	columns *decodedColumns
}

// open looks at the head of a payload, and at its columns unless they are those of the
// last one.
func (p *plan) open(payload []byte) (answer, error) {
	r, err := rowset.OpenTrusted(payload)
	if err != nil {
		return answer{}, err
	}
	block := r.ColumnBlock()
	if d := p.decoded.Load(); d != nil && len(d.cols) == r.NumCols() && bytes.Equal(d.block, block) {
		return answer{r, d}, nil
	}
	cols, err := r.Columns()
	if err != nil {
		return answer{}, err
	}
	d := &decodedColumns{block: bytes.Clone(block), cols: cols, names: columnNames(cols)}
	d.size = memsize.Of(d, nil)
	if old := p.decoded.Swap(d); old != nil {
		p.grow(d.size - old.size)
	} else {
		p.grow(d.size)
	}
	return answer{r, d}, nil
}

// openForeign is open for bytes from outside the process: every row is checked.
func (p *plan) openForeign(payload []byte) (answer, error) {
	a, err := p.open(payload)
	if err == nil {
		err = a.reader.CheckRows()
	}
	return a, err
}

// assumes is what a fence around the statement's changes assumes.
func (p *plan) assumes() invalidation.Assumption {
	if p.schema == nil {
		return invalidation.Assumption{}
	}
	return p.schema.assumption()
}

// isWrite says whether the statement needs a fence.
func (p *plan) isWrite() bool { return p.writesAll || len(p.writes) > 0 }

// scopeSchema changes with every DDL. No table's scope has this name: each of
// those contains a dot or is a plain identifier.
const scopeSchema = "!schema"

// newPlan makes the plan of a text. s is nil while it is not known how the
// session resolves names. tables are those that the caller names beside the text.
func (e *engine) newPlan(text string, tables []string, st *schemaState, s *session) *plan {
	if s == nil || s.blind {
		return blindPlan(text, ReasonUnknownSession)
	}
	info := sqlinfo.ParseOptions(text, sqlinfo.Options{BackslashEscapes: s.oldStrings})
	p := &plan{info: info, schema: st, names: s.names}

	var closure catalog.Closure
	if st.snapshot != nil {
		closure = st.snapshot.ResolveText(text, info, s.catalogSession())
	} else {
		closure = catalog.NoCatalog(info)
	}
	if closure.Backslash && s.oldStrings {
		p := opaquePlan()
		p.info, p.reason = info, sqlinfo.ReasonSyntax
		return p
	}
	p.reason = closure.Refusal
	p.ddl = closure.DDL
	p.writesAll, p.anything = closure.WritesAll || closure.DDL, closure.WritesAll && closure.Session
	if s.ownTypes && namesAnything(info) {
		p.writesAll, p.anything = true, true // a name may mean a type of the session, and code behind that
	}
	for _, d := range closure.Writes {
		p.writes = append(p.writes, d.Scope)
	}
	if info.Kind == sqlinfo.Unknown {
		p.writesAll = true
	}
	if len(p.writes) > 0 {
		if e.hub.client == nil && !p.writesAll && !commitsPrepared(info) {
			p.held = make([]*invalidation.Cell, 0, len(p.writes)) // and no room for more
			for _, scope := range p.writes {
				p.held = append(p.held, e.versions.Cell(scope))
			}
		}
	}
	if len(tables) > 0 && catalog.Vouchable(p.reason) && !p.isWrite() {
		p.reason = closure.Firm
	}
	p.setSession(info, closure.Session && !closure.OnlySettings)
	if closure.DDL && (s.temp != nil || s.inDoubt()) {
		// It may be about a temporary table, of which the session knows whether it is plain.
		p.touchesSession, p.touchesNames = true, true
	}
	p.settings = closure.Settings
	if p.reason == "" {
		p.reason = e.configReason(info, closure.Reads)
	}
	if p.reason == "" && (p.isWrite() || info.Kind != sqlinfo.Read) {
		p.reason = sqlinfo.ReasonNotRead
	}
	if p.reason == "" && s.inDoubt() {
		p.reason = ReasonUnknownSession
	}
	if p.reason != "" {
		return p
	}
	h := sha256.New()
	if s.oldStrings {
		io.WriteString(h, text)
	} else {
		h.Write(sqlinfo.Canonical(nil, text))
	}
	if st.snapshot != nil {
		// Answers from before a change of the schema, wherever it was made, are
		// then found no more.
		io.WriteString(h, "\x00"+st.snapshot.Fingerprint())
	}
	for _, table := range tables {
		h.Write(cache.AppendString([]byte{0}, table))
	}
	h.Sum(p.digest[:0])
	p.cells = append(p.cells, e.versions.Epoch())
	for _, d := range closure.Reads {
		p.cells = append(p.cells, e.versions.Cell(d.Scope))
	}
	for _, table := range tables {
		for _, scope := range e.tableScopes(st, table) {
			if cell := e.versions.Cell(scope); !slices.Contains(p.cells, cell) {
				p.cells = append(p.cells, cell)
			}
		}
	}
	return p
}

// configReason applies the mode and the lists of tables.
func (e *engine) configReason(info *sqlinfo.Info, reads []catalog.Dep) Reason {
	switch {
	case info.Hint.Mode == sqlinfo.HintOff:
		return ReasonBypass
	case e.cfg.Mode == ModeOff, e.cfg.Mode == ModeOptIn && info.Hint.Mode != sqlinfo.HintOn:
		return ReasonMode
	}
	for _, d := range reads {
		if len(e.cfg.Tables) > 0 && !listed(e.cfg.Tables, d.Scope) || listed(e.cfg.SkipTables, d.Scope) {
			return ReasonTableList
		}
	}
	return ""
}

// listed reports whether a list names the scope, with its schema or without.
func listed(list []string, scope string) bool {
	if slices.Contains(list, scope) {
		return true
	}
	_, table, ok := strings.Cut(scope, ".")
	return ok && slices.Contains(list, table)
}
