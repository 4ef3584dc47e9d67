package catalog

import "github.com/mlcache/mlcache/sqlinfo"

// NoCatalog gives the closure of a statement where the schema is not known. A
// write then changes everything, since views, triggers and cascades are out of
// sight, and so does a call of a function that is not known to be safe. An answer
// may be kept only if its text alone says so. Reads holds the names as the text
// gives them, without a schema where it gives none, so they are fit for telling
// and for invalidation by hand, and do not meet the scopes of a [Snapshot].
//
// What a text does not show stays unseen here: a view over a function of the
// clock is kept as if it were a table.
func NoCatalog(info *sqlinfo.Info) Closure {
	if info == nil {
		return Closure{WritesAll: true, Refusal: sqlinfo.ReasonSyntax}
	}
	c := Closure{Refusal: info.Refusal, Detail: info.Detail, DDL: info.DDL}
	c.Reads = textDeps(info.Reads)
	switch info.Kind {
	case sqlinfo.Write, sqlinfo.Unknown:
		c.WritesAll = true
	}
	if info.WritesAll || len(info.Writes)+len(info.Planned) > 0 {
		c.WritesAll = true
	}
	for _, n := range info.Funcs {
		if sqlinfo.RunsText(n.Name) || !ownFunction(n) {
			c.WritesAll, c.Session = true, true
		}
		if n.Name == "set_config" && changesNames(info) {
			c.Session = true
		}
	}
	if c.Refusal == sqlinfo.ReasonNone {
		switch {
		case c.WritesAll || info.Kind != sqlinfo.Read:
			c.Refusal = sqlinfo.ReasonNotRead
		case len(c.Reads) > maxDeps:
			c.Refusal, c.Reads = ReasonClosure, nil
		}
	}
	return c
}

// ownFunction reports whether a function is one of PostgreSQL's own, none of which
// changes a table by itself; see sqlinfo.RunsText for the others. Package sqlinfo tells
// its unsafe functions from those it does not know by the reason it gives.
func ownFunction(n sqlinfo.Name) bool {
	if n.Schema != "" && n.Schema != "pg_catalog" {
		return false
	}
	return sqlinfo.SafeFunction(n.Name) || sqlinfo.Parse("SELECT "+n.String()+"()").Refusal != sqlinfo.ReasonUnknownFunction
}

func textDeps(names []sqlinfo.Name) []Dep {
	found := make(map[string]*step, len(names))
	for _, n := range names {
		found[Scope(n.Schema, n.Name)] = nil
	}
	return deps(found)
}
