package catalog

import (
	"strconv"
	"strings"
)

// builder gathers rows in whatever order they come and ties them together at
// the end. Rows about objects that are not loaded (temporary ones, ones made
// while the snapshot was taken) are passed over.
type builder struct {
	fingerprint string
	relations   map[oid]*relation
	functions   map[oid]*function
	// tables and routines hold the same in the order of the rows, so that equal
	// schemas give equal closures.
	tables       []*relation
	routines     []*function
	rules        map[oid]*rule
	views        map[oid]*code // by the rule that holds the view's query
	policies     map[oid]*code
	operators    map[oid]*operator
	tokens       map[oid]string
	builtins     map[string]builtin
	types        map[oid]*domain
	typeRows     []typeRow
	userTypes    map[oid]*userType
	builtinCalls []depend
	links        []link
	triggers     map[oid]*trigger
	depends      []depend
	times        times
	oldStrings   bool
}

type link struct {
	kind          string
	a, b, c, d, e string
}

type depend struct {
	kind   string
	owner  oid
	used   string
	object oid
}

type domain struct {
	name  string
	base  oid
	calls []*function
}

func newBuilder() *builder {
	return &builder{
		relations: make(map[oid]*relation),
		functions: make(map[oid]*function),
		rules:     make(map[oid]*rule),
		views:     make(map[oid]*code),
		policies:  make(map[oid]*code),
		operators: make(map[oid]*operator),
		tokens:    make(map[oid]string),
		builtins:  make(map[string]builtin),
		types:     make(map[oid]*domain),
		userTypes: make(map[oid]*userType),
		triggers:  make(map[oid]*trigger),
	}
}

func (b *builder) addRelation(r *rowReader) {
	rel := &relation{
		oid: r.oid(), schema: r.text(), name: r.text(),
		kind: r.letter(), persistence: r.letter(), rls: r.truth(), owner: r.text(),
	}
	rel.scope = Scope(rel.schema, rel.name)
	b.relations[rel.oid] = rel
	b.tables = append(b.tables, rel)
}

func (b *builder) addColumns(r *rowReader) {
	rel, columns := b.relations[r.oid()], r.text()
	if rel == nil {
		return
	}
	for name := range strings.SplitSeq(columns, "\x1f") {
		if text, ok := strings.CutPrefix(name, "!"); ok {
			rel.texts = append(rel.texts, text)
		} else {
			rel.others = append(rel.others, name)
		}
	}
}

func (b *builder) addFunction(r *rowReader) {
	f := &function{
		oid: r.oid(), schema: r.text(), name: r.text(), kind: r.letter(), volatility: r.letter(),
		language: r.text(), extension: r.text(), minArgs: r.number(), maxArgs: r.number(),
	}
	path, sets := strings.CutPrefix(r.text(), "=")
	if defaults := r.text(); defaults != "" {
		f.defaults = &code{language: "sql", text: "SELECT " + defaults, qualified: true}
	}
	source, parsed := r.text(), r.text()
	f.owner, f.roleSet, b.oldStrings = r.text(), r.truth(), r.truth() || b.oldStrings
	f.texts = r.truth()
	f.definer = f.owner != ""
	if sets {
		var ok bool
		if f.path, ok = splitPath(path); !ok {
			f.roleSet = true // the server reads it in some other way: as good as not known
		}
	}
	switch {
	case f.language != "sql" && f.language != "plpgsql":
	case parsed != "":
		f.body = &code{language: f.language, text: parsed, qualified: true}
	default:
		f.body = &code{language: f.language, text: source}
	}
	b.functions[f.oid] = f
	b.routines = append(b.routines, f)
}

func (b *builder) addBuiltin(r *rowReader) {
	b.builtins[r.text()] = builtin{immutable: r.truth(), unary: r.truth()}
}

