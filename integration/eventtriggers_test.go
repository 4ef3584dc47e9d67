package integration

import (
	"database/sql"
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

const eventSchema = `
CREATE TABLE audit (n int); INSERT INTO audit VALUES (0);
CREATE TABLE t (v int, i int); CREATE INDEX by_v ON t (v);
CREATE MATERIALIZED VIEW m AS SELECT * FROM t;
CREATE FUNCTION refreshes() RETURNS void LANGUAGE sql AS 'REFRESH MATERIALIZED VIEW m';
CREATE FUNCTION refreshes_pl() RETURNS void LANGUAGE plpgsql AS 'BEGIN REFRESH MATERIALIZED VIEW m; END';
CREATE FUNCTION comments() RETURNS void LANGUAGE plpgsql AS $$ BEGIN COMMENT ON TABLE t IS 'x'; END $$;
CREATE SCHEMA a; CREATE TABLE a.named (v text); INSERT INTO a.named VALUES ('a');
CREATE SCHEMA b; CREATE TABLE b.named (v text); INSERT INTO b.named VALUES ('b')`

// firing are statements that fire event triggers. since is the first version of PostgreSQL in which they do.
var firing = []struct {
	sql, before string
	since       int
}{
	{sql: `REFRESH MATERIALIZED VIEW m`},
	{sql: `SELECT refreshes()`},
	{sql: `SELECT refreshes_pl()`},
	{sql: `DO 'BEGIN REFRESH MATERIALIZED VIEW m; END'`},
	{sql: `COMMENT ON TABLE t IS 'x'`},
	{sql: `SELECT comments()`},
	{sql: `GRANT SELECT ON t TO PUBLIC`},
	{sql: `CREATE TEMP TABLE scratch AS SELECT 1 AS x`},
	{sql: `DROP TABLE scratch`, before: `CREATE TEMP TABLE IF NOT EXISTS scratch (x int)`},
	{sql: `SELECT v INTO TEMP scratch2 FROM t`},
	{sql: `REINDEX INDEX by_v`, since: 170000},
	{sql: `DO 'BEGIN REINDEX INDEX by_v; END'`, since: 170000},
	{sql: `CREATE TABLE made (x int)`, before: `DROP TABLE IF EXISTS made, b.made`},
}

// What an event trigger writes is written by the command that fires it.
func TestEventTriggersThatWrite(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, eventSchema, `CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN UPDATE public.audit SET n = n + 1; END';
		CREATE EVENT TRIGGER note ON ddl_command_start EXECUTE FUNCTION note()`)
	plain, db := harness.Open(t, "pgx", dsn), harness.Open(t, "mlcache", dsn)
	harness.Ready(t, db)
	version := serverVersion(t, plain)
	conn := connOf(t, db)
	const query = "SELECT n FROM audit"
	for _, c := range firing {
		if version < c.since {
			continue
		}
		t.Run(c.sql, func(t *testing.T) {
			if c.before != "" {
				harness.Exec(t, conn, c.before)
			}
			untilHit(t, db, query)
			before := harness.Query(t, plain, query)
			harness.Exec(t, conn, c.sql)
			want := harness.Query(t, plain, query)
			if want.String() == before.String() {
				t.Fatal("nothing was written")
			}
			harness.Same(t, query, harness.Query(t, db, query), want)
		})
	}
}

// movingDatabase has an event trigger that sets the search path.
func movingDatabase(t *testing.T) string {
	return harness.With(harness.NewDatabase(t, eventSchema, `CREATE FUNCTION moves() RETURNS event_trigger LANGUAGE plpgsql AS $$
			BEGIN PERFORM pg_catalog.set_config('search_path', 'b,public', false); END $$;
		CREATE EVENT TRIGGER moves ON ddl_command_start EXECUTE FUNCTION public.moves()`), "search_path", "a,public")
}

