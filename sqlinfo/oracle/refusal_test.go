package oracle

import (
	"testing"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/mlcache/mlcache/sqlinfo"
)

// keepable reports whether nothing in the tree stands against keeping the answer:
// a query that neither writes nor locks nor samples, calls only safe functions,
// names nothing that changes by itself, and casts nothing but columns to dates.
func keepable(f *finding) bool {
	if len(f.statements) != 1 || f.statements[0] != "SelectStmt" || f.into || f.locking || f.sample || f.dates || f.casts.needs() ||
		len(f.writes) > 0 || f.ddl || f.unusual {
		return false
	}
	for _, n := range f.funcs {
		if n.Schema != "" && n.Schema != "pg_catalog" || !sqlinfo.SafeFunction(n.Name) || n.Name == "age" {
			return false
		}
	}
	for _, n := range f.reads {
		if n.Schema == "pg_catalog" || n.Schema == "information_schema" {
			return false
		}
	}
	return true
}

// TestNeedlessRefusals counts the queries of the corpus that are refused although
// nothing in their tree stands against keeping their answers.
func TestNeedlessRefusals(t *testing.T) {
	var queries, refused int
	g := newGenerator(corpusSeed + 1)
	g.safe = true
	for queries < 5000 {
		sql := g.query()
		if len(sql) > maxText {
			continue
		}
		tree, err := pgquery.Parse(sql)
		if err != nil || !keepable(find(sql, tree)) {
			continue
		}
		queries++
		if info := sqlinfo.Parse(sql); info.Refusal != "" {
			if refused++; refused <= 20 {
				t.Logf("refused: %s (%s)\n%s", info.Refusal, info.Detail, sql)
			}
		}
	}
	share := 100 * float64(refused) / float64(queries)
	t.Logf("%d of %d refused needlessly: %.2f %%", refused, queries, share)
	if share >= 1 {
		t.Errorf("more than 1 %%")
	}
}
