package catalog

import "github.com/mlcache/mlcache/sqlinfo"

// No text shows the functions behind an assignment cast, behind the cast to json that
// to_json and its kin look for, or behind a domain that an argument has. So types are
// followed: each that may occur is noted, and how, and every cast counts that stands
// between two of them.

// userType is a type of the user. Parts holds what a value of it is made of: the base
// of a domain, the elements of an array, the columns of a row.
type userType struct {
	name     string
	parts    []*userType
	checks   []*function // of a domain, and of those beneath it
	builtins []string    // see relation.builtins
	// always holds what the server calls where it makes, compares or estimates values of
	// it: a range's canonical and subtype_diff.
	always []*function
}

// typeUse is how a type occurs; a higher one includes the lower.
type typeUse uint8

const (
	typeSeen      typeUse = iota + 1 // values of it are read
	typeAssigned                     // values are made into it where one is assigned or given
	typeMentioned                    // values are cast to it
)

// userCast is a cast by a function of the user. A source or target that comes with
// the server is nil: it may occur anywhere.
type userCast struct {
	source, target *userType
	toJSON         bool
	context        byte // pg_cast.castcontext
	calls          *function
}

// builtinCast is a cast to a type that comes with the server.
type builtinCast struct {
	source string
	calls  *function
}

// typeRow is one row of queryTypes.
type typeRow struct{ kind, a, b, c, d string }

func (b *builder) addType(r *rowReader) {
	t := typeRow{r.text(), r.text(), r.text(), r.text(), r.text()}
	b.typeRows = append(b.typeRows, t)
	if t.kind == "type" {
		b.userTypes[id(t.a)] = &userType{name: t.b}
	}
}

// unseen stands for a function that no snapshot has: one in a temporary schema.
var unseen = &function{schema: "pg_temp", name: "?", volatility: 'v'}

// firstUserOid is FirstNormalObjectId.
const firstUserOid = 16384

// function gives the function of an identifier; nil for one of PostgreSQL's own.
func (b *builder) function(id oid) *function {
	f := b.functions[id]
	if f == nil && id >= firstUserOid {
		return unseen
	}
	return f
}

// tieTypes ties together what queryTypes has given.
func (b *builder) tieTypes(s *Snapshot) {
	s.typesNamed = make(map[string][]*userType)
	rows := make(map[oid]*userType) // by pg_type.typrelid
	for _, r := range b.typeRows {
		if r.kind != "type" {
			continue
		}
		t := b.userTypes[id(r.a)]
		s.typesNamed[r.b] = append(s.typesNamed[r.b], t)
		if rel := id(r.c); rel != 0 {
			rows[rel] = t
		}
		if part := b.userTypes[id(r.d)]; part != nil {
			t.parts = append(t.parts, part)
		}
	}
	for _, r := range b.typeRows {
		t := b.userTypes[id(r.d)]
		switch r.kind {
		case "range":
			if of, f := b.userTypes[id(r.a)], b.function(id(r.b)); of != nil && f != nil {
				of.always = append(of.always, f)
				s.maintained = append(s.maintained, f)
			}
		case "multirange":
			if of := b.userTypes[id(r.a)]; of != nil && t != nil {
				of.parts = append(of.parts, t)
			}
		case "column":
			if row := rows[id(r.a)]; row != nil && t != nil {
				row.parts = append(row.parts, t)
			}
			if rel := b.relations[id(r.a)]; rel != nil && t != nil {
				rel.types = append(rel.types, t)
			}
		case "function":
			if f := b.functions[id(r.a)]; f != nil && t != nil {
				f.types = append(f.types, t)
			}
		case "cast":
			const json, jsonb = "114", "3802"
			s.casts = append(s.casts, &userCast{
				source: b.userTypes[id(r.c)], target: t, toJSON: r.d == json || r.d == jsonb,
				context: letter(r.b), calls: b.function(id(r.a)),
			})
		}
	}
}