func (b *builder) addRule(r *rowReader) {
	id, rel, event, name, text := r.oid(), b.relations[r.oid()], r.letter(), r.text(), r.text()
	if rel == nil {
		return
	}
	if event == '1' {
		rel.view = &code{language: "sql", text: text, qualified: true}
		b.views[id] = rel.view
		return
	}
	// The letters of pg_rewrite.ev_type are those of the parser's CmdType.
	events := map[byte]op{'2': opUpdate, '3': opInsert, '4': opDelete}
	ru := &rule{name: name, op: events[event]}
	rel.rules = append(rel.rules, ru)
	b.rules[id] = ru
}

func (b *builder) addPolicy(r *rowReader) {
	id, rel, text := r.oid(), b.relations[r.oid()], r.text()
	if rel == nil {
		return
	}
	c := &code{language: "sql", text: text, qualified: true}
	rel.policies = append(rel.policies, c)
	b.policies[id] = c
}

func (b *builder) addLink(r *rowReader) {
	b.links = append(b.links, link{r.text(), r.text(), r.text(), r.text(), r.text(), r.text()})
}

func (b *builder) addDepend(r *rowReader) {
	b.depends = append(b.depends, depend{r.text(), r.oid(), r.text(), r.oid()})
}

func (b *builder) build() *Snapshot {
	s := &Snapshot{
		fingerprint:    b.fingerprint,
		times:          b.times,
		oldStrings:     b.oldStrings,
		relations:      make(map[string]map[string]*relation),
		functions:      make(map[string]map[string][]*function),
		relationsNamed: make(map[string][]*relation),
		functionsNamed: make(map[string][]*function),
		builtins:       b.builtins,
		operators:      make(map[string][]*operator),
		types:          make(map[string][]*function),
		dateTypes:      make(map[string]bool),
		closed:         make(map[string]bool),
	}
	for _, rel := range b.tables {
		if s.relations[rel.schema] == nil {
			s.relations[rel.schema] = make(map[string]*relation)
		}
		s.relations[rel.schema][rel.name] = rel
		s.relationsNamed[rel.name] = append(s.relationsNamed[rel.name], rel)
	}
	for _, f := range b.routines {
		if s.functions[f.schema] == nil {
			s.functions[f.schema] = make(map[string][]*function)
		}
		s.functions[f.schema][f.name] = append(s.functions[f.schema][f.name], f)
		s.functionsNamed[f.name] = append(s.functionsNamed[f.name], f)
	}
	b.tieTypes(s)
	for _, l := range b.links {
		b.tie(s, l)
	}
	for _, o := range b.operators {
		b.tieInstead(o)
	}
	for _, d := range b.depends {
		b.use(d)
	}
	// Only now are the calls of all domains known.
	for _, l := range b.links {
		if l.kind == "domain column" {
			if rel := b.relations[id(l.a)]; rel != nil {
				rel.onWrite = append(rel.onWrite, b.domainCalls(id(l.b))...)
			}
		}
	}
	for typ, d := range b.types {
		if calls := b.domainCalls(typ); calls != nil {
			s.types[d.name] = append(s.types[d.name], calls...)
		}
	}
	b.tieChecks(s)
	for _, rel := range b.tables {
		rel.climb()
		if len(rel.onIndex)+len(rel.builtins) > 0 {
			s.indexed = append(s.indexed, rel)
		}
	}
	return s
}

