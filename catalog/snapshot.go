package catalog

import "sync"

// Snapshot is the schema as it was at one moment. It is immutable and may be
// used by any number of goroutines; the texts of views and functions are read
// when they are first asked for.
type Snapshot struct {
	fingerprint string

	relations map[string]map[string]*relation // by schema, then name
	functions map[string]map[string][]*function
	// relationsNamed and functionsNamed serve bodies whose search path is not known.
	relationsNamed map[string][]*relation
	functionsNamed map[string][]*function

	// closed holds the schemas that not every role may use.
	closed map[string]bool

	builtins  map[string]builtin
	operators map[string][]*operator // by token
	types     map[string][]*function // functions behind casts to a type and behind a domain
	// dateTypes holds the types of the user that may hold a date: domains, composite
	// types, ranges.
	dateTypes map[string]bool
	times     times
	// oldStrings: some function sets standard_conforming_strings off, and so may be behind
	// any call. PL/pgSQL keeps a body as it was read at the first call of a session.
	oldStrings bool
	// eventTrigger is the name of an event trigger that commands may fire; "" for none.
	eventTrigger string
	// logins are the functions of event triggers that connections fire (PostgreSQL 17).
	logins []*function
	// implicit holds the functions of implicit casts, which no text shows.
	implicit []*function
	// castBuiltins are functions of PostgreSQL's own behind casts of the user, which any
	// text may have; see queryBuiltinCalls.
	castBuiltins []string
	// casts holds all casts by functions of the user; see types.go.
	casts      []*userCast
	typesNamed map[string][]*userType
	// indexed holds the relations whose indexes and statistics may call functions.
	indexed []*relation
	// maintained are functions of types that are called where statistics are made.
	maintained []*function
	// builtinCasts: some function of the user stands behind a cast to a built-in
	// type, which the text may call by several names (int, int4, integer).
	builtinCasts []builtinCast
}

// Fingerprint identifies the state of the schema that the snapshot shows.
func (s *Snapshot) Fingerprint() string { return s.fingerprint }

// HasEventTriggers reports whether commands fire event triggers, whatever these do.
func (s *Snapshot) HasEventTriggers() bool { return s.eventTrigger != "" }

// oid is an object identifier of PostgreSQL, unique within its catalog.
type oid uint32

type relation struct {
	oid          oid
	schema, name string
	scope        string
	owner        string
	kind         byte // pg_class.relkind
	persistence  byte // pg_class.relpersistence
	rls          bool
	time, zone   bool     // it holds a time, one with time zone
	zones        []string // the columns that hold one with time zone
	texts        []string // the columns that may hold a text, alone or in something
	others       []string // the other columns

	parents []*relation
	// ancestors holds all tables above this one, however far; active those below
	// it in which a write sets something off.
	ancestors, active []*relation
	// foreignBelow and unloggedBelow are tables of that kind below it, if any.
	foreignBelow, unloggedBelow *relation
	view                        *code // of a view or materialized view: its query
	rules                       []*rule
	keys                        []foreignKey // that refer to this relation
	triggers                    []*trigger
	policies                    []*code
	// onWrite holds the functions that defaults, CHECK constraints and domains
	// call when a row is written; onIndex those that its indexes, statistics and
	// partitions call then and in maintenance; builtins those of PostgreSQL's own that
	// may do more than compute.
	onWrite, onIndex []*function
	builtins         []string
	types            []*userType // of its columns and defaults
	// runsAnything: what it sets off may do anything; see queryRunsAnything.
	runsAnything bool
}

func (r *relation) isSystem() bool {
	return r.schema == "pg_catalog" || r.schema == "information_schema"
}

// climb finds all ancestors, and tells them what they must know of the table.
func (r *relation) climb() {
	seen := map[*relation]bool{r: true}
	for todo := r.parents; len(todo) > 0; {
		next := todo[0]
		todo = todo[1:]
		if seen[next] {
			continue
		}
		seen[next] = true
		r.ancestors = append(r.ancestors, next)
		todo = append(todo[:len(todo):len(todo)], next.parents...)
	}
	active := r.rls || r.runsAnything || len(r.rules)+len(r.keys)+len(r.triggers)+len(r.onWrite)+
		len(r.onIndex)+len(r.builtins)+len(r.types) > 0
	for _, a := range r.ancestors {
		if active {
			a.active = append(a.active, r)
		}
		if r.kind == 'f' {
			a.foreignBelow = r
		}
		if r.persistence == 'u' {
			a.unloggedBelow = r
		}
	}
}

// rule is a rewrite rule other than a view's query.
type rule struct {
	name string
	op   op
	uses
}

// uses is what PostgreSQL itself has recorded that a parsed expression uses.
type uses struct {
	relations []*relation
	functions []*function
	types     []*userType // of rules only
	builtins  []string    // of rules only: see relation.builtins
}

type foreignKey struct {
	name               string
	child              *relation
	onDelete, onUpdate byte // pg_constraint.confdeltype, confupdtype
}

type trigger struct {
	name     string
	op       op
	builtins []string
	calls    []*function // the trigger's function and those in its WHEN
	// late: it may run only at COMMIT, whatever the path and the role are by then.
	late bool
}

type function struct {
	oid          oid
	schema, name string
	kind         byte // pg_proc.prokind
	volatility   byte // pg_proc.provolatile
	language     string
	extension    string
	minArgs      int
	maxArgs      int
	// path is the search path that the function sets for its body; nil if it runs
	// with that of its caller.
	path []string
	// definer: it runs as its owner; roleSet: as a role that it sets itself.
	definer, roleSet bool
	owner            string
	defaults         *code       // of its arguments; they are evaluated by the caller
	body             *code       // nil if the language is neither SQL nor PL/pgSQL
	parts            []*function // of an aggregate
	types            []*userType // of its arguments and results
	// texts: an argument may hold a text.
	texts bool
	uses
	timed
}

func (f *function) String() string { return Scope(f.schema, f.name) }

// builtin is what is known of the built-in functions of one name.
type builtin struct {
	immutable bool // all of them
	unary     bool // one that is not immutable takes a single argument
}

// code is a text that the server runs: a view's query, a policy, a function's
// body. It is read once, when it is first needed.
type code struct {
	language string // "sql" or "plpgsql"
	text     string
	// qualified: the server has written the text out from its parsed form, with
	// only pg_catalog on the search path.
	qualified bool
	// uses is what the server recorded; empty for a body kept as text.
	uses

	once   sync.Once
	parsed *reading
}