// A session that an event trigger has changed is not answered for what it was, nor does what it reads reach those who
// are what it was.
func TestEventTriggersThatChangeTheSession(t *testing.T) {
	t.Parallel()
	dsn := movingDatabase(t)
	plain, db := harness.Open(t, "pgx", dsn), harness.Open(t, "mlcache", dsn)
	harness.Ready(t, db)
	version := serverVersion(t, plain)
	const query = "SELECT v FROM named"
	for _, begin := range []bool{false, true} {
		for _, c := range firing {
			if version < c.since {
				continue
			}
			name := c.sql
			if begin {
				name += " in a transaction"
			}
			t.Run(name, func(t *testing.T) {
				ctx := harness.Context(t)
				clean, changed := connOf(t, db), connOf(t, db)
				before := harness.Query(t, clean, query)
				if c.before != "" {
					harness.Exec(t, changed, c.before)
				}
				harness.Exec(t, changed, `RESET search_path`)
				harness.Same(t, "before", harness.Query(t, changed, query), before)
				untilHit(t, db, query)
				if begin {
					harness.Exec(t, changed, `BEGIN`)
				}
				harness.Exec(t, changed, c.sql)
				if begin {
					harness.Exec(t, changed, `COMMIT`)
				}
				want := harness.Query(t, changed, query)
				harness.Same(t, "past the cache", want, harness.TryQuery(mlcache.WithBypass(ctx), changed, query))
				if want.String() == before.String() {
					t.Fatal("nothing has changed")
				}
				for range 2 {
					harness.Same(t, "in the changed session", harness.Query(t, changed, query), want)
					harness.Same(t, "in the other session", harness.Query(t, clean, query), before)
				}
				harness.Exec(t, changed, `RESET search_path`)
				harness.Same(t, "after RESET", harness.Query(t, changed, query), before)
			})
		}
	}
}

// Nor is it if the schema was not known when the command came, since another command had just been there.
func TestEventTriggersThatChangeTheSessionUnknown(t *testing.T) {
	t.Parallel()
	dsn := movingDatabase(t)
	plain, db := harness.Open(t, "pgx", dsn), harness.Open(t, "mlcache", dsn)
	harness.Ready(t, db)
	const query = "SELECT v FROM named"
	for name, around := range map[string][2]string{"": {"LISTEN x", "COMMENT ON TABLE t IS 'y'"}, "in a transaction": {"BEGIN", "COMMIT"}} {
		clean, changed, other := connOf(t, db), connOf(t, db), connOf(t, db)
		want := harness.Query(t, plain, query)
		untilHit(t, db, query)
		for _, c := range []*sql.Conn{clean, changed} {
			harness.Same(t, name+": before", harness.TryQuery(mlcache.WithBypass(harness.Context(t)), c, query), want)
			harness.Same(t, name+": before", harness.Query(t, c, query), want)
		}
		harness.Exec(t, other, `COMMENT ON TABLE t IS 'x'`)
		for _, s := range []string{around[0], `COMMENT ON TABLE t IS 'x'`, around[1]} {
			harness.Exec(t, changed, s)
		}
		if harness.Query(t, changed, query).String() == want.String() {
			t.Errorf("%s: nothing has changed", name)
		}
		for range 2 {
			harness.Same(t, name+": in the other session", harness.Query(t, clean, query), want)
		}
	}
}

// What a login event trigger writes is written by the connection that fires it.
func TestLoginEventTriggersThatWrite(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, eventSchema)
	plain := harness.Open(t, "pgx", dsn)
	plain.SetMaxOpenConns(1)
	if serverVersion(t, plain) < 170000 {
		t.Skip("no such event before PostgreSQL 17")
	}
	harness.Exec(t, plain, `CREATE FUNCTION came() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN UPDATE public.audit SET n = n + 1; END'`)
	harness.Exec(t, plain, `CREATE EVENT TRIGGER came ON login EXECUTE FUNCTION came()`)
	db := harness.Open(t, "mlcache", dsn)
	harness.Ready(t, db)
	const query = "SELECT n FROM audit"
	count := func(db *sql.DB) (n int) {
		t.Helper()
		if err := db.QueryRow(query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for range 3 {
		untilHit(t, db, query)
		before := count(plain)
		for range 2 { // one of them is new
			harness.Exec(t, connOf(t, db), "SELECT 1")
		}
		// A connection of mlcache's own may come between.
		want := count(plain)
		if want == before {
			t.Fatal("nothing was written")
		}
		if got := count(db); got < want {
			t.Errorf("%d after %d", got, want)
		}
	}
	handle, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := handle.Explain(harness.Context(t), "COMMENT ON TABLE t IS 'x'"); err != nil || e.Detail == "event trigger came" {
		t.Errorf("a command is taken for a login: %+v %v", e, err)
	}
}