// tie carries out one row of queryLinks.
func (b *builder) tie(s *Snapshot, l link) {
	switch l.kind {
	case "inherits":
		if child, parent := b.relations[id(l.a)], b.relations[id(l.b)]; child != nil && parent != nil {
			child.parents = append(child.parents, parent)
		}
	case "foreign key":
		if child, parent := b.relations[id(l.a)], b.relations[id(l.b)]; child != nil && parent != nil {
			parent.keys = append(parent.keys, foreignKey{
				name: l.e, child: child, onDelete: letter(l.c), onUpdate: letter(l.d),
			})
		}
	case "trigger":
		rel, f := b.relations[id(l.b)], b.function(id(l.c))
		if rel != nil && f != nil {
			name, late := strings.CutSuffix(l.e, "\x1f")
			t := &trigger{name: name, op: triggerOps(l.d), late: late, calls: []*function{f}}
			rel.triggers = append(rel.triggers, t)
			b.triggers[id(l.a)] = t
		}
	case "aggregate":
		if f, part := b.functions[id(l.a)], b.functions[id(l.b)]; f != nil && part != nil {
			f.parts = append(f.parts, part)
		}
	case "operator":
		parts := strings.SplitN(l.e, " ", 4)
		if len(parts) < 4 {
			return
		}
		o := &operator{schema: l.b, calls: b.function(id(l.d)), stable: parts[0] != "i", builtin: parts[3], com: id(parts[1]), neg: id(parts[2])}
		b.operators[id(l.a)] = o
		s.operators[l.c] = append(s.operators[l.c], o)
	case "cast":
		f := b.function(id(l.a))
		if f == nil {
			return
		}
		if l.d == "i" {
			s.implicit = append(s.implicit, f)
		}
		if l.c == "true" {
			s.types[l.b] = append(s.types[l.b], f)
		} else {
			s.builtinCasts = append(s.builtinCasts, builtinCast{l.e, f})
		}
	case "event trigger":
		if l.b != "login" {
			s.eventTrigger = l.a
		} else if f := b.function(id(l.c)); f != nil {
			s.logins = append(s.logins, f)
		}
	case "closed schema":
		s.closed[l.a] = true
	case "date type":
		s.dateTypes[l.a] = true
	case "runs anything":
		b.anything(l)
	case "domain":
		b.types[id(l.a)] = &domain{name: l.c, base: id(l.d)}
	}
}

// use carries out one row of queryDepends.
func (b *builder) use(d depend) {
	switch d.used {
	case "function":
		b.useFor(d, b.function(d.object))
	case "operator":
		if o := b.operators[d.object]; o != nil {
			b.useFor(d, o.calls)
			for _, other := range o.instead {
				b.useFor(d, other.calls)
			}
		}
	default:
		b.useFor(d, nil)
	}
}

// useFor notes a use, and what it calls, if that is a function of the user.
func (b *builder) useFor(d depend, calls *function) {
	var to *uses
	switch d.kind {
	case "rule":
		if c := b.views[d.owner]; c != nil {
			to = &c.uses
		} else if r := b.rules[d.owner]; r != nil {
			to = &r.uses
		}
	case "policy":
		if c := b.policies[d.owner]; c != nil {
			to = &c.uses
		}
	case "function":
		if f := b.functions[d.owner]; f != nil {
			to = &f.uses
		}
	case "trigger":
		if t := b.triggers[d.owner]; t != nil && calls != nil && calls != t.calls[0] {
			t.calls = append(t.calls, calls)
		}
	case "relation":
		rel := b.relations[d.owner]
		switch {
		case rel == nil:
		case calls != nil:
			rel.onWrite = append(rel.onWrite, calls)
		case d.used == "type" && b.userTypes[d.object] != nil:
			rel.types = append(rel.types, b.userTypes[d.object])
		}
	case "index":
		if rel := b.relations[d.owner]; rel != nil && calls != nil {
			rel.onIndex = append(rel.onIndex, calls)
		}
	case "domain":
		if dom := b.types[d.owner]; dom != nil && calls != nil {
			dom.calls = append(dom.calls, calls)
		}
	}
	switch {
	case to == nil:
	case d.used == "type":
		if t := b.userTypes[d.object]; t != nil {
			to.types = append(to.types, t)
		}
	case calls != nil:
		to.functions = append(to.functions, calls)
	case d.used == "relation":
		if rel := b.relations[d.object]; rel != nil {
			to.relations = append(to.relations, rel)
		}
	}
}

// domainCalls gives the functions that checking a value of the type calls, those
// of the domains beneath it included.
func (b *builder) domainCalls(typ oid) []*function {
	var out []*function
	for d := b.types[typ]; d != nil; d = b.types[d.base] {
		out = append(out, d.calls...)
	}
	return out
}

func id(s string) oid {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return oid(n)
}

func letter(s string) byte {
	if s == "" {
		return 0
	}
	return s[0]
}
