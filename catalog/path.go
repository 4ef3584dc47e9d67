package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mlcache/mlcache/sqlinfo"
)

// path is a way to look up unqualified names.
type path struct {
	schemas []string
	// each: all of schemas count, and not the first that has the name.
	each bool
	// open: the role in force may use all of schemas.
	open bool
	// own is what a function has set the path to; nil if none has.
	own []string
	// any: the schemas are not known, so a name may mean whatever bears it.
	any bool
	// outside: any stands only because another role is in force, which may have
	// a schema of its own and see others of the session's path.
	outside bool
	// set: something may set the path at any time, so not even a function that sets
	// its own is sure of it.
	set bool
	// role is the role in force; "" if it is not known.
	role string
	// temp holds the names of temporary relations, which come first, and whether
	// they are plain; hidden tells that there may be some whose names are not known.
	temp   map[string]bool
	hidden bool
	key    string // equal for paths that mean the same
}

var qualified = path{schemas: []string{"pg_catalog"}, key: "pg_catalog"}

func newPath(sess Session) *path {
	p := &path{schemas: sess.SearchPath, open: true, each: sess.AnyOrder, role: sess.Role, any: sess.AnyPath}
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
	return p.named("")
}

// named gives the path its key; by is how it came to be.
func (p *path) named(by string) *path {
	p.key = fmt.Sprintf("%s %q %t %t %t %q %q", by, p.role, p.any, p.outside, p.each, p.schemas, p.own)
	return p
}

// unknown gives the path after something may have set another one, or another role.
func (p *path) unknown() *path {
	return (&path{temp: p.temp, hidden: p.hidden, any: true, set: true}).named("set")
}

// as gives the path of code that runs as another role: "$user" is another schema
// there, and what the one role may not see of the path the other may ("Schemas",
// "The Schema Search Path" in the PostgreSQL manual). An empty role is one that is
// not known.
func (p *path) as(role string) *path {
	if p.set || role != "" && role == p.role {
		return p
	}
	out := &path{temp: p.temp, hidden: p.hidden, role: role}
	if p.own != nil {
		return out.over(p.own)
	}
	out.any, out.outside = true, p.outside || !p.any && !slices.Contains(p.schemas, informationSchema)
	return out.named("as")
}

// elsewhere gives the path of code that runs later on, under a path and a role that
// may have been set by then.
func (p *path) elsewhere() *path {
	if p.set {
		return p
	}
	return (&path{temp: p.temp, hidden: p.hidden, any: true}).named("elsewhere")
}

// over gives the path of a function's body that sets its own. "$user" stands for
// the schema of the role in force there. Of the schemas that may be closed to that
// role, the first that has a name need not be the one: see find.
func (p *path) over(schemas []string) *path {
	if p.set {
		return p
	}
	out := &path{temp: p.temp, hidden: p.hidden, role: p.role, own: schemas}
	if !slices.Contains(schemas, "pg_catalog") {
		// It is searched first unless the path says otherwise.
		out.schemas = append(out.schemas, "pg_catalog")
	}
	for _, schema := range schemas {
		if schema == "$user" {
			if schema = p.role; schema == "" {
				out.any, out.outside = true, !slices.Contains(schemas, informationSchema)
				continue
			}
		}
		out.schemas = append(out.schemas, schema)
	}
	return out.named("over")
}

const informationSchema = "information_schema"

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

// isTemporary says whether the name is that of a temporary relation that is known.
func (p *path) isTemporary(n sqlinfo.Name) bool {
	_, temp := p.temp[n.Name]
	return temp && (n.Schema == "" || isTemp(n.Schema))
}

// find gives the relations that a name may mean besides temporary ones: at most
// one if the path is known, with its order, and all of it is open to the role in force, since the
// first schema that has the name wins.
func (s *Snapshot) find(n sqlinfo.Name, p *path) []*relation {
	if n.Schema != "" {
		if r := s.relations[n.Schema][n.Name]; r != nil {
			return []*relation{r}
		}
		return nil
	}
	if p.any {
		found := s.relationsNamed[n.Name]
		// Everybody may use the information schema, so it would be seen on the session's path.
		if p.outside && !s.closed[informationSchema] && s.relations[informationSchema][n.Name] != nil {
			found = slices.DeleteFunc(slices.Clone(found), func(r *relation) bool { return r.schema == informationSchema })
		}
		return found
	}
	var found []*relation
	for i, schema := range p.schemas {
		if r := s.relations[schema][n.Name]; r != nil && !slices.Contains(p.schemas[:i], schema) {
			found = append(found, r)
			if !p.each && (p.open || !s.closed[schema]) {
				break
			}
		}
	}
	return found
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
	for i, schema := range p.schemas {
		if !slices.Contains(p.schemas[:i], schema) {
			found = append(found, s.functions[schema][n.Name]...)
		}
	}
	return found
}
