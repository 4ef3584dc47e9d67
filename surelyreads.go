package mlcache

import (
	"context"
	"errors"
	"strings"

	"github.com/mlcache/mlcache/internal/dbconn"
	"github.com/mlcache/mlcache/sqlinfo"
)

// What a user has made, and what is not written in one of the two languages of
// PostgreSQL's own functions, internal and C. The numbers are FirstNormalObjectId and
// those of pg_language, which never change.
const (
	byUser   = "oid OPERATOR(pg_catalog.>=) '16384'"
	byScript = "prolang OPERATOR(pg_catalog.>) '13'"
)

// surelyReads reports whether a text that reads by all that it shows can do nothing
// else, whatever its names and operators stand for in this database, and what is
// visible to the session at that time. It costs a round trip or two.
//
// Every candidate counts: a relation is a plain table if all of that name are, in
// whatever schema, and without policies. A function is one that package sqlinfo knows
// to be safe, if no user has made one of that name that may not be. Behind operators and
// casts stands C at most, as it does for those of extensions.
func surelyReads(ctx context.Context, q dbconn.Querier, info *sqlinfo.Info) (snapshot string, ok bool) {
	relations := make([]string, len(info.Reads))
	for i, n := range info.Reads {
		relations[i] = n.Name
	}
	called := partsOf(info.Funcs, info.Attrs, info.Types)
	// The server has planned nothing on this connection yet, so plans that it need not make count. The snapshot comes first:
	// each of these statements has its own.
	queries := []string{
		"SELECT 'snapshot', pg_catalog.pg_current_snapshot()",
		anyRow("writes", "pg_class", oneOf("relname", relations), "(relrowsecurity OR "+noneOf("relkind", "r", "m", "p")+")"),
	}
	if len(called) > 0 {
		// What stands behind an aggregate is not in its own row.
		queries = append(queries, anyRow("writes", "pg_proc", oneOf("proname", called), byUser,
			"(provolatile OPERATOR(pg_catalog.=) 'v' OR "+noneOf("prokind", "f")+")"))
	}
	answer, err := answers(ctx, q, append(queries, anyRow("scripts", "pg_proc", byUser, byScript)))
	if err != nil || answer["snapshot"] == "" || answer["writes"] != "" {
		return "", false
	}
	snapshot = answer["snapshot"]
	if answer["scripts"] == "" {
		return snapshot, true
	}
	// There are functions in languages in which anything can be written.
	queries = []string{
		anyRow("writes", "pg_cast o JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) o.castfunc", "o."+byUser, byScript),
		anyRow("writes", "pg_range o JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) o.rngcanonical OR p.oid OPERATOR(pg_catalog.=) o.rngsubdiff",
			"p."+byUser, byScript),
		anyRow("writes", "pg_operator o JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) o.oprcode", "o."+byUser, byScript),
		// A literal takes the type of the column that it is compared with: a domain, or what is made of one.
		anyRow("writes", "pg_attribute a JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid"+
			" JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid",
			oneOf("c.relname", relations), "t."+byUser,
			"("+noneOf("t.typtype", "b", "e")+" OR t.typelem OPERATOR(pg_catalog.<>) '0')"),
	}
	if len(called) > 0 {
		queries = append(queries,
			anyRow("writes", "pg_proc", oneOf("proname", called), byUser, byScript),
			anyRow("writes", "pg_type", oneOf("typname", called), byUser))
	}
	answer, err = answers(ctx, q, queries)
	return snapshot, err == nil && answer["writes"] == ""
}

// answers asks all of the queries, each of which has rows of a name and a value, and gives the values by their names.
func answers(ctx context.Context, q dbconn.Querier, queries []string) (map[string]string, error) {
	if _, ok := q.(dbconn.PgxQuerier); ok {
		queries = []string{strings.Join(queries, ";")} // one round trip
	}
	values := make(map[string]string)
	for _, query := range queries {
		rows, err := q.Query(ctx, query)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if len(row) != 2 || row[0] == nil || row[1] == nil {
				return nil, errors.New("mlcache: an answer of another form")
			}
			values[*row[0]] = *row[1]
		}
	}
	return values, nil
}

// namesAnything is false for a text whose meaning no schema changes.
func namesAnything(info *sqlinfo.Info) bool {
	return len(info.Reads)+len(info.Funcs)+len(info.Attrs)+len(info.Types)+len(info.Operators) > 0
}

// anyRow is a query for answers: the name has a value if the catalog has such a row.
func anyRow(name, from string, where ...string) string {
	return "SELECT '" + name + "', 'yes' FROM pg_catalog." + from + " WHERE " + strings.Join(where, " AND ") + " LIMIT 1"
}

// oneOf is a condition: the name is in the list.
func oneOf(column string, list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = dbconn.QuoteLiteral(s)
	}
	if len(list) == 1 {
		return column + " OPERATOR(pg_catalog.=) " + quoted[0]
	}
	return column + " OPERATOR(pg_catalog.=) ANY (ARRAY[" + strings.Join(quoted, ", ") + "]::pg_catalog.name[])"
}

// noneOf is a condition: the column, of type "char", has none of the values.
func noneOf(column string, values ...string) string {
	conditions := make([]string, len(values))
	for i, s := range values {
		conditions[i] = column + " OPERATOR(pg_catalog.<>) '" + s + "'"
	}
	return "(" + strings.Join(conditions, " AND ") + ")"
}

// partsOf are all parts of the names: which of them is the function is open where an
// attribute can be one.
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
