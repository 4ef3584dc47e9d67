package catalog

import "github.com/mlcache/mlcache/sqlinfo"

// writes visits a relation that is written, and all that happens in its wake.
func (w *walk) writes(r *relation, ops op, f frame) {
	if r.isSystem() {
		// Writing a system catalog by hand can mean anything.
		w.opaque(r.scope)
		w.ddl = true
		return
	}
	if r.kind == 'p' && ops&opUpdate != 0 {
		// An UPDATE that moves a row to another partition deletes and inserts it
		// there ("Partitioning" in the PostgreSQL manual).
		ops |= opInsert | opDelete
	}
	fresh := w.fresh(&w.wrote, r, ops, f)
	if fresh == 0 {
		return
	}
	if r.kind == 'f' || r.foreignBelow != nil {
		// Where its rows are kept nobody can tell: it may lead back into this database.
		w.changesAll(r.scope)
	}
	switch r.kind {
	case 'S':
		return // no answer that reads a sequence is kept
	case 'v':
		w.throughView(r, fresh, f)
	case 'm':
		// REFRESH runs the query, and so whatever it calls, as the owner, and since 17 on
		// a search path of its own.
		w.note(&w.writeScopes, r, f.via)
		at := f.inside("materialized view " + r.scope)
		at.path = at.path.elsewhere()
		w.code(r.view, at)
	default:
		w.note(&w.writeScopes, r, f.via)
	}
	w.wake(r, fresh, f)
	// The tables below are written too. They need no scopes of their own: see note.
	for _, d := range r.active {
		w.later(func() { w.wake(d, fresh, f.inside("child of "+r.scope)) })
	}
}

// fresh gives those of ops that have not been visited for r, and notes them.
func (w *walk) fresh(seen *map[relationIn]op, r *relation, ops op, f frame) op {
	key := relationIn{r, f.place()}
	ops &^= (*seen)[key]
	if ops != 0 {
		if *seen == nil {
			*seen = make(map[relationIn]op)
		}
		(*seen)[key] |= ops
	}
	return ops
}

// throughView follows a write to a view to the tables under it. Only one of them
// can be the target of an automatically updatable view ("CREATE VIEW", "Updatable
// Views" in the manual); all are taken.
func (w *walk) throughView(r *relation, ops op, f frame) {
	if r.view == nil {
		w.changesAll(r.scope)
		return
	}
	through := f.inside("view " + r.scope)
	for _, base := range r.view.relations {
		w.later(func() { w.writes(base, ops, through) })
	}
	w.throughSystemView(r, through)
	w.code(r.view, through)
}

// wake visits what a write to the rows of a relation sets off.
func (w *walk) wake(r *relation, ops op, f frame) {
	if ops = w.fresh(&w.woken, r, ops, f); ops == 0 {
		return
	}
	if r.runsAnything {
		w.opaque(r.scope)
	}
	for _, ru := range r.rules {
		if ru.op&ops == 0 {
			continue
		}
		// What a rule does to the relations it names is not looked at more closely.
		at := f.inside("rule " + ru.name + " on " + r.scope)
		for _, rel := range ru.relations {
			w.later(func() { w.writes(rel, opAll, at) })
		}
		for _, fn := range ru.functions {
			w.later(func() { w.call(fn, at) })
		}
		w.typesMet(ru.types, typeMentioned, at)
		w.builtins(ru.builtins, f)
	}
	for _, k := range r.keys {
		at := f.inside("foreign key " + k.name + " to " + r.scope)
		if effect := k.effect(ops); effect != 0 {
			// The action and the BEFORE triggers of the child run as its owner, the AFTER
			// triggers as whoever began.
			w.later(func() { w.writes(k.child, effect, at) })
			if as := at.as(k.child.owner); as.path != at.path {
				w.later(func() { w.writes(k.child, effect, as) })
			}
		}
	}
	for _, t := range r.triggers {
		if t.op&ops == 0 {
			continue
		}
		at := f.inside("trigger " + t.name + " on " + r.scope)
		if t.late {
			at.path = at.path.elsewhere()
		}
		for _, fn := range t.calls {
			w.later(func() { w.call(fn, at) })
		}
		w.builtins(t.builtins, f)
	}
	for _, fn := range r.onWrite {
		w.later(func() { w.call(fn, f) })
	}
	for _, fn := range r.onIndex {
		w.later(func() { w.call(fn, f) })
	}
	w.builtins(r.builtins, f)
	w.assigns = true
	w.typesMet(r.types, typeAssigned, f)
	w.typesMet(w.s.typesNamed[r.name], typeSeen, f)
	if r.rls {
		for _, p := range r.policies {
			w.code(p, f.inside("policy on "+r.scope).asPolicy())
		}
	}
}

// effect tells what a change of the referenced table does to the referencing
// one ("CREATE TABLE", "REFERENCES" in the manual). TRUNCATE reaches it whatever
// the actions are, if CASCADE is given, and fails otherwise.
func (k foreignKey) effect(ops op) op {
	var out op
	if ops&opDelete != 0 {
		switch k.onDelete {
		case 'c':
			out |= opDelete
		case 'n', 'd':
			out |= opUpdate
		}
	}
	if ops&opUpdate != 0 {
		switch k.onUpdate {
		case 'c', 'n', 'd':
			out |= opUpdate
		}
	}
	if ops&opTruncate != 0 {
		out |= opTruncate
	}
	return out
}

// plans visits what a write that is only planned would change. Planning computes what
// is not VOLATILE, and a function that its author has declared so may write all the same.
// So it counts as the write itself where such code may stand behind it.
func (w *walk) plans(n sqlinfo.Name, ops op, names *path, f frame) {
	found := w.s.find(n, names)
	for _, rel := range found {
		would := &walk{s: w.s, top: w.top}
		would.writes(rel, ops, f)
		would.drain()
		would.unseenCasts()
		if len(would.called) > 0 || would.writesAll || would.session {
			w.later(func() { w.writes(rel, ops, f) })
		}
	}
	if temp, plain := names.temporary(n); temp && !plain {
		w.opaque(n.String())
	} else if len(found) == 0 && !temp {
		w.changesAll(n.String())
	}
}
