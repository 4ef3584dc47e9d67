package catalog

import (
	"slices"

	"github.com/mlcache/mlcache/sqlinfo"
)

// walk follows a statement through the snapshot. Objects wait in a queue and not
// on the stack, so no schema, however deep, can exhaust it.
type walk struct {
	s   *Snapshot
	top *path

	readScopes, writeScopes map[string]*step
	settings                map[string]bool
	refusal                 sqlinfo.Reason
	detail, allDetail       string
	firm                    sqlinfo.Reason // see Closure
	writesAll, ddl          bool
	session, rls            bool
	backslash               bool // see Closure.Backslash
	moved                   bool // names may mean something else from here on

	queue  []func()
	visits int
	read   map[relationIn]bool
	wrote  map[relationIn]op
	woken  map[relationIn]op
	called map[callKey]bool
	casts  []castIn
	named  map[string]bool // what functions call values that may hold a text
	// What the text does not show of casts and domains: see types.go.
	types   map[*userType]typeUse
	domains map[*userType]bool // whose checks have been followed
	typed   bool               // some type is named
	assigns bool               // values are assigned to columns or variables
	strayed bool               // code was found that runs under another path
	// statementText is that of the statement; empty if it is not known.
	statementText string
}

// place is what of a frame decides on what is found in it, so an object is visited
// once in each place.
type place struct {
	path              string
	policy, immutable bool
}

type callKey struct {
	f *function
	place
}

type relationIn struct {
	*relation
	place
}

// frame is the place that a text is read in.
type frame struct {
	// path is the search path in force when the text is run, and handed on to
	// functions that it calls. The names in a text that the server has written out
	// do not depend on it.
	path   *path
	via    *step
	policy bool // behind a row security policy: see policyFunctions
	// immutable: in a function whose author has declared it so, which is taken at its
	// word for what it makes of its arguments.
	immutable bool
	cause     sqlinfo.Reason // not empty: why a refusal in this place is given
}

// inside gives the frame of what stands behind an object.
func (f frame) inside(object string) frame {
	f.via = &step{object, f.via}
	return f
}

func (f frame) place() place { return place{f.path.key, f.policy, f.immutable} }

// as gives the frame of what runs as another role.
func (f frame) as(role string) frame {
	f.path = f.path.as(role)
	return f
}

func (f frame) asPolicy() frame {
	f.policy = true
	return f
}

// refuse notes why the answer cannot be kept. The first reason is the one that is
// told; the first that no caller may overrule is kept beside it.
func (w *walk) refuse(f frame, r sqlinfo.Reason, detail string) {
	if w.firm == sqlinfo.ReasonNone && !Vouchable(r) {
		w.firm = r
	}
	if f.cause != sqlinfo.ReasonNone {
		r = f.cause
	}
	if w.refusal == sqlinfo.ReasonNone {
		w.refusal, w.detail = r, detail
	}
}

// changesAll notes that anything may be written; detail names the culprit.
func (w *walk) changesAll(detail string) {
	if !w.writesAll {
		w.writesAll, w.allDetail = true, detail
	}
}

// opaque notes a piece of code that may do anything, to the tables and to the
// session.
func (w *walk) opaque(detail string) {
	w.changesAll(detail)
	w.session = true
}

// later queues a visit, within the bound.
func (w *walk) later(visit func()) {
	if w.visits++; w.visits > maxVisits {
		w.refuse(frame{}, ReasonClosure, "")
		w.changesAll("")
		return
	}
	w.queue = append(w.queue, visit)
}

func (w *walk) drain() {
	for len(w.queue) > 0 {
		visit := w.queue[0]
		w.queue = w.queue[1:]
		visit()
	}
}

// statement walks one statement to the end.
func (w *walk) statement(info *sqlinfo.Info, ops op) {
	f := frame{path: w.top}
	if changesNames(info) {
		w.moved = true
		w.session = w.session || info.ChangedSettings == nil
	}
	for _, fn := range w.s.implicit {
		w.callFor(ReasonUserCast, fn, f)
	}
	w.builtins(w.s.castBuiltins, f)
	if w.s.times.cast {
		w.refuse(f, sqlinfo.ReasonSpecialDate, "cast")
	}
	r := readingOf(info)
	r.ops = ops
	w.text(r, false, f)
	w.drain()
	w.unseenCasts()
	w.dateCasts()
}

// changesNames reports whether a statement may make names mean something else by
// what its own text shows, other than a SET: see Snapshot.walk for that.
func changesNames(info *sqlinfo.Info) bool {
	if !info.ChangesSession || info.Kind == sqlinfo.Session {
		return false
	}
	return info.ChangedSettings == nil || slices.ContainsFunc(info.ChangedSettings, sqlinfo.MovesNames)
}

// castIn is a cast to a date, and where it was found.
type castIn struct {
	sqlinfo.DateCast
	frame
}

// dateCasts refuses what casts a text to a date or time type: a row with 'now' or
// 'today' in it has another date each time ("Date/Time Input", "Special Values" in
// the manual). A name that package sqlinfo takes for a column must be one, in
// some relation that is read and in none of them one of texts.
func (w *walk) dateCasts() {
	for _, c := range w.casts {
		if c.Type != "" && !w.s.dateTypes[c.Type] && !w.s.times.types[c.Type] && !w.s.times.rows[c.Type] && len(w.s.relationsNamed[c.Type]) == 0 {
			continue
		}
		known := c.Derived
		text := c.Column == "" || w.named[c.Column]
		for at := range w.read {
			rel := at.relation
			known = known || slices.Contains(rel.others, c.Column)
			text = text || slices.Contains(rel.texts, c.Column)
		}
		if text || !known {
			w.refuse(c.frame, sqlinfo.ReasonSpecialDate, c.Column)
		}
	}
}

