package catalog

import (
	"strings"

	"github.com/mlcache/mlcache/sqlinfo"
)

// harmless holds extensions whose functions, though written in C and some of
// them VOLATILE, change no table. Of other C functions nothing is known.
var harmless = map[string]bool{
	"address_standardizer": true, "bloom": true, "btree_gin": true, "btree_gist": true, "citext": true,
	"cube": true, "dict_int": true, "dict_xsyn": true, "earthdistance": true, "fuzzystrmatch": true,
	"hstore": true, "intagg": true, "intarray": true, "isn": true, "ltree": true, "pg_trgm": true,
	"pgcrypto": true, "postgis": true, "postgis_raster": true, "postgis_sfcgal": true, "rum": true,
	"seg": true, "tsm_system_rows": true, "tsm_system_time": true, "unaccent": true, "uuid-ossp": true,
	"vector": true, "pg_stat_statements": true, "pg_buffercache": true, "pgstattuple": true, "pageinspect": true,
	"sslinfo": true, "tcn": true, "insert_username": true, "moddatetime": true, "autoinc": true, "lo": true,
}

// policyFunctions depend on the session alone: on who asks, and on settings. A
// policy may call them, since whoever keeps answers under row level security
// keys them by these.
var policyFunctions = map[string]bool{
	"current_user": true, "session_user": true, "current_role": true, "user": true,
	"current_setting": true, "pg_has_role": true,
}

// clock holds the calls without parentheses that no catalog lists and that a
// policy must not make either.
var clock = map[string]bool{
	"current_date": true, "current_time": true, "current_timestamp": true, "localtime": true, "localtimestamp": true,
}

// functionsOf visits everything that a text calls, by whatever notation.
func (w *walk) functionsOf(r *reading, names *path, f frame) {
	w.judged(r, f)
	for _, n := range r.funcs {
		if !w.callNamed(n, r, names, f) && r.exact {
			// Either the server will refuse the statement, or the function is younger
			// than the snapshot.
			w.refuse(f, sqlinfo.ReasonUnknownFunction, n.String())
			w.opaque(n.String())
		}
	}
	for _, n := range r.attrs {
		w.callAttribute(n, names, f)
	}
	for _, token := range r.operators {
		for _, o := range w.s.operators[token] {
			w.operator(o, token, f)
			for _, other := range o.instead {
				w.operator(other, token, f)
			}
		}
	}
	for _, n := range r.types {
		w.cast(n, f)
		w.mentions(n, typeMentioned, f)
		if names.isTemporary(n) {
			// The row type of a temporary table, whose columns no snapshot has.
			w.refuse(f, sqlinfo.ReasonTempTable, n.String())
			w.opaque(n.String())
		}
	}
	if r.variables {
		for _, n := range r.reads {
			w.mentions(n, typeAssigned, f) // it may be the type of a variable
		}
	}
	w.typed = w.typed || len(r.types) > 0
}

// judged hands on what package sqlinfo holds against a text.
func (w *walk) judged(r *reading, f frame) {
	switch r.refusal {
	case sqlinfo.ReasonNone:
		return
	case sqlinfo.ReasonUnknownFunction:
		return // here the functions are known
	case sqlinfo.ReasonSessionFunction:
		if f.policy {
			return // each function is looked at by itself: see policyFunctions
		}
	}
	w.refuse(f, r.refusal, r.detail)
}

// callNamed visits the functions that a call may mean, and tells whether there
// are any. PostgreSQL's grammar has calls that no catalog lists, such as
// CURRENT_DATE and XMLELEMENT(...); package sqlinfo knows them.
func (w *walk) callNamed(n sqlinfo.Name, r *reading, names *path, f frame) bool {
	found := w.s.findFunctions(n, names)
	for _, fn := range found {
		w.later(func() { w.call(fn, f) })
	}
	w.cast(n, f)
	if n.Schema != "" && n.Schema != "pg_catalog" {
		return len(found) > 0
	}
	if f.policy && policyFunctions[n.Name] {
		if n.Name == "current_setting" {
			w.settingsOf(r, f)
		}
		return true
	}
	b, ok := w.s.builtins[n.Name]
	safe := sqlinfo.SafeFunction(n.Name)
	switch {
	case ok && (b.immutable || safe):
	case ok || clock[n.Name]:
		w.refuse(f, sqlinfo.ReasonUnsafeFunction, n.Name)
	}
	if ok && !b.immutable && (n.Name != "set_config" || !r.setsConstants) {
		w.builtin(n.Name)
	}
	return ok || safe || len(found) > 0 || ownFunction(n)
}

