package catalog

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/mlcache/mlcache/sqlinfo"
)

// schema builds a snapshot by hand, out of the rows that a server would send.
type schema struct {
	b    *builder
	next int
}

func newSchema() *schema { return &schema{b: newBuilder(), next: 16384} }

func row(columns ...any) *rowReader {
	r := &rowReader{}
	for _, c := range columns {
		if c == nil {
			r.row = append(r.row, nil)
			continue
		}
		s := fmt.Sprint(c)
		r.row = append(r.row, &s)
	}
	return r
}

func (s *schema) id() int { s.next++; return s.next }

// relation adds a relation of a kind (pg_class.relkind) to the schema public.
func (s *schema) relation(name, kind string) int {
	return s.relationIn("public", name, kind, "p", false)
}

func (s *schema) relationIn(schema, name, kind, persistence string, rls bool) int {
	id := s.id()
	s.b.addRelation(row(id, schema, name, kind, persistence, rls, "owner"))
	return id
}

func (s *schema) table(name string) int { return s.relation(name, "r") }

func (s *schema) view(name, query string, uses ...int) int {
	id := s.relation(name, "v")
	s.queryOf(id, query, uses...)
	return id
}

// queryOf gives a view or materialized view its query, and the relations that the
// server has recorded as used.
func (s *schema) queryOf(view int, query string, uses ...int) {
	rule := s.id()
	s.b.addRule(row(rule, view, "1", "_RETURN", query))
	for _, u := range uses {
		s.b.addDepend(row("rule", rule, "relation", u))
	}
}

func (s *schema) rule(rel int, event, name string, uses ...int) {
	rule := s.id()
	s.b.addRule(row(rule, rel, event, name, nil))
	for _, u := range uses {
		s.b.addDepend(row("rule", rule, "relation", u))
	}
}

// function adds a function of no arguments to the schema public.
func (s *schema) function(name, volatility, language, body string) int {
	return s.functionWith(name, volatility, language, body, nil, nil, 0)
}

func (s *schema) functionWith(name, volatility, language, body string, path, defaults any, args int) int {
	id := s.id()
	if path != nil {
		path = fmt.Sprint("=", path)
	}
	s.b.addFunction(row(id, "public", name, "f", volatility, language, nil, 0, args, path, defaults, body, nil, nil, false, false))
	return id
}

func (s *schema) link(kind string, columns ...any) {
	for len(columns) < 5 {
		columns = append(columns, nil)
	}
	s.b.addLink(row(append([]any{kind}, columns...)...))
}

// Bits of pg_trigger.tgtype.
const (
	onInsert = 1 << 2
	onDelete = 1 << 3
	onUpdate = 1 << 4
)

func (s *schema) trigger(name string, rel, function, tgtype int) int {
	id := s.id()
	s.link("trigger", id, rel, function, strconv.Itoa(tgtype), name)
	return id
}

func (s *schema) key(name string, child, parent int, onDelete, onUpdate string) {
	s.link("foreign key", child, parent, onDelete, onUpdate, name)
}

func (s *schema) inherits(child, parent int) { s.link("inherits", child, parent) }

func (s *schema) builtins(immutable ...string) {
	for _, name := range immutable {
		s.b.addBuiltin(row(name, true, false))
	}
	for _, name := range []string{"now", "random", "nextval", "pg_sleep", "set_config", "current_setting", "query_to_xml", "pg_notify"} {
		s.b.addBuiltin(row(name, false, name == "pg_sleep" || name == "nextval"))
	}
}

func (s *schema) snapshot() *Snapshot { return s.b.build() }

var publicPath = Session{SearchPath: []string{"pg_catalog", "public"}}

func (s *schema) resolve(sql string) Closure { return resolveIn(s.snapshot(), sql) }

func scopesOf(deps []Dep) string {
	out := ""
	for i, d := range deps {
		if i > 0 {
			out += " "
		}
		out += d.Scope
	}
	return out
}

func wantReads(t *testing.T, c Closure, reads string) {
	t.Helper()
	if got := scopesOf(c.Reads); got != reads || c.Refusal != "" {
		t.Errorf("reads %q, refusal %q (%s); want %q, to be kept", got, c.Refusal, c.Detail, reads)
	}
}

func wantWrites(t *testing.T, c Closure, writes string) {
	t.Helper()
	if got := scopesOf(c.Writes); got != writes || c.WritesAll || c.Refusal == "" {
		t.Errorf("writes %q, all: %v (%s), refusal %q; want %q", got, c.WritesAll, c.Detail, c.Refusal, writes)
	}
}

func wantRefusal(t *testing.T, c Closure, r sqlinfo.Reason, detail string) {
	t.Helper()
	if c.Refusal != r || c.Detail != detail {
		t.Errorf("refusal %q (%q), want %q (%q)", c.Refusal, c.Detail, r, detail)
	}
}

func resolveIn(s *Snapshot, sql string) Closure {
	return s.ResolveText(sql, sqlinfo.Parse(sql), publicPath)
}
