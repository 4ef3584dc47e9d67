package integration

import (
	"database/sql"
	"database/sql/driver"
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// codeTables answer otherwise for each session, and have what runs code.
const codeTables = `
CREATE TABLE t (n int); INSERT INTO t VALUES (1);
CREATE SCHEMA s1; CREATE TABLE s1.t (n int); INSERT INTO s1.t VALUES (2);
CREATE TABLE owned (owner text, v text);
INSERT INTO owned VALUES ('pg_monitor', 'of pg_monitor'), ('pg_read_all_stats', 'of pg_read_all_stats');
ALTER TABLE owned ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON owned USING (owner = current_user);
CREATE TABLE rows (tenant text, v text); INSERT INTO rows VALUES ('7', 'of 7'), ('8', 'of 8');
ALTER TABLE rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON rows USING (tenant = current_setting('app.tenant', true));
CREATE TABLE moments (at timestamptz); INSERT INTO moments VALUES ('2024-03-31 01:30:00+00');
CREATE TABLE by_rule (x text); CREATE RULE r AS ON INSERT TO by_rule DO ALSO SELECT set_config('search_path', 's1', false);
CREATE TABLE by_default (id int, x text DEFAULT set_config('search_path', 's1', false));
CREATE TABLE by_check (id int CHECK (set_config('search_path', 's1', false) IS NOT NULL));
CREATE TABLE by_when (id int);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER w BEFORE INSERT ON by_when FOR EACH ROW WHEN (set_config('search_path', 's1', false) IS NULL) EXECUTE FUNCTION nothing();
CREATE TABLE parent (id int); CREATE TABLE child (x text DEFAULT set_config('search_path', 's1', false)) INHERITS (parent);
CREATE VIEW settings AS SELECT name, setting FROM pg_settings;
CREATE PROCEDURE change() LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('search_path', 's1', false); END $$;
GRANT USAGE ON SCHEMA s1 TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA public, s1 TO PUBLIC`

// Each way changes the session, and what the query answers, by a statement that is no SET.
var codeWays = []struct {
	name, query string
	statements  []string
}{
	{"DO that sets the search path", "SELECT n FROM t", []string{`DO $$ BEGIN SET search_path = s1; END $$`}},
	{"DO that sets the role", "SELECT v FROM owned", []string{`DO $$ BEGIN SET ROLE pg_monitor; END $$`}},
	{"DO that sets the time zone", "SELECT at::text FROM moments", []string{`DO $$ BEGIN SET TimeZone = 'Asia/Tokyo'; END $$`}},
	{"DO that sets a setting of a policy", "SELECT v FROM rows", []string{`SET ROLE pg_monitor`, `SELECT set_config('app.tenant', '8', false)`, `SELECT v FROM rows`, `DO $$ BEGIN SET app.tenant = '7'; END $$`}},
	{"DO with EXECUTE", "SELECT n FROM t", []string{`DO $$ BEGIN EXECUTE 'SET search_' || 'path = s1'; END $$`}},
	{"DO that makes a temporary table", "SELECT n FROM t", []string{`DO $$ BEGIN CREATE TEMP TABLE t AS SELECT 3 AS n; END $$`}},
	{"DO that updates pg_settings", "SELECT n FROM t", []string{`DO $$ BEGIN UPDATE pg_settings SET setting = 's1' WHERE name = 'search_path'; END $$`}},
	{"CALL", "SELECT n FROM t", []string{`CALL change()`}},
	{"EXECUTE", "SELECT n FROM t", []string{`PREPARE p AS SELECT set_config('search_path', 's1', false)`, `EXECUTE p`}},
	{"EXPLAIN ANALYZE EXECUTE", "SELECT n FROM t", []string{`PREPARE p AS SELECT set_config('search_path', 's1', false)`, `EXPLAIN ANALYZE EXECUTE p`}},
	{"CREATE TABLE AS EXECUTE", "SELECT n FROM t", []string{`PREPARE p AS SELECT set_config('search_path', 's1', false)`, `CREATE TEMP TABLE made AS EXECUTE p`}},
	{"UPDATE of pg_settings", "SELECT n FROM t", []string{`UPDATE pg_settings SET setting = 's1' WHERE name = 'search_path'`}},
	{"UPDATE of a view of pg_settings", "SELECT n FROM t", []string{`UPDATE settings SET setting = 's1' WHERE name = 'search_path'`}},
	{"a rule", "SELECT n FROM t", []string{`INSERT INTO by_rule VALUES ('x')`}},
	{"a default", "SELECT n FROM t", []string{`INSERT INTO by_default VALUES (1)`}},
	{"a default of a child", "SELECT n FROM t", []string{`INSERT INTO child VALUES (1)`}},
	{"a check", "SELECT n FROM t", []string{`INSERT INTO by_check VALUES (1)`}},
	{"a trigger's WHEN", "SELECT n FROM t", []string{`INSERT INTO by_when VALUES (1)`}},
	{"a cursor", "SELECT n FROM t", []string{`BEGIN`, `DECLARE c CURSOR FOR SELECT set_config('search_path', 's1', false)`, `FETCH c`, `COMMIT`}},
	{"set_config behind a constant", "SELECT n FROM t", []string{`SELECT set_config('search_path', 's1', false)`}},
	{"set_config with a name that is computed", "SELECT n FROM t", []string{`SELECT set_config('search_' || 'path', 's1', false)`}},
}

// A session that code has changed is neither answered for who it was, nor does what it reads reach those who are what it was.
func TestCodeThatChangesTheSession(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, codeTables)
	for _, origin := range []struct {
		name string
		open func(testing.TB, string) *sql.DB
	}{
		{"pgx", func(t testing.TB, dsn string) *sql.DB { return harness.Open(t, "mlcache", dsn) }},
		{"wrapped", openWrapped},
	} {
		t.Run(origin.name, func(t *testing.T) {
			t.Parallel()
			db := origin.open(t, dsn)
			harness.Ready(t, db)
			for _, w := range codeWays {
				t.Run(w.name, func(t *testing.T) {
					ctx := harness.Context(t)
					clean, changed := connOf(t, db), connOf(t, db)
					before := harness.Query(t, clean, w.query)
					harness.Same(t, "before", harness.Query(t, changed, w.query), before)
					for _, s := range w.statements {
						harness.Exec(t, changed, s)
					}
					want := harness.TryQuery(mlcache.WithBypass(ctx), changed, w.query)
					if want.String() == before.String() {
						t.Fatalf("nothing has changed: %v", want)
					}
					for range 2 {
						harness.Same(t, "in the changed session", harness.TryQuery(ctx, changed, w.query), want)
						harness.Same(t, "in the other session", harness.TryQuery(ctx, clean, w.query), before)
					}
				})
			}
		})
	}
}

// connOf gives a connection that never goes back to the pool, whatever its session has become.
func connOf(t testing.TB, db *sql.DB) *sql.Conn {
	t.Helper()
	conn, err := db.Conn(harness.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		conn.Close()
	})
	return conn
}
