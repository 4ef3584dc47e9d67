package mlcache

import (
	"context"
	"strings"

	"github.com/mlcache/mlcache/sqlinfo"
)

// What a user has made, and what is not written in one of the two languages of
// PostgreSQL's own functions, internal and C. The numbers are FirstNormalObjectId and
// those of pg_language, which never change.
const (
	byUser   = "oid OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid"
	byScript = "prolang OPERATOR(pg_catalog.>) '13'::pg_catalog.oid"
)

// surelyReads reports whether a text that reads by all that it shows can do nothing
// else, whatever its names and operators stand for in this database, and what is
// visible to the session at that time. It costs a round trip or two.
//
// Every candidate counts: a relation is a plain table if all of that name are, in
// whatever schema, and without policies. A function is one that package sqlinfo knows
// to be safe, if no user has made one of that name that may not be. Behind operators and
// casts stands C at most, as it does for those of extensions.
func surelyReads(ctx context.Context, q querier, info *sqlinfo.Info) (snapshot string, ok bool) {
	relations := partsOf(info.Reads)
	called := partsOf(info.Funcs, info.Attrs, info.Types)
	conditions := []string{none("pg_class", oneOf("relname", relations), "(relrowsecurity OR NOT "+oneOf("relkind::pg_catalog.text", []string{"r", "m", "p"})+")")}
	if len(called) > 0 {
		// What stands behind an aggregate is not in its own row.
		conditions = append(conditions, none("pg_proc", oneOf("proname", called), byUser, "("+oneOf("provolatile::pg_catalog.text", []string{"v"})+
			" OR NOT "+oneOf("prokind::pg_catalog.text", []string{"f"})+")"))
	}
	rows, err := q.Query(ctx, currentSnapshot+", "+both(conditions)+", "+both([]string{none("pg_proc", byUser, byScript)}))
	if err != nil || cellOf(rows, 0) == "" || cellOf(rows, 1) != "true" {
		return "", false
	}
	if cellOf(rows, 2) == "true" {
		return cellOf(rows, 0), true
	}
	// There are functions in languages in which anything can be written.
	conditions = []string{
		none("pg_cast o JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) o.castfunc", "o."+byUser, byScript),
		none("pg_range o JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) o.rngcanonical OR p.oid OPERATOR(pg_catalog.=) o.rngsubdiff", "p."+byUser, byScript),
		none("pg_operator o JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) o.oprcode", "o."+byUser, byScript),
		// A literal takes the type of the column that it is compared with: a domain, or what is made of one.
		none("pg_attribute a JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid",
			oneOf("c.relname", relations), "t."+byUser, "NOT ("+oneOf("t.typtype::pg_catalog.text", []string{"b", "e"})+" AND t.typelem OPERATOR(pg_catalog.=) '0'::pg_catalog.oid)"),
	}
	if len(called) > 0 {
		conditions = append(conditions,
			none("pg_proc", oneOf("proname", called), byUser, byScript),
			none("pg_type", oneOf("typname", called), byUser))
	}
	again, err := q.Query(ctx, "SELECT "+both(conditions))
	return cellOf(rows, 0), err == nil && cellOf(again, 0) == "true"
}

// namesAnything is false for a text whose meaning no schema changes.
func namesAnything(info *sqlinfo.Info) bool {
	return len(info.Reads)+len(info.Funcs)+len(info.Attrs)+len(info.Types)+len(info.Operators) > 0
}

// none is a condition: the catalog has no such row.
func none(from string, where ...string) string {
	return "NOT EXISTS (SELECT FROM pg_catalog." + from + " WHERE " + strings.Join(where, " AND ") + ")"
}

// oneOf is a condition: the value, of type name or text, is in the list.
func oneOf(value string, list []string) string {
	var b strings.Builder
	b.WriteString(value + " OPERATOR(pg_catalog.=) ANY (ARRAY[")
	for i, s := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quoteLiteral(s))
	}
	kind := "name"
	if strings.HasSuffix(value, "text") {
		kind = "text"
	}
	b.WriteString("]::pg_catalog." + kind + "[])")
	return b.String()
}

// both joins conditions to a value, "true" or "false".
func both(conditions []string) string {
	return "(" + strings.Join(conditions, " AND ") + ")::pg_catalog.text"
}

// partsOf are all parts of the names: which of them is the relation or the function is
// open.
func partsOf(lists ...[]sqlinfo.Name) []string {
	var parts []string
	for _, list := range lists {
		for _, n := range list {
			for _, part := range []string{n.Catalog, n.Schema, n.Name} {
				if part != "" {
					parts = append(parts, part)
				}
			}
		}
	}
	return parts
}
