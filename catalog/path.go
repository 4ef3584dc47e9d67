package catalog

import (
	"slices"
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
	// TempPlain holds those of TempRelations that [QueryTemporary] calls plain: a
	// write to one of them changes nothing else. A write to any other counts as a
	// write to everything, since its triggers are in no snapshot. Defaults to none.
	TempPlain []string
}

// QueryTemporary asks a session for its temporary relations: the name of each,
// and 'true' if it is plain: a table without rules and triggers, and without
// functions of the user in its defaults and constraints.
const QueryTemporary = `SELECT c.relname::pg_catalog.text, (c.relkind = 'r' AND NOT c.relhasrules
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND t.tgfoid >= 16384)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
    LEFT JOIN pg_catalog.pg_attrdef a ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND a.oid = d.objid
    LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = d.objid
    WHERE (a.adrelid = c.oid OR k.conrelid = c.oid) AND d.refobjid >= 16384
      AND d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = c.oid AND t.typtype = 'd'))::pg_catalog.text
FROM pg_catalog.pg_class c
WHERE c.relnamespace = pg_catalog.pg_my_temp_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')`

// path is a way to look up unqualified names.
type path struct {
	schemas []string
	// any: the path is not known, so a name may mean whatever bears it.
	any bool
	// temp holds the names of temporary relations, which come first, and whether
	// they are plain; hidden tells that there may be some whose names are not known.
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
			p.temp[name] = slices.Contains(sess.TempPlain, name)
		}
	}
	return p
}

// unknown gives the path after something may have set another one.
func (p *path) unknown() *path {
	return &path{temp: p.temp, hidden: p.hidden, any: true, key: "any"}
}

// over gives the path of a function's body that sets its own. "$user" stands for
// a schema that depends on the role in force there.
func (p *path) over(schemas []string) *path {
	if p.any {
		return p
	}
	out := &path{temp: p.temp, hidden: p.hidden, any: slices.Contains(schemas, "$user")}
	if !slices.Contains(schemas, "pg_catalog") {
		// It is searched first unless the path says otherwise.
		out.schemas = append(out.schemas, "pg_catalog")
	}
	out.schemas = append(out.schemas, schemas...)
	out.key = "set\x00" + strings.Join(schemas, "\x00")
	return out
}

func isTemp(schema string) bool {
	return schema == "pg_temp" || strings.HasPrefix(schema, "pg_temp_")
}

// temporary tells whether a name may mean a temporary relation, and if so whether
// that one is plain.
func (p *path) temporary(n sqlinfo.Name) (temp, plain bool) {
	if n.Schema != "" && !isTemp(n.Schema) {
		return false, false
	}
	plain, temp = p.temp[n.Name]
	return temp || p.hidden || n.Schema != "", plain
}

// find gives the relations that a name may mean besides temporary ones: at most
// one if the path is known, since the first schema that has the name wins
// ("Schemas", "The Schema Search Path" in the PostgreSQL manual).
func (s *Snapshot) find(n sqlinfo.Name, p *path) []*relation {
	if n.Schema != "" {
		if r := s.relations[n.Schema][n.Name]; r != nil {
			return []*relation{r}
		}
		return nil
	}
	if p.any {
		return s.relationsNamed[n.Name]
	}
	for _, schema := range p.schemas {
		if r := s.relations[schema][n.Name]; r != nil {
			return []*relation{r}
		}
	}
	return nil
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