// mentions notes the types of a name.
func (w *walk) mentions(n sqlinfo.Name, use typeUse, f frame) {
	w.typesMet(w.s.typesNamed[n.Name], use, f)
}

// typesMet notes types that occur, and what they are made of.
func (w *walk) typesMet(types []*userType, use typeUse, f frame) {
	for _, t := range types {
		if w.types[t] >= use {
			continue
		}
		if w.types == nil {
			w.types = make(map[*userType]typeUse)
		}
		for _, fn := range t.always {
			w.later(func() { w.call(fn, f) })
		}
		w.types[t] = use
		if use >= typeAssigned {
			w.domainsMet([]*userType{t}, f)
		}
		if use >= typeMentioned {
			for _, fn := range w.s.types[t.name] {
				w.callFor(ReasonUserCast, fn, f)
			}
		}
		w.later(func() { w.typesMet(t.parts, use, f) })
	}
}

// literalsMet follows the checks of domains within arrays, ranges and rows: a literal takes
// the type of such a column when it is compared with it. A column that is a domain itself
// is compared as its base.
func (w *walk) literalsMet(types []*userType, f frame) {
	for _, t := range types {
		if len(t.checks) == 0 && len(t.builtins) == 0 {
			w.later(func() { w.domainsMet(t.parts, f) })
		}
	}
}

// domainsMet follows the checks of domains that values may be made of, and of those
// beneath.
func (w *walk) domainsMet(types []*userType, f frame) {
	for _, t := range types {
		if w.domains[t] {
			continue
		}
		if w.domains == nil {
			w.domains = make(map[*userType]bool)
		}
		w.domains[t] = true
		for _, fn := range t.checks {
			w.callFor(ReasonUserCast, fn, f)
		}
		w.builtins(t.builtins, f)
		w.later(func() { w.domainsMet(t.parts, f) })
	}
}

// may tells whether a type may occur in a way.
func (w *walk) may(t *userType, use typeUse) bool { return t == nil || w.types[t] >= use }

// unseenCasts visits the casts that may be called though no text names them: those
// AS ASSIGNMENT where values are assigned, those to json, and those AS IMPLICIT again
// where code runs under another path. A cast's function may bring more types in.
func (w *walk) unseenCasts() {
	f := frame{path: w.top}
	if w.strayed {
		f.path = f.path.elsewhere()
	}
	seen := make(map[*userCast]bool)
	byName := make(map[*function]bool)
	for again := true; again; {
		again = false
		for _, c := range w.s.casts {
			called := c.context == 'i' && w.strayed ||
				c.context == 'a' && w.assigns && w.may(c.source, typeSeen) && w.may(c.target, typeAssigned) ||
				c.toJSON && w.may(c.source, typeSeen)
			if called && !seen[c] && c.calls != nil {
				seen[c], again = true, true
				w.callFor(ReasonUserCast, c.calls, f)
			}
		}
		for _, c := range w.s.builtinCasts {
			if w.typed && !byName[c.calls] && w.mayNamed(c.source) {
				byName[c.calls], again = true, true
				w.callFor(ReasonUserCast, c.calls, f)
			}
		}
		w.drain()
	}
}

// mayNamed tells whether a type of the name may be read. One that is not known may be
// anywhere.
func (w *walk) mayNamed(name string) bool {
	named := w.s.typesNamed[name]
	for _, t := range named {
		if w.may(t, typeSeen) {
			return true
		}
	}
	return len(named) == 0
}

// maintains visits what VACUUM, ANALYZE, CLUSTER and REINDEX compute, whichever
// relations they are for. They do it as the owner.
func (w *walk) maintains(f frame) {
	f.path = f.path.elsewhere()
	for _, fn := range w.s.maintained {
		w.later(func() { w.call(fn, f) })
	}
	for _, rel := range w.s.indexed {
		for _, fn := range rel.onIndex {
			w.later(func() { w.call(fn, f) })
		}
		w.builtins(rel.builtins, f)
	}
}