// reads visits a relation that is read.
func (w *walk) reads(r *relation, f frame) {
	key := relationIn{relation: r}
	if r.rls || r.kind == 'v' {
		key.place = f.place() // there is something behind it
	}
	if w.read[key] {
		return
	}
	if w.read == nil {
		w.read = make(map[relationIn]bool)
	}
	w.read[key] = true
	switch {
	case r.isSystem():
		w.refuse(f, sqlinfo.ReasonSystemCatalog, r.scope)
		return
	case r.kind == 'S':
		w.refuse(f, sqlinfo.ReasonSequence, r.scope)
		return
	case r.kind == 'f':
		w.refuse(f, ReasonForeignTable, r.scope)
	case r.foreignBelow != nil:
		w.refuse(f, ReasonForeignTable, r.foreignBelow.scope)
	case r.persistence == 'u':
		w.refuse(f, ReasonUnloggedTable, r.scope)
	case r.unloggedBelow != nil:
		w.refuse(f, ReasonUnloggedTable, r.unloggedBelow.scope)
	case r.zone:
		w.readsZone(r, f)
	}
	w.typesMet(r.types, typeSeen, f)
	w.typesMet(w.s.typesNamed[r.name], typeSeen, f) // its row, which can be cast as a whole
	w.literalsMet(r.types, f)
	if r.rls {
		w.rls = true
		// Which policies apply depends on the role and the command; all of them are
		// taken, which names too much rather than too little.
		for _, p := range r.policies {
			w.code(p, f.inside("policy on "+r.scope).asPolicy())
		}
	}
	if r.kind == 'v' {
		w.code(r.view, f.inside("view "+r.scope))
		return
	}
	w.note(&w.readScopes, r, f.via)
}

// note adds a table and its ancestors to a set of scopes. Rows of a child show
// in its ancestors, and writing an ancestor may change a child. With the
// ancestors on both sides, a reader and a writer share a scope whenever one of
// the two tables is the other or stands above it; no list of children, which
// may be long, is needed.
func (w *walk) note(set *map[string]*step, r *relation, via *step) {
	if *set == nil {
		*set = make(map[string]*step)
	}
	if _, ok := (*set)[r.scope]; !ok {
		(*set)[r.scope] = via
	}
	for _, a := range r.ancestors {
		if _, ok := (*set)[a.scope]; !ok {
			(*set)[a.scope] = &step{"parent of " + r.scope, via}
		}
	}
}

// code visits a text that the catalog holds, and what the server has recorded of
// it.
func (w *walk) code(c *code, f frame) {
	if c == nil {
		return
	}
	w.text(c.reading(), c.qualified, f)
	w.used(&c.uses, f)
}

func (w *walk) used(u *uses, f frame) {
	for _, r := range u.relations {
		w.later(func() { w.reads(r, f) })
	}
	for _, fn := range u.functions {
		w.later(func() { w.call(fn, f) })
	}
	w.builtins(u.builtins, f)
}

// text visits everything that a text names; deparsed tells that the server has
// written it out with nothing but pg_catalog on the path.
func (w *walk) text(r *reading, deparsed bool, f frame) {
	w.strayed = w.strayed || f.path.key != w.top.key
	if r.maintains {
		w.maintains(f)
	}
	if r.fires && w.s.eventTrigger != "" {
		w.opaque("event trigger " + w.s.eventTrigger)
	}
	if !f.immutable {
		for _, c := range r.dateCasts {
			w.casts = append(w.casts, castIn{c, f})
		}
	}
	names := f.path
	if deparsed {
		names = &qualified
	}
	if r.late {
		f.path = f.path.elsewhere()
	}
	for _, n := range r.reads {
		found := w.s.find(n, names)
		if temp, plain := names.temporary(n); temp {
			w.refuse(f, sqlinfo.ReasonTempTable, n.String())
			if _, known := names.temp[n.Name]; !plain && (known || len(found) == 0) {
				w.opaque(n.String()) // a view, perhaps, over a function that writes
			}
		}
		for _, rel := range found {
			w.later(func() { w.reads(rel, f) })
			if r.fillsRows() {
				w.later(func() { w.domainsMet(rel.types, f) })
			}
			if r.variables {
				w.typesMet(rel.types, typeAssigned, f) // of a variable of its row type
			}
		}
	}
	for _, n := range r.writes {
		found := w.s.find(n, names)
		for _, rel := range found {
			w.later(func() { w.writes(rel, r.ops, f) })
		}
		temp, plain := names.temporary(n)
		switch {
		case r.ddl, temp && plain:
		case temp:
			w.opaque(n.String()) // no snapshot has its triggers
		case len(found) == 0:
			// Either the server will refuse the statement, or the relation is younger
			// than the snapshot, and then so may be triggers and cascades.
			w.changesAll(n.String())
		}
	}
	for _, n := range r.planned {
		w.plans(n, r.ops, names, f)
	}
	w.ddl = w.ddl || r.ddl
	w.session = w.session || r.session
	if r.writesAll {
		w.changesAll(r.detail)
	}
	w.functionsOf(r, names, f)
}
