package catalog

import (
	"sort"

	"github.com/mlcache/mlcache/sqlinfo"
)

// Dep is one table that a statement reads or writes.
type Dep struct {
	// Scope is the table as "schema.table"; see [Scope].
	Scope string
	// Via tells how the table was found, from the statement inwards: the views,
	// triggers, functions, cascades, rules and policies in between, such as
	// "view public.open_orders". It is nil for a table that the text names.
	Via []string
}

// Closure is everything that is known about a statement. The zero value is that
// of a statement which reads and writes nothing.
type Closure struct {
	// Reads holds the tables that the answer may depend on, and Writes those whose
	// content, as anybody may see it, the statement may change. Both are sorted by
	// Scope and have no duplicates. Two statements touch each other only if the
	// Writes of one and the Reads of the other share a scope (or WritesAll is set):
	// a partition or inheritance child always comes with all its ancestors.
	Reads, Writes []Dep
	// WritesAll: the statement may change any table. Writes is nil then.
	WritesAll bool
	// DDL: the statement may change the schema or the rights on it, so that every
	// snapshot made before it has ended is out of date.
	DDL bool
	// Session: the statement may, by a function it calls, change the settings of
	// the session or create temporary tables, so that what is known of the session
	// must be read again from the server. Statements that say so in their own text
	// (SET, RESET, DISCARD) are sqlinfo's to report, by Info.Kind, and so are calls of
	// set_config that name a setting by a constant and one on which no name depends,
	// by Info.ChangedSettings.
	Session bool
	// OnlySettings: Session is set, and for no more than the settings in
	// Info.ChangedSettings.
	OnlySettings bool
	// Backslash: a backslash stands in the body of a function that is reached. Where
	// standard_conforming_strings is off, the body means something else then than
	// was read.
	Backslash bool

	// Refusal is empty if the answer of the statement may be kept until one of
	// Reads is written; else it says why not. A statement that writes always has one.
	Refusal sqlinfo.Reason
	// Detail names what caused Refusal or WritesAll: a function, a relation, a
	// keyword. It never holds the value of a literal.
	Detail string
	// Firm is what stands in the way of keeping the answer even if a caller names the
	// tables behind the statement, which overrules some reasons (see [Vouchable]) and
	// no others: "" if that is enough. It is Refusal unless that is such a one.
	Firm sqlinfo.Reason

	// RLS: row level security stands on one of the tables read. The answer then
	// depends on the user, the role and row_security besides the rows, and on the
	// settings named in Settings.
	RLS bool
	// Settings holds, sorted, the settings whose value the answer depends on
	// because a policy reads them with current_setting. Custom settings such as
	// app.tenant are not listed by the view pg_settings, so whoever keys answers by
	// the state of the session has to ask for these by name.
	Settings []string
}

// maxDeps bounds the tables of one closure. An answer that depends on more is
// not kept, and a write that touches more counts as a write to everything: the
// header of a cache entry names every table, and must stay small.
const maxDeps = 256

// maxVisits bounds the objects that are looked at for one closure, and so its
// time, whatever the schema.
const maxVisits = 5000

// deps lists what was found, sorted by scope.
func deps(found map[string]*step) []Dep {
	if len(found) == 0 {
		return nil
	}
	out := make([]Dep, 0, len(found))
	for scope, via := range found {
		out = append(out, Dep{Scope: scope, Via: via.names()})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Scope < out[j].Scope })
	return out
}

// step is one link of the way from the statement to an object; nil is the
// statement itself.
type step struct {
	name string
	from *step
}

func (s *step) names() []string {
	n := 0
	for p := s; p != nil; p = p.from {
		n++
	}
	if n == 0 {
		return nil
	}
	out := make([]string, n)
	for p := s; p != nil; p = p.from {
		n--
		out[n] = p.name
	}
	return out
}
