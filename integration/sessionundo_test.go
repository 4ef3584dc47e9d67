package integration

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

const undoTables = `
CREATE SCHEMA a; CREATE TABLE a.things (v text); INSERT INTO a.things VALUES ('a0');
CREATE SCHEMA b; CREATE TABLE b.things (v text); INSERT INTO b.things VALUES ('b0');
CREATE TABLE other (n int); INSERT INTO other VALUES (1);
GRANT USAGE ON SCHEMA a, b TO PUBLIC; GRANT ALL ON ALL TABLES IN SCHEMA a, b TO PUBLIC`

// Each writes a.things in the end, after the search path was another one for a while.
var undoWays = []struct {
	name       string
	statements []string
}{
	{"ROLLBACK TO", []string{`BEGIN`, `SAVEPOINT s`, `SET LOCAL search_path = b`, `SELECT 1`, `ROLLBACK TO s`, `UPDATE things SET v = v || '+'`, `COMMIT`}},
	{"ROLLBACK TO of a SET", []string{`BEGIN`, `SAVEPOINT s`, `SET search_path = b`, `SELECT 1`, `ROLLBACK TO s`, `UPDATE things SET v = v || '+'`, `COMMIT`}},
	{"ROLLBACK TO of set_config", []string{`BEGIN`, `SAVEPOINT s`, `SELECT set_config('search_path', 'b', true)`, `SELECT 1`, `ROLLBACK TO s`, `UPDATE things SET v = v || '+'`, `COMMIT`}},
	{"ROLLBACK TO of DO", []string{`BEGIN`, `SAVEPOINT s`, `DO $$ BEGIN SET search_path = b; END $$`, `SELECT 1`, `ROLLBACK TO s`, `UPDATE things SET v = v || '+'`, `COMMIT`}},
	{"ROLLBACK TO of a role's own schema", []string{`SET search_path = "$user", a`, `BEGIN`, `SAVEPOINT s`, `SET ROLE pg_monitor`, `SELECT 1`, `ROLLBACK TO s`, `UPDATE things SET v = v || '+'`, `COMMIT`}},
	{"ROLLBACK TO of a temporary table", []string{`BEGIN`, `SAVEPOINT s`, `CREATE TEMP TABLE things (v text)`, `SELECT 1`, `ROLLBACK TO s`, `UPDATE things SET v = v || '+'`, `COMMIT`}},
	{"RELEASE", []string{`BEGIN`, `SET LOCAL search_path = b`, `SAVEPOINT s`, `SET LOCAL search_path = a`, `RELEASE s`, `UPDATE things SET v = v || '+'`, `COMMIT`}},
	{"a savepoint within another", []string{`BEGIN`, `SAVEPOINT s`, `SET LOCAL search_path = b`, `SAVEPOINT i`, `SELECT 1/0`, `ROLLBACK TO i`, `RELEASE i`, `SELECT 1`, `ROLLBACK TO s`, `UPDATE things SET v = v || '+'`, `COMMIT`}},
	{"ROLLBACK AND CHAIN", []string{`BEGIN`, `SET search_path = b`, `SELECT 1`, `ROLLBACK AND CHAIN`, `UPDATE things SET v = v || '+'`, `COMMIT`}},
	{"COMMIT AND CHAIN", []string{`BEGIN`, `SET LOCAL search_path = b`, `SELECT 1`, `COMMIT AND CHAIN`, `UPDATE things SET v = v || '+'`, `COMMIT`}},
	{"ABORT and BEGIN in one text", []string{`BEGIN`, `SET search_path = b`, `SELECT 1`, `ROLLBACK; BEGIN; UPDATE things SET v = v || '+'; COMMIT`}},
	{"COMMIT and a write in one text", []string{`BEGIN`, `SET LOCAL search_path = b`, `SELECT 1`, `COMMIT; UPDATE things SET v = v || '+'`}},
	{"one text", []string{`BEGIN; SAVEPOINT s; SET LOCAL search_path = b; ROLLBACK TO s; UPDATE things SET v = v || '+'; COMMIT`}},
	{"SET LOCAL in one text", []string{`SET LOCAL search_path = b; SELECT 1`, `UPDATE things SET v = v || '+'`}},
	{"DO in one text", []string{`DO $$ BEGIN SET search_path = a, b; END $$; UPDATE things SET v = v || '+'`}},
	{"SET LOCAL of two schemas", []string{`SET search_path = b`, `BEGIN`, `SET LOCAL search_path = nowhere, 'a', b`, `UPDATE things SET v = v || '+'`, `COMMIT`}},
	{"set_config of a path that is computed", []string{`SET search_path = b`, `BEGIN`, `SELECT set_config('search_path', 'a' || '', true)`, `UPDATE things SET v = v || '+'`, `COMMIT`}},
	{"SET LOCAL and a schema that comes into being", []string{`SET search_path = nowhere, a`, `BEGIN`, `SELECT 1`, `UPDATE things SET v = v || '+'`, `COMMIT`}},
}

