package oracle

import (
	"fmt"
	"slices"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/mlcache/mlcache/sqlinfo"
)

// compare tells what sqlinfo missed in a text that the parser accepts.
func compare(sql string, tree *pgquery.ParseResult) error {
	want := find(sql, tree)
	got := sqlinfo.Parse(sql)
	return judge(want, got)
}

func judge(want *finding, got *sqlinfo.Info) error {
	var missed []string
	miss := func(format string, args ...any) { missed = append(missed, fmt.Sprintf(format, args...)) }
	if len(want.statements) == 0 {
		return nil
	}
	if got.Kind == sqlinfo.Unknown {
		// Not understood: it must then count as able to do anything.
		if !got.WritesAll {
			return fmt.Errorf("accepted, but sqlinfo finds no such statement (%s)", got.Refusal)
		}
		return nil
	}
	// The END of BEGIN ATOMIC can't always be told from a label: a text with one may
	// seem to hold more statements than it does.
	if n := len(want.statements); got.Statements != n && !(want.ddl && got.Statements > n) {
		miss("%d statements, not %d", got.Statements, len(want.statements))
	}
	for _, n := range want.reads {
		if !holds(got.Reads, n) {
			miss("read of %s", n)
		}
	}
	for _, n := range want.named {
		if !holds(got.Reads, n) && !holds(got.Writes, n) {
			miss("%s, named in DDL", n)
		}
	}
	for _, n := range want.funcs {
		if !holdsFunction(got.Funcs, n) {
			miss("call of %s", n)
		}
	}
	if !got.WritesAll {
		for _, n := range want.writes {
			if !holds(got.Writes, n) {
				miss("write of %s", n)
			}
		}
		if want.ddl && !got.DDL {
			miss("DDL")
		}
		if want.execute && len(want.statements) == 1 && want.statements[0] == "ExecuteStmt" {
			miss("EXECUTE")
		}
	}
	for _, a := range want.attrs {
		if !slices.ContainsFunc(got.Attrs, func(n sqlinfo.Name) bool { return n.Name == a }) {
			miss("attribute %s", a)
		}
	}
	if !want.ddl {
		for _, op := range want.operators {
			if !slices.Contains(got.Operators, op) {
				miss("operator %s", op)
			}
		}
		for _, t := range want.types {
			if t.Schema != "pg_catalog" && !slices.ContainsFunc(got.Types, func(n sqlinfo.Name) bool { return n.Name == t.Name }) {
				miss("type %s", t)
			}
		}
	}
	if err := judgeKind(want, got); err != "" {
		miss("%s", err)
	}
	if missed == nil {
		return nil
	}
	return fmt.Errorf("missed: %s", strings.Join(missed, "; "))
}

// judgeKind compares what the statement is, and whether its answer may be kept.
func judgeKind(want *finding, got *sqlinfo.Info) string {
	kept := got.Refusal == "" || got.Refusal == sqlinfo.ReasonUnknownFunction
	writes := want.into || want.ddl || len(want.writes) > 0
	switch {
	case got.Kind == sqlinfo.Read && got.Refusal != sqlinfo.ReasonExplain && writes:
		return "that it writes"
	case !kept:
	case want.locking:
		return "the locking clause"
	case want.sample:
		return "TABLESAMPLE"
	case want.dates:
		return "the special date"
	case len(want.statements) != 1 || want.statements[0] != "SelectStmt":
		return "that it is no query"
	}
	if len(want.statements) != 1 {
		return ""
	}
	if want.statements[0] == "SelectStmt" && kept && !writes {
		if missed := want.casts.missed(got); missed != "" {
			return missed
		}
	}
	kind := sqlinfo.Read
	switch want.statements[0] {
	case "TransactionStmt":
		kind = sqlinfo.Tx
	case "VariableSetStmt":
		if got.Kind == sqlinfo.Tx && got.TxOp == sqlinfo.TxSet {
			return ""
		}
		kind = sqlinfo.Session
	case "DiscardStmt", "ListenStmt", "UnlistenStmt", "LoadStmt", "PrepareStmt", "DeallocateStmt",
		"ConstraintsSetStmt":
		kind = sqlinfo.Session
	case "SelectStmt":
		if writes {
			kind = sqlinfo.Write
		}
	case "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "TruncateStmt", "RefreshMatViewStmt",
		"CallStmt", "DoStmt", "ExecuteStmt":
		kind = sqlinfo.Write
	default:
		return ""
	}
	if got.Kind != kind {
		return fmt.Sprintf("kind %s: %s", kind, got.Kind)
	}
	return ""
}

func holds(list []sqlinfo.Name, n sqlinfo.Name) bool { return slices.Contains(list, n) }

// holdsFunction allows for pg_catalog, which stands before all other schemas.
func holdsFunction(list []sqlinfo.Name, n sqlinfo.Name) bool {
	for _, g := range list {
		if g == n || g.Name == n.Name && (n.Schema == "" || n.Schema == "pg_catalog") &&
			(g.Schema == "" || g.Schema == "pg_catalog") {
			return true
		}
	}
	return false
}
