package sqlinfo

import (
	"slices"
	"strings"
	"testing"
)

// TestOnceMissed holds statements in which something was missed that the parser sees.
func TestOnceMissed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sql, reads, writes, funcs, attrs, types string }{
		{sql: `ALTER TABLE a ALTER COLUMN b SET DEFAULT join(2)`, funcs: "join"},
		{sql: `ALTER TABLE a ALTER COLUMN b TYPE text USING JOIN(b)`, funcs: "join"},
		{sql: `SELECT * FROM a JOIN b ON join(c.f, (SELECT 1 FROM d))`, reads: "a b d", funcs: "join", attrs: "f"},
		{sql: `SELECT (SELECT 1 FROM a JOIN b ON join(c.f) WHERE xmlserialize(CONTENT d AS app.ty)) INTO e`, writes: "e", attrs: "f", types: "app.ty"},
		{sql: `SELECT like.ty 'x', b FROM json_table(a, '$' COLUMNS (c overlaps.ty2 PATH '$.a'))`, types: "like.ty overlaps.ty2"},
		{sql: `SELECT app. N'x'`, types: "app.nchar"},
		{sql: `WITH x AS (SELECT a::"time"(1 + 1), b FROM c), d AS (DELETE FROM e) SELECT 1`, writes: "e"},
		{sql: `VALUES ($1), (UPDATE AT TIME ZONE (SELECT b FROM a))`, reads: "a", funcs: "pg_catalog.timezone"},
		{sql: `SELECT 1 + (UPDATE AT TIME ZONE 'x'), ARRAY[(UPDATE AT TIME ZONE 'x')]`, funcs: "pg_catalog.timezone"},
		{sql: `SELECT a = ANY (UPDATE AT TIME ZONE 'x')`, funcs: "pg_catalog.timezone"},
		{sql: `SELECT FROM ((a JOIN user ON b.operator)) WHERE 1 = 1`, reads: "a", attrs: "operator"},
		{sql: `SELECT FROM current_schema JOIN a ON b.c`, reads: "a", attrs: "c"},
		{sql: `SELECT FROM COLLATION FOR (b.c) d`, attrs: "c", funcs: "pg_catalog.pg_collation_for"},
		{sql: `SELECT b FROM a WINDOW w AS (update PARTITION BY c.e), v AS (update RANGE 1 PRECEDING)`, reads: "a", attrs: "e"},
		{sql: `VALUES (1), ((UPDATE AT TIME ZONE 'x'))`, funcs: "pg_catalog.timezone"},
	} {
		info := Parse(c.sql)
		if c.writes == "" && info.Kind == Write && !info.DDL {
			t.Errorf("it is taken for a write\n%s", c.sql)
		}
		for _, l := range []struct {
			what, want string
			got        []Name
		}{
			{"reads", c.reads, info.Reads}, {"writes", c.writes, info.Writes}, {"functions", c.funcs, info.Funcs},
			{"attributes", c.attrs, info.Attrs}, {"types", c.types, info.Types},
		} {
			have := strings.Fields(names(l.got))
			for n := range strings.FieldsSeq(l.want) {
				if !slices.Contains(have, n) {
					t.Errorf("%s is not among the %s %v\n%s", n, l.what, have, c.sql)
				}
			}
		}
	}
}
