package catalog

import (
	"sort"
	"strings"

	"github.com/mlcache/mlcache/sqlinfo"
)

// Session is what the meaning of names depends on.
type Session struct {
	// SearchPath holds the schemas that unqualified names are looked up in, in
	// order, as the server's current_schemas(true) gives them: with pg_catalog, and
	// with pg_temp_N once the session has a temporary schema.
	SearchPath []string
	// TempRelations holds the names of the relations in the session's temporary
	// schema, which hide others of the same name. It is asked only if SearchPath
	// has such a schema; nil then means that they are not known, and no answer is
	// kept. A temporary schema outlives its last table, so a session that has
	// dropped all of them shows an empty list here and not nil.
	TempRelations []string
}

// Resolve tells what a statement reads and writes in a session. It never fails:
// where something is not known, the closure says so. A nil info is a statement
// that was not understood.
//
// A name that no relation of the snapshot bears is taken for a column. That is
// sound as long as the snapshot is true: a relation made later is DDL, which
// ends the snapshot.
func (s *Snapshot) Resolve(info *sqlinfo.Info, sess Session) Closure {
	if info == nil {
		return Closure{WritesAll: true, Refusal: sqlinfo.ReasonSyntax}
	}
	w := walk{s: s, top: newPath(sess)}
	parts := info.Parts
	if parts == nil {
		parts = []*sqlinfo.Info{info}
	}
	for _, p := range parts {
		w.statement(p)
	}
	if info.WritesAll {
		w.changesAll(info.Detail)
	}
	return w.closure(info)
}

// closure draws up what the walk has found.
func (w *walk) closure(info *sqlinfo.Info) Closure {
	c := Closure{DDL: w.ddl, Session: w.session, RLS: w.rls, WritesAll: w.writesAll, Refusal: w.refusal, Detail: w.detail}
	if len(w.readScopes) > maxDeps {
		c.Refusal, c.Detail = ReasonClosure, ""
	} else {
		c.Reads = deps(w.readScopes)
	}
	if len(w.writeScopes) > maxDeps {
		c.WritesAll = true
	}
	if !c.WritesAll {
		c.Writes = deps(w.writeScopes)
	}
	for name := range w.settings {
		c.Settings = append(c.Settings, name)
	}
	sort.Strings(c.Settings)
	switch {
	case info.Refusal != sqlinfo.ReasonNone && info.Refusal != sqlinfo.ReasonUnknownFunction:
		c.Refusal, c.Detail = info.Refusal, info.Detail
	case info.Kind != sqlinfo.Read:
		c.Refusal, c.Detail = sqlinfo.ReasonNotRead, ""
	case c.Refusal == sqlinfo.ReasonNone && (c.WritesAll || c.DDL || c.Session || len(c.Writes) > 0):
		c.Refusal, c.Detail = ReasonWritingFunction, w.allDetail
	}
	if c.WritesAll && c.Detail == "" {
		c.Detail = w.allDetail
	}
	return c
}

// path is a way to look up unqualified names.
type path struct {
	schemas []string
	// any: the path is not known, so a name may mean whatever bears it.
	any bool
	// temp holds the names of temporary relations, which come first; hidden tells
	// that there may be some whose names are not known.
	temp   map[string]bool
	hidden bool
	key    string // equal for paths that mean the same
}

var qualified = path{schemas: []string{"pg_catalog"}, key: "pg_catalog"}

func newPath(sess Session) *path {
	p := &path{schemas: sess.SearchPath, key: strings.Join(sess.SearchPath, "\x00")}
	for _, schema := range sess.SearchPath {
		if !isTemp(schema) {
			continue
		}
		if sess.TempRelations == nil {
			p.hidden = true
			continue
		}
		p.temp = make(map[string]bool, len(sess.TempRelations))
		for _, name := range sess.TempRelations {
			p.temp[name] = true
		}
	}
	return p
}

// over gives the path of a function's body that sets its own. "$user" stands for
// a schema that depends on the role in force there.
func (p *path) over(schemas []string) *path {
	out := &path{temp: p.temp, hidden: p.hidden, schemas: []string{"pg_catalog"}}
	for _, schema := range schemas {
		switch {
		case schema == "$user":
			out.any = true
		case schema == "pg_catalog":
			out.schemas = out.schemas[1:]
		}
	}
	out.schemas = append(out.schemas, schemas...)
	out.key = "set\x00" + strings.Join(schemas, "\x00")
	return out
}

func isTemp(schema string) bool {
	return schema == "pg_temp" || strings.HasPrefix(schema, "pg_temp_")
}

// find gives the relations that a name may mean: at most one if the path is
// known, since the first schema that has the name wins ("Schemas", "The Schema
// Search Path" in the PostgreSQL manual). temp tells that it may mean a
// temporary one.
func (s *Snapshot) find(n sqlinfo.Name, p *path) (found []*relation, temp bool) {
	if n.Schema != "" {
		if isTemp(n.Schema) {
			return nil, true
		}
		if r := s.relations[n.Schema][n.Name]; r != nil {
			return []*relation{r}, false
		}
		return nil, false
	}
	temp = p.hidden || p.temp[n.Name]
	if p.any {
		return s.relationsNamed[n.Name], temp
	}
	for _, schema := range p.schemas {
		if r := s.relations[schema][n.Name]; r != nil {
			return []*relation{r}, temp
		}
	}
	return nil, temp
}

// findFunctions gives the functions that a call may mean. Overloads of one name
// are told apart by the types of the arguments, which the text does not show, so
// all in the path count.
func (s *Snapshot) findFunctions(n sqlinfo.Name, p *path) []*function {
	switch {
	case n.Schema != "":
		return s.functions[n.Schema][n.Name]
	case p.any:
		return s.functionsNamed[n.Name]
	}
	var found []*function
	for _, schema := range p.schemas {
		found = append(found, s.functions[schema][n.Name]...)
	}
	return found
}
