package integration

import (
	"database/sql"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
)

// noticing is how long a change past mlcache may stay unnoticed: a look each second, and
// some time for a busy machine.
const noticing = 30 * time.Second

// reload changes a setting of the whole server.
func reload(t testing.TB, admin *sql.DB, setting string) {
	t.Helper()
	harness.Exec(t, admin, "ALTER SYSTEM SET "+setting)
	harness.Exec(t, admin, "SELECT pg_reload_conf()")
}

// asPgx waits until an answer is the one that pgx gives.
func asPgx(t testing.TB, db, direct *sql.DB, query string) {
	t.Helper()
	harness.Eventually(t, noticing, "mlcache and pgx answer alike: "+query, func() bool {
		return harness.Query(t, db, query).Rows[0] == harness.Query(t, direct, query).Rows[0]
	})
}

// The server's configuration is loaded again, and with it the settings of the sessions
// in use: answers of before end, and those of after belong to no session that has the
// old settings of its own accord.
func TestReloadedConfiguration(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, setting, before, after, query string }{
		{"TimeZone", "timezone", "UTC", "Asia/Tokyo", "SELECT at::text FROM moment"},
		{"IntervalStyle", "intervalstyle", "postgres", "sql_standard", "SELECT span::text FROM moment"},
		{"bytea_output", "bytea_output", "hex", "escape", "SELECT raw::text FROM moment"},
		{"search_path", "search_path", "one", "two", "SELECT n::text FROM item"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := harness.StartPostgres(t)
			admin := harness.Open(t, "pgx", server.DSN())
			for _, ddl := range []string{
				"CREATE TABLE public.moment (at timestamptz, span interval, raw bytea)",
				`INSERT INTO public.moment VALUES ('2024-05-01 12:00+00', '1 day 02:03', '\x00ff41')`,
				"CREATE SCHEMA one CREATE TABLE item (n int)", "INSERT INTO one.item VALUES (1)",
				"CREATE SCHEMA two CREATE TABLE item (n int)", "INSERT INTO two.item VALUES (2)",
			} {
				harness.Exec(t, admin, ddl)
			}
			reload(t, admin, c.setting+" = '"+c.before+"'")
			dsn := withPatientRedis(t, server.DSN())
			plain := harness.Open(t, "mlcache", dsn)
			fixed := harness.StartProcess(t, "mlcache", harness.With(dsn, c.setting, c.before))
			harness.Ready(t, plain)
			harness.Eventually(t, noticing, "the setting of before", func() bool { return harness.Query(t, admin, "SHOW "+c.setting).Rows[0] == `string "`+c.before+`"` })
			untilHit(t, plain, c.query)
			want := fixed.Query(c.query).Rows[0]
			reload(t, admin, c.setting+" = '"+c.after+"'")
			// Misses of the plain process right after the change, which may not have
			// noticed, and hits of the other one.
			for i := range 20 {
				query := c.query + " LIMIT " + string(rune('1'+i%9))
				harness.Query(t, plain, query)
				if got := fixed.Query(query); got.Err != "" || got.Rows[0] != want {
					t.Fatalf("%s, where %s is the session's own: %v, want %s", query, c.before, got.Rows, want)
				}
			}
			direct := harness.Open(t, "pgx", server.DSN())
			asPgx(t, plain, direct, c.query)
			if got := harness.Query(t, plain, c.query).Rows[0]; got == want {
				t.Errorf("after the reload: %s still", got)
			}
			if got := fixed.Query(c.query).Rows[0]; got != want {
				t.Errorf("where the setting is the session's own: %s, want %s", got, want)
			}
		})
	}
}

// A write goes where the search path of the session has been moved to by a reload: it is
// seen once the reload has been noticed.
func TestWriteAfterTheSearchPathWasReloaded(t *testing.T) {
	t.Parallel()
	server := harness.StartPostgres(t)
	admin := harness.Open(t, "pgx", server.DSN())
	for _, ddl := range []string{
		"CREATE SCHEMA one CREATE TABLE item (n int)", "INSERT INTO one.item VALUES (1)",
		"CREATE SCHEMA two CREATE TABLE item (n int)", "INSERT INTO two.item VALUES (1)",
	} {
		harness.Exec(t, admin, ddl)
	}
	reload(t, admin, "search_path = 'one'")
	db := harness.Open(t, "mlcache", withPatientRedis(t, server.DSN()))
	harness.Ready(t, db)
	harness.Eventually(t, noticing, "the path of before", func() bool { return harness.Query(t, admin, "SHOW search_path").Rows[0] == `string "one"` })
	db.SetMaxOpenConns(1)
	harness.Exec(t, db, "UPDATE item SET n = 2")
	untilHit(t, db, "SELECT n FROM two.item")
	reload(t, admin, "search_path = 'two'")
	harness.Eventually(t, noticing, "the path of after", func() bool { return harness.Query(t, admin, "SHOW search_path").Rows[0] == `string "two"` })
	harness.Exec(t, db, "UPDATE item SET n = 3") // whose path it is is not known yet
	harness.Eventually(t, noticing, "the write is seen", func() bool { return harness.Query(t, db, "SELECT n FROM two.item").Rows[0] == "int64 3" })
	harness.Exec(t, db, "UPDATE item SET n = 4")
	if got := harness.Query(t, db, "SELECT n FROM two.item").Rows[0]; got != "int64 4" {
		t.Errorf("a write after the reload was noticed: %s", got)
	}
}
