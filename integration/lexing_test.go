package integration

import (
	"database/sql"
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// Each turns the old reading of strings on, in which a backslash escapes the quote behind it.
var oldStrings = []struct {
	name       string
	statements []string
	end        string
}{
	{"SET", []string{`SET standard_conforming_strings = off`}, ""},
	{"SET SESSION to a word", []string{`SET SESSION Standard_Conforming_Strings TO no`}, ""},
	{"SET in a transaction", []string{`BEGIN`, `SET standard_conforming_strings = off`}, `COMMIT`},
	{"SET LOCAL", []string{`BEGIN`, `SET LOCAL standard_conforming_strings = off`}, `COMMIT`},
	{"SET LOCAL beside another setting", []string{`BEGIN`, `SET LOCAL search_path = public`, `SELECT 1`, `SET LOCAL standard_conforming_strings = off`, `SELECT 1`}, `COMMIT`},
	{"set_config", []string{`SELECT set_config('standard_conforming_strings', 'off', false)`}, ""},
	{"set_config in a transaction", []string{`BEGIN`, `SELECT set_config('standard_conforming_strings', 'off', true)`}, `COMMIT`},
	{"set_config with a name that is computed", []string{`BEGIN`, `SELECT set_config('standard_conforming' || '_strings', 'off', true)`}, `COMMIT`},
	{"DO", []string{`DO $$ BEGIN SET standard_conforming_strings = off; END $$`}, ""},
	{"EXECUTE in a transaction", []string{`PREPARE p AS SELECT set_config('standard_conforming_strings', 'off', true)`, `BEGIN`, `EXECUTE p`}, `COMMIT`},
	{"UPDATE of pg_settings", []string{`UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'`}, ""},
	{"a transaction that is taken back", []string{`SET standard_conforming_strings = off`, `BEGIN`, `SET LOCAL standard_conforming_strings = on`, `SELECT 1`, `ROLLBACK`}, ""},
	{"ROLLBACK TO", []string{`SET standard_conforming_strings = off`, `BEGIN`, `SAVEPOINT s`, `SET LOCAL standard_conforming_strings = on`, `SELECT 1`, `ROLLBACK TO s`}, `COMMIT`},
}

// Each is a SELECT of one literal, unless the backslash in it escapes.
var hiddenWrites = []string{
	`SELECT '\''; UPDATE t SET n = n + 1 --'`,
	`WITH a AS (SELECT '\'' AS x), b AS (UPDATE t SET n = n + 1 RETURNING n) SELECT n FROM b --'`,
}

const (
	hidingFunction = "CREATE FUNCTION hides() RETURNS text LANGUAGE sql AS $$ SELECT '\\''; UPDATE t SET n = n + 1; SELECT version() --' $$"
	hidingDO       = "DO $$ BEGIN PERFORM '\\''; UPDATE t SET n = n + 1; --';\nEND $$"
)

// A write is seen in whatever way the session reads its strings.
func TestWritesBehindABackslash(t *testing.T) {
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
			dsn := harness.With(harness.NewDatabase(t, `CREATE TABLE t (n int); INSERT INTO t VALUES (1)`), "default_query_exec_mode", "exec")
			db := origin.open(t, dsn)
			harness.Ready(t, db)
			const query = "SELECT n FROM t"
			for _, w := range oldStrings {
				t.Run(w.name, func(t *testing.T) {
					ctx := harness.Context(t)
					reader, writer := connOf(t, db), connOf(t, db)
					for _, s := range w.statements {
						harness.Exec(t, writer, s)
					}
					for _, write := range hiddenWrites {
						warm(t, reader, query)
						harness.Exec(t, writer, write)
						if w.end != "" {
							harness.Exec(t, writer, w.end)
						}
						harness.Same(t, write, harness.Query(t, reader, query), harness.TryQuery(mlcache.WithBypass(ctx), reader, query))
						if w.end != "" {
							break
						}
					}
				})
			}
			t.Run("in a function and in DO", func(t *testing.T) {
				reader, writer := connOf(t, db), connOf(t, db)
				harness.Exec(t, writer, hidingFunction)
				harness.Exec(t, writer, `SET standard_conforming_strings = off`)
				for _, write := range []string{`SELECT hides()`, hidingDO} {
					warm(t, reader, query)
					harness.Exec(t, writer, write)
					harness.Same(t, write, harness.Query(t, reader, query), harness.TryQuery(mlcache.WithBypass(harness.Context(t)), reader, query))
				}
			})
			t.Run("from the first statement on", func(t *testing.T) {
				reader := connOf(t, db)
				warm(t, reader, query)
				// The wrapped origin has a pool of its own, with nothing known of the schema yet.
				writer := origin.open(t, harness.With(dsn, "mlcache_redis", harness.RedisURL(), "standard_conforming_strings", "off"))
				warm(t, writer, query)
				for _, write := range hiddenWrites {
					harness.Exec(t, writer, write)
					harness.Same(t, write, harness.Query(t, writer, query), harness.TryQuery(mlcache.WithBypass(harness.Context(t)), writer, query))
				}
			})
		})
	}
}
