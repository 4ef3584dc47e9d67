package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/sqlinfo"
)

// catalogConn adapts a pgx connection to the catalog's Querier.
type catalogConn struct{ *pgx.Conn }

func (c catalogConn) Query(ctx context.Context, sql string) ([][]*string, error) {
	results, err := c.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	var out [][]*string
	for _, r := range results {
		for _, values := range r.Rows {
			row := make([]*string, len(values))
			for i, v := range values {
				if v != nil {
					s := string(v)
					row[i] = &s
				}
			}
			out = append(out, row)
		}
	}
	return out, nil
}

func catalogConnect(t testing.TB, dsn string) catalogConn {
	t.Helper()
	c, err := pgx.Connect(harness.Context(t), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return catalogConn{c}
}

// catalogRole gives the name of a role, which goes when the test ends if the test
// has created it.
func catalogRole(t testing.TB, dsn string) string {
	t.Helper()
	role := "role_" + harness.NewNamespace(t)
	t.Cleanup(func() {
		ctx := context.Background()
		c, err := pgx.Connect(ctx, dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(ctx)
		if _, err := c.Exec(ctx, "DROP OWNED BY "+role+" CASCADE; DROP ROLE "+role, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Errorf("drop %s: %v", role, err)
		}
	})
	return role
}

func (c catalogConn) exec(t testing.TB, sql string) {
	t.Helper()
	if _, err := c.Query(harness.Context(t), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func (c catalogConn) load(t testing.TB) *catalog.Snapshot {
	t.Helper()
	s, err := catalog.Load(harness.Context(t), c, catalog.OwnRoles)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (c catalogConn) session(t testing.TB) catalog.Session {
	t.Helper()
	rows, err := c.Query(harness.Context(t), "SELECT unnest(current_schemas(true))::text")
	if err != nil {
		t.Fatal(err)
	}
	var s catalog.Session
	for _, row := range rows {
		s.SearchPath = append(s.SearchPath, *row[0])
	}
	return s
}

// contents gives a digest of what a reader of each table and materialized view
// of the user sees.
func (c catalogConn) contents(t testing.TB) map[string]string {
	t.Helper()
	ctx := harness.Context(t)
	names, err := c.Query(ctx, `SELECT c.oid::regclass::text, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'm') AND c.oid >= 16384 AND n.nspname NOT IN ('pg_catalog', 'pg_toast') AND c.relpersistence <> 't'`)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for _, n := range names {
		rows, err := c.Query(ctx, "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM "+*n[0]+" t")
		if err != nil {
			t.Fatalf("%s: %v", *n[0], err)
		}
		out[catalog.Scope(*n[1], *n[2])] = *rows[0][0]
	}
	return out
}

// readers gives what a SELECT from each relation depends on.
func readers(s *catalog.Snapshot, sess catalog.Session, scope string) catalog.Closure {
	return s.Resolve(sqlinfo.Parse("SELECT * FROM "+scope), sess)
}

func meet(reads, writes []catalog.Dep) bool {
	for _, r := range reads {
		if slices.ContainsFunc(writes, func(w catalog.Dep) bool { return w.Scope == r.Scope }) {
			return true
		}
	}
	return false
}

// TestCatalogWritesCoverChanges runs real writes and compares the tables whose
// content they changed with the closure of the statement.
func TestCatalogWritesCoverChanges(t *testing.T) {
	dsn := harness.NewDatabase(t)
	c := catalogConnect(t, dsn)
	c.exec(t, catalogSchema)
	s, sess := c.load(t), c.session(t)

	for _, w := range catalogWrites {
		t.Run(w.sql, func(t *testing.T) {
			c.exec(t, "BEGIN")
			defer c.exec(t, "ROLLBACK")
			before := c.contents(t)
			c.exec(t, w.sql)
			c.exec(t, "SET CONSTRAINTS ALL IMMEDIATE")
			after := c.contents(t)

			closure := s.ResolveText(w.sql, sqlinfo.Parse(w.sql), sess)
			if closure.Refusal == "" {
				t.Error("the answer of a write may be kept")
			}
			if closure.WritesAll && !w.opaque {
				t.Errorf("counts as a write to everything, by %q", closure.Detail)
			}
			changed := 0
			for scope, digest := range after {
				if before[scope] == digest {
					continue
				}
				changed++
				if r := readers(s, sess, scope); !closure.WritesAll && !closure.DDL && !meet(r.Reads, closure.Writes) {
					t.Errorf("changed %s, whose readers depend on %v; the closure has only %v", scope, r.Reads, closure.Writes)
				}
			}
			if changed == 0 {
				t.Error("the statement changed nothing, so it shows nothing")
			}
		})
	}
}

// TestCatalogWritesAreNarrow holds what the closures name in vain to what the
// rules of the package allow.
func TestCatalogWritesAreNarrow(t *testing.T) {
	dsn := harness.NewDatabase(t)
	c := catalogConnect(t, dsn)
	c.exec(t, catalogSchema)
	s, sess := c.load(t), c.session(t)
	for sql, writes := range map[string]string{
		`INSERT INTO customers VALUES (9, 'c9')`:          "public.customers",
		`UPDATE customers SET name = 'x'`:                 "public.customers public.tags",
		`DELETE FROM order_items`:                         "public.order_items",
		`DELETE FROM invoices`:                            "public.invoices",
		`INSERT INTO plain VALUES (9, 'x')`:               "public.plain",
		`UPDATE plain SET v = c.name FROM customers c`:    "public.plain",
		`INSERT INTO events_2_a VALUES (1, '2025-01-02')`: "public.events public.events_2 public.events_2_a",
		`INSERT INTO events VALUES (1, '2025-01-02')`:     "public.events",
		`DELETE FROM events`:                              "public.events public.moved",
		`INSERT INTO dogs VALUES (1, 'x', 'y')`:           "public.animals public.dogs",
		`INSERT INTO notes VALUES (1)`:                    "public.notes",
		`INSERT INTO late VALUES (1)`:                     "public.late public.late_log",
		`CALL bump(1)`:                                    "public.fn_log public.plain",
		`SELECT elsewhere()`:                              "other.fn_log",
		`INSERT INTO orders VALUES (1)`:                   "public.audit public.audit_of_audit public.orders",
		`COPY plain FROM STDIN`:                           "public.plain",
		`REFRESH MATERIALIZED VIEW totals`:                "public.totals",
		`DELETE FROM customers`:                           "public.audit public.audit_of_audit public.customers public.invoices public.order_items public.orders public.refunds public.tags",
	} {
		closure := s.ResolveText(sql, sqlinfo.Parse(sql), sess)
		if got := scopes(closure.Writes); got != writes || closure.WritesAll {
			t.Errorf("%s: writes %s (all: %v, %s), want %s", sql, got, closure.WritesAll, closure.Detail, writes)
		}
	}
}

// TestCatalogTemporary compares what is said of temporary relations.
func TestCatalogTemporary(t *testing.T) {
	dsn := harness.NewDatabase(t)
	c := catalogConnect(t, dsn)
	c.exec(t, catalogSchema+`
		CREATE TEMP TABLE simple (id int PRIMARY KEY, at timestamptz DEFAULT now());
		CREATE TEMP TABLE by_key (id int PRIMARY KEY, kid int REFERENCES by_key);
		CREATE TEMP TABLE fired (id int);
		CREATE TRIGGER fired AFTER INSERT ON fired FOR EACH ROW EXECUTE FUNCTION count_audit();
		CREATE TEMP TABLE ruled_temp (id int);
		CREATE RULE r AS ON INSERT TO ruled_temp DO ALSO DELETE FROM plain;
		CREATE TEMP TABLE by_default (id int DEFAULT writer(1));
		CREATE TEMP TABLE by_check (id int CHECK (writer(id) > 0));
		CREATE TEMP TABLE by_domain (id positive);
		CREATE TEMP VIEW through AS SELECT * FROM plain;`)
	rows, err := c.Query(harness.Context(t), catalog.QueryTemporary)
	if err != nil {
		t.Fatal(err)
	}
	sess := c.session(t)
	sess.TempRelations = []string{}
	for _, row := range rows {
		sess.TempRelations = append(sess.TempRelations, *row[0])
		if *row[1] == "true" {
			sess.TempPlain = append(sess.TempPlain, *row[0])
		}
	}
	if len(sess.TempRelations) != 8 || !slices.Equal(sess.TempPlain, []string{"simple"}) {
		t.Fatalf("relations %q, of which plain %q", sess.TempRelations, sess.TempPlain)
	}
	s := c.load(t)
	for sql, all := range map[string]bool{
		"INSERT INTO simple VALUES (1)": false, "INSERT INTO fired VALUES (1)": true, "INSERT INTO through VALUES (9)": true,
		"INSERT INTO plain VALUES (9)": false,
	} {
		if closure := s.Resolve(sqlinfo.Parse(sql), sess); closure.WritesAll != all {
			t.Errorf("%s: %+v", sql, closure)
		}
	}
}

// TestCatalogRefresh has a materialized view of its own, since REFRESH cannot be
// told apart from other writes by content alone.
func TestCatalogRefresh(t *testing.T) {
	dsn := harness.NewDatabase(t)
	c := catalogConnect(t, dsn)
	c.exec(t, catalogSchema+"INSERT INTO orders VALUES (90, 2);")
	s, sess := c.load(t), c.session(t)

	closure := s.Resolve(sqlinfo.Parse("REFRESH MATERIALIZED VIEW totals"), sess)
	before := c.contents(t)
	c.exec(t, "REFRESH MATERIALIZED VIEW totals")
	if before["public.totals"] == c.contents(t)["public.totals"] {
		t.Fatal("REFRESH changed nothing")
	}
	for _, reader := range []string{"public.totals", "public.totals_of"} {
		if r := readers(s, sess, reader); !closure.WritesAll && !meet(r.Reads, closure.Writes) {
			t.Errorf("readers of %s depend on %v, REFRESH writes %v", reader, r.Reads, closure.Writes)
		}
	}
	if r := readers(s, sess, "public.totals_of"); meet(r.Reads, s.Resolve(sqlinfo.Parse("INSERT INTO orders VALUES (1)"), sess).Writes) {
		t.Error("a materialized view does not change with its base table")
	}
	if s.Fingerprint() != mustFingerprint(t, c) {
		t.Error("REFRESH counts as DDL")
	}
}

// catalogQueries read catalogSchema in many ways; what they read is compared
// with what the planner says.
var catalogQueries = []string{
	`SELECT * FROM open_orders`, `SELECT * FROM open_of`, `SELECT * FROM order_lines`, `SELECT * FROM totals_of`,
	`SELECT * FROM chain`, `SELECT * FROM ruled`, `SELECT * FROM writing_view`, `TABLE plain`,
	`SELECT * FROM events`, `SELECT * FROM events_2`, `SELECT * FROM events_2_a`, `SELECT * FROM ONLY animals`, `SELECT * FROM dogs`, `SELECT * FROM puppies`,
	`SELECT count(*) FROM customers c JOIN orders o ON o.customer_id = c.id LEFT JOIN order_items i ON i.order_id = o.id`,
	`SELECT name FROM customers WHERE id IN (SELECT customer_id FROM open_of) AND EXISTS (SELECT FROM tags WHERE customer_code = code)`,
	`WITH plain AS (SELECT * FROM notes) SELECT * FROM plain`,
	`WITH x AS (SELECT * FROM plain) SELECT * FROM x, LATERAL (SELECT * FROM notes n WHERE n.id = x.id) y`,
	`SELECT id FROM plain UNION SELECT id FROM notes EXCEPT SELECT id FROM audit ORDER BY 1 LIMIT 3`,
	`SELECT (SELECT max(id) FROM invoices), array(SELECT id FROM refunds), row_number() OVER (ORDER BY (SELECT 1 FROM tags LIMIT 1)) FROM plain`,
	`SELECT "select" FROM "Odd Names"."Ünï.cödé ""x"""`,
	`SELECT public.customers.name FROM public.customers`,
	`SELECT * FROM (plain CROSS JOIN notes) AS j`,
	`SELECT CASE WHEN EXISTS (TABLE moved) THEN 1 END`,
	`VALUES ((SELECT count(*) FROM late)), (2)`,
}

// TestCatalogReadsCoverPlans compares the closure of each query with the tables
// in the plan that PostgreSQL makes for it.
func TestCatalogReadsCoverPlans(t *testing.T) {
	dsn := harness.NewDatabase(t)
	c := catalogConnect(t, dsn)
	c.exec(t, catalogSchema)
	s, sess := c.load(t), c.session(t)
	for _, q := range catalogQueries {
		t.Run(q, func(t *testing.T) {
			rows, err := c.Query(harness.Context(t), "EXPLAIN (VERBOSE, FORMAT JSON) "+q)
			if err != nil {
				t.Fatal(err)
			}
			var plan any
			if err := json.Unmarshal([]byte(*rows[0][0]), &plan); err != nil {
				t.Fatal(err)
			}
			scopes := planned(plan, nil)
			if len(scopes) == 0 {
				t.Fatalf("no relation in the plan: %s", *rows[0][0])
			}
			closure := s.Resolve(sqlinfo.Parse(q), sess)
			for _, scope := range scopes {
				w := s.Resolve(sqlinfo.Parse("TRUNCATE "+scope), sess)
				if !meet(closure.Reads, w.Writes) {
					t.Errorf("the plan reads %s; the closure has only %v", scope, closure.Reads)
				}
			}
			if closure.Refusal != "" && !strings.Contains(q, "writing_view") {
				t.Errorf("refused: %s %s", closure.Refusal, closure.Detail)
			}
		})
	}
}

// planned collects the relations of a plan.
func planned(node any, into []string) []string {
	switch n := node.(type) {
	case []any:
		for _, e := range n {
			into = planned(e, into)
		}
	case map[string]any:
		if name, ok := n["Relation Name"].(string); ok {
			into = append(into, catalog.Scope(fmt.Sprint(n["Schema"]), name))
		}
		for _, e := range n {
			into = planned(e, into)
		}
	}
	return into
}

func mustFingerprint(t testing.TB, c catalogConn) string {
	t.Helper()
	f, err := catalog.Fingerprint(harness.Context(t), c, catalog.OwnRoles)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