// What is written after a change of the search path was taken back is what the path before names.
func TestWritesAfterTheSearchPathIsTakenBack(t *testing.T) {
	t.Parallel()
	for _, origin := range []struct {
		name string
		open func(testing.TB, string) *sql.DB
	}{
		{"pgx", func(t testing.TB, dsn string) *sql.DB { return harness.Open(t, "mlcache", dsn) }},
		{"wrapped", openWrapped},
	} {
		t.Run(origin.name, func(t *testing.T) {
			t.Parallel()
			db := origin.open(t, harness.With(harness.NewDatabase(t, undoTables), "search_path", "a,public", "default_query_exec_mode", "simple_protocol"))
			harness.Ready(t, db)
			for _, w := range undoWays {
				t.Run(w.name, func(t *testing.T) {
					ctx := harness.Context(t)
					reader, writer := connOf(t, db), connOf(t, db)
					warm(t, reader, "SELECT v FROM a.things", "SELECT n FROM other")
					for _, s := range w.statements {
						if _, err := writer.ExecContext(ctx, s); err != nil && s != "SELECT 1/0" {
							t.Fatal(s, err)
						}
					}
					const query = "SELECT v FROM a.things"
					harness.Same(t, "after the write", harness.Query(t, reader, query), harness.TryQuery(mlcache.WithBypass(ctx), reader, query))
				})
			}
		})
	}
}

// warm leaves answers in the cache.
func warm(t testing.TB, db harness.Queryer, queries ...string) {
	t.Helper()
	for _, q := range queries {
		for range 2 {
			harness.Query(t, db, q)
		}
	}
}

// The same through sql.Tx, whose end the program does not write.
func TestSavepointsInATransactionOfTheProgram(t *testing.T) {
	t.Parallel()
	db := harness.Open(t, "mlcache", harness.With(harness.NewDatabase(t, undoTables), "search_path", "a,public"))
	harness.Ready(t, db)
	ctx := harness.Context(t)
	const query = "SELECT v FROM a.things"
	warm(t, db, query)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, s := range []string{`SAVEPOINT s`, `SET LOCAL search_path = b`, `SELECT 1`, `ROLLBACK TO s`, `UPDATE things SET v = v || '+'`} {
		harness.Exec(t, tx, s)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	harness.Same(t, "after the write", harness.Query(t, db, query), harness.TryQuery(mlcache.WithBypass(ctx), db, query))
}

// A change of the path by a literal is no reason to drop what has nothing to do with it.
func TestSetLocalSearchPathDropsNoOtherTable(t *testing.T) {
	t.Parallel()
	db := harness.Open(t, "mlcache", harness.NewDatabase(t, undoTables))
	harness.Ready(t, db)
	warm(t, db, "SELECT n FROM other")
	before := stats(t, db)
	for _, set := range []string{"SET LOCAL search_path = a", "SET LOCAL search_path = b, public", "SET LOCAL ROLE pg_monitor", "SELECT set_config('search_path', 'a', true)", "SELECT set_config('app.tenant', '7', true)"} {
		update := "UPDATE things SET v = v || '+'"
		if strings.Contains(set, "app.tenant") {
			update = "UPDATE a.things SET v = v || '+'"
		}

		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		harness.Exec(t, tx, set)
		if set == "SET LOCAL ROLE pg_monitor" {
			harness.Exec(t, tx, "SET LOCAL search_path = a")
		}
		harness.Exec(t, tx, update)
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		harness.Query(t, db, "SELECT n FROM other")
	}
	if n := since(before, stats(t, db)).L1Hits; n != 5 {
		t.Errorf("%d hits, want 5: %v", n, stats(t, db).Reasons)
	}
}