// callAttribute visits functions that x.name may call ("Using Composite Types in
// Queries" in the manual): those of one argument.
func (w *walk) callAttribute(n sqlinfo.Name, names *path, f frame) {
	for _, fn := range w.s.findFunctions(n, names) {
		if fn.minArgs <= 1 && fn.maxArgs >= 1 {
			w.later(func() { w.call(fn, f) })
		}
	}
	w.cast(n, f)
	if w.s.builtins[n.Name].unary && !sqlinfo.SafeFunction(n.Name) {
		w.refuse(f, sqlinfo.ReasonUnsafeFunction, n.Name)
		w.builtin(n.Name)
	}
}

// builtin visits a function of PostgreSQL's own that is not immutable. One that is not
// known to change nothing, such as query_to_xml, which runs what it is given, may do
// anything. SYSTEM is a way to sample.
func (w *walk) builtin(name string) {
	switch {
	case name == "set_config":
		w.session = true
	case name != "system" && !sqlinfo.WritesNothing(name):
		w.opaque(name)
	}
}

func (w *walk) cast(n sqlinfo.Name, f frame) {
	if w.s.times.zones[n.Name] {
		w.refuse(f, sqlinfo.ReasonTimeWithZone, n.String())
	}
	for _, fn := range w.s.types[n.Name] {
		w.callFor(ReasonUserCast, fn, f)
	}
}

// callFor queues the call of a function that no name in the text shows; r is why
// an answer that depends on it is refused.
func (w *walk) callFor(r sqlinfo.Reason, fn *function, f frame) {
	f.cause = r
	w.later(func() { w.call(fn, f) })
}

// call visits one function that is, or may be, called.
func (w *walk) call(fn *function, f frame) {
	key := callKey{fn, f.place()}
	if w.called[key] {
		return
	}
	if w.called == nil {
		w.called = make(map[callKey]bool)
	}
	w.called[key] = true
	f = f.inside("function " + fn.String())
	w.timesOfCall(fn, f)
	w.code(fn.defaults, f)
	switch {
	case fn.roleSet:
		f.path = f.path.as("")
	case fn.definer:
		f.path = f.path.as(fn.owner)
	}
	if fn.path != nil {
		f.path = f.path.over(fn.path)
	}
	for _, part := range fn.parts {
		w.later(func() { w.call(part, f) })
	}
	w.used(&fn.uses, f)
	w.typesMet(fn.types, typeAssigned, f)
	switch {
	case fn.kind == 'a':
	case fn.body != nil:
		w.body(fn, f)
	case fn.language == "c" || fn.language == "internal":
		// The author's word is all there is: PostgreSQL builds on it too ("Function
		// Volatility Categories" in the manual).
		if fn.volatility != 'i' {
			w.refuse(f, ReasonVolatileFunction, fn.String())
		}
		// Whether a STABLE one that is given a text runs it (crosstab does), and what that
		// calls then, nobody knows.
		if (fn.volatility == 'v' || fn.volatility == 's' && fn.texts) && !harmless[fn.extension] {
			w.opaque(fn.String())
		}
	default:
		w.dynamic(fn, f)
	}
}

// dynamic is for a function whose body cannot be read. One in another language than
// SQL and PL/pgSQL that is declared IMMUTABLE is taken at its word not to write.
func (w *walk) dynamic(fn *function, f frame) {
	w.refuse(f, ReasonDynamicFunction, fn.String())
	if fn.volatility != 'i' || fn.body != nil {
		w.opaque(fn.String()) // what it runs may call a writer, whatever it is itself
	}
}

// body visits the body of a function in SQL or PL/pgSQL. The declared volatility
// bars what a VOLATILE function may do beside reading; for the others the body
// decides, and a STABLE function that only reads tables and calls safe functions
// changes its answer only when one of those tables is written. PostgreSQL itself
// keeps functions that are not VOLATILE from writing, except through VOLATILE
// ones which they call; so what they call is followed all the same.
func (w *walk) body(fn *function, f frame) {
	r := fn.body.reading()
	backslash := !fn.body.qualified && strings.IndexByte(fn.body.text, '\\') >= 0
	w.backslash = w.backslash || backslash
	if fn.volatility == 'v' {
		w.refuse(f, ReasonVolatileFunction, fn.String())
	}
	if r.unknown || backslash && w.s.oldStrings {
		w.dynamic(fn, f)
		return
	}
	f.immutable = fn.volatility == 'i'
	w.timesOfBody(fn, r, f)
	w.assigns = true
	w.text(r, fn.body.qualified, f)
}
