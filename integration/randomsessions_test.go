package integration

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

const (
	// envSessions says how long TestRandomSessions runs for each of its ways, such as "10m".
	envSessions = "MLCACHE_SESSIONS"
	// envSessionsSeed repeats a run.
	envSessionsSeed = "MLCACHE_SESSIONS_SEED"
)

// sessionTables stand beside everyKindOfTable, for what depends on the session.
const sessionTables = `
CREATE TABLE secrets (tenant text, v text);
INSERT INTO secrets VALUES ('a', 'of a'), ('b', 'of b');
ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON secrets USING (tenant = current_setting('app.tenant', true));
CREATE TABLE owned (owner text, v text);
INSERT INTO owned VALUES ('mlcache_sessions_a', 'one'), ('mlcache_sessions_b', 'two');
ALTER TABLE owned ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON owned USING (owner = current_user);
CREATE TABLE moments (id int, at timestamptz, d date, f float8, b bytea, i interval);
INSERT INTO moments VALUES (1, '2024-03-31 01:30:00+00', '2024-02-29', 0.1::float8 + 0.2::float8, '\xdeadbeef', '1 mon 2 days 03:04:05');
CREATE SCHEMA tenant_a; CREATE SCHEMA tenant_b;
CREATE TABLE tenant_a.things (v text); CREATE TABLE tenant_b.things (v text);
INSERT INTO tenant_a.things VALUES ('thing of a'); INSERT INTO tenant_b.things VALUES ('thing of b');
CREATE FUNCTION tenant_a.name() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'a'::text $$;
CREATE FUNCTION tenant_b.name() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'b'::text $$;
CREATE FUNCTION checked(n bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN ASSERT n < 0; RETURN n; END $$;
CREATE TABLE moves (id int, x text DEFAULT set_config('search_path', 'tenant_b, public', false));
CREATE TABLE moves_by_rule (id int);
CREATE RULE move AS ON INSERT TO moves_by_rule DO ALSO SELECT set_config('app.tenant', 'a', false);
CREATE PROCEDURE move() LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('search_path', 'tenant_a, public', false); END $$;
CREATE FUNCTION count_t() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT count(*) FROM t $$;
GRANT USAGE ON SCHEMA tenant_a, tenant_b, other TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, other, tenant_a, tenant_b TO PUBLIC`

// sessionReads depend on more than the tables.
var sessionReads = []string{
	`SELECT v FROM secrets`, `SELECT v FROM owned`, `SELECT at, d, f, b, i FROM moments`, `SELECT at::text, d::text, f::text, b::text, i::text FROM moments`,
	`SELECT extract(hour FROM at) FROM moments`, `SELECT date_trunc('day', at) FROM moments`, `SELECT v FROM things`, `SELECT v, name() FROM things`,
	`SELECT count_t()`, `SELECT id FROM t WHERE id IN (SELECT id FROM u) ORDER BY id`, `SELECT '\a', v FROM u ORDER BY v`,
	`SELECT t.v, things.v FROM t, things ORDER BY 1`, `SELECT * FROM shadow`, `SELECT a.id FROM t a LEFT JOIN other.t b USING (id) WHERE b.v IS NULL ORDER BY 1`,
	`SELECT checked(id) FROM t WHERE id = 1`, `SELECT current_setting('search_path'), v FROM things`,
}

// sessionSteps change the session, or begin and end transactions. The second time they run, the state before may be another one.
var sessionSteps = []string{
	`SET search_path = tenant_a, public`, `SET search_path = tenant_b, public`, `SET LOCAL search_path = other, public`, `RESET search_path`,
	`SELECT set_config('app.tenant', 'a', false)`, `SELECT set_config('app.tenant', 'b', true)`, `SET app.tenant = 'b'`, `RESET app.tenant`,
	`SET ROLE mlcache_sessions_a`, `SET ROLE mlcache_sessions_b`, `SET LOCAL ROLE mlcache_sessions_a`, `RESET ROLE`, `SET SESSION AUTHORIZATION mlcache_sessions_b`, `RESET SESSION AUTHORIZATION`,
	`SET TIME ZONE 'Asia/Tokyo'`, `SET TimeZone = 'America/New_York'`, `SET DateStyle = 'German'`, `SET IntervalStyle = 'iso_8601'`, `SET extra_float_digits = -3`, `SET bytea_output = 'escape'`,
	`SET standard_conforming_strings = off`, `SET row_security = off`, `RESET ALL`, `DISCARD ALL`, `DISCARD TEMP`,
	`CREATE TEMP TABLE t (id int, v text, n int)`, `CREATE TEMP TABLE shadow AS SELECT 1 AS x`, `INSERT INTO pg_temp.t VALUES (77, 'temp', 7)`, `DROP TABLE pg_temp.t`, `DROP TABLE shadow`, `CREATE TEMP VIEW tv AS SELECT 1 AS id, 'temp'::text AS v`, `DROP VIEW pg_temp.tv`,
	`BEGIN`, `BEGIN ISOLATION LEVEL REPEATABLE READ`, `START TRANSACTION READ ONLY`, `COMMIT`, `COMMIT`, `COMMIT AND CHAIN`, `ROLLBACK`, `ROLLBACK AND CHAIN`, `SAVEPOINT s`, `ROLLBACK TO s`, `RELEASE s`,
	`BEGIN; UPDATE t SET n = n + 1 WHERE id = 4`, `UPDATE u SET v = v || '+' WHERE id = 4; COMMIT`,
	`PREPARE ins AS INSERT INTO u VALUES (500, 'prepared') ON CONFLICT DO NOTHING`, `EXECUTE ins`, `DEALLOCATE ALL`,
	`DECLARE c CURSOR WITH HOLD FOR SELECT 1`, `CLOSE ALL`,
	`UPDATE things SET v = left(v, 20) || '+'`, `SET LOCAL search_path = tenant_b, public`, `SET LOCAL search_path TO DEFAULT`, `RESET standard_conforming_strings`,
	`SET plpgsql.check_asserts = off`, `SELECT set_config('plpgsql.' || 'check_asserts', 'off', false)`, `RESET plpgsql.check_asserts`,
	`DO $$ BEGIN SET search_path = tenant_a, public; END $$`, `DO $$ BEGIN SET LOCAL search_path = tenant_b, public; END $$`, `DO $$ BEGIN EXECUTE 'SET search_' || 'path = tenant_b, public'; END $$`,
	`DO $$ BEGIN SET ROLE mlcache_sessions_a; END $$`, `DO $$ BEGIN SET TimeZone = 'Asia/Tokyo'; SET app.tenant = 'a'; END $$`, `DO $$ BEGIN SET standard_conforming_strings = off; END $$`,
	`DO $$ BEGIN CREATE TEMP TABLE things AS SELECT 'temp'::text AS v; END $$`, `DROP TABLE pg_temp.things`, `DO $$ BEGIN UPDATE things SET v = left(v, 20) || '-'; END $$`,
	`PREPARE moves AS SELECT set_config('search_path', 'tenant_a, public', false)`, `EXECUTE moves`, `EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) EXECUTE moves`,
	`UPDATE pg_settings SET setting = 'tenant_b, public' WHERE name = 'search_path'`, `UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'`,
	`INSERT INTO public.moves VALUES (1)`, `INSERT INTO public.moves_by_rule VALUES (1)`, `CALL public.move()`, `SELECT '\''; UPDATE public.u SET v = left(v, 20) || '.' WHERE id = 1 --'`,
	`WITH a AS (SELECT '\'' AS x), b AS (UPDATE public.u SET v = left(v, 20) || ',' WHERE id = 2 RETURNING v) SELECT v FROM b --'`,
}

// sessionRows are what chance alone seldom puts in a row.
var sessionRows = [][]string{
	{`BEGIN`, `SAVEPOINT s`, `SET LOCAL search_path = tenant_b, public`, `SELECT 1`, `ROLLBACK TO s`, `UPDATE things SET v = left(v, 20) || '1'`, `COMMIT`},
	{`BEGIN`, `SET search_path = tenant_a, public`, `ROLLBACK AND CHAIN`, `UPDATE things SET v = left(v, 20) || '2'`, `COMMIT`},
	{`BEGIN`, `SET LOCAL search_path = tenant_b, public`, `COMMIT AND CHAIN`, `UPDATE things SET v = left(v, 20) || '3'`, `COMMIT`},
	{`BEGIN`, `EXECUTE moves`, `UPDATE things SET v = left(v, 20) || '4'`, `SAVEPOINT s`, `DO $$ BEGIN SET LOCAL search_path = tenant_b, public; END $$`, `UPDATE things SET v = left(v, 20) || '5'`, `ROLLBACK TO s`, `UPDATE things SET v = left(v, 20) || '6'`, `COMMIT`},
	{`BEGIN`, `SET LOCAL standard_conforming_strings = off`, `SELECT '\''; UPDATE public.u SET v = left(v, 20) || ';' WHERE id = 1 --'`, `COMMIT`},
	{`BEGIN`, `SAVEPOINT s`, `CREATE TEMP TABLE things (v text)`, `ROLLBACK TO s`, `UPDATE things SET v = left(v, 20) || '7'`, `COMMIT`},
	{`BEGIN; SET LOCAL search_path = tenant_a, public; COMMIT; UPDATE things SET v = left(v, 20) || '8'`},
}

// sessionDDL goes both ways, so that it never runs out of effect.
var sessionDDL = []string{
	`CREATE OR REPLACE VIEW tv AS SELECT id, v FROM t WHERE id < 1000`, `CREATE OR REPLACE VIEW tv AS SELECT id, v FROM u WHERE id < 3`,
	`CREATE OR REPLACE FUNCTION count_t() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT count(*) FROM u $$`, `CREATE OR REPLACE FUNCTION count_t() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT count(*) FROM t $$`,
	`CREATE OR REPLACE FUNCTION tenant_a.name() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'A'::text $$`,
	`CREATE TRIGGER also AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION audit()`, `DROP TRIGGER also ON t`,
	`CREATE RULE also AS ON UPDATE TO u DO ALSO UPDATE other.t SET v = v || '.'`, `DROP RULE also ON u`,
	`CREATE TABLE tenant_a.t AS SELECT 1 AS id, 'mine'::text AS v, 1 AS n`, `DROP TABLE tenant_a.t`,
	`ALTER TABLE tenant_a.things RENAME TO things2`, `ALTER TABLE tenant_a.things2 RENAME TO things`,
	`ALTER TABLE secrets DISABLE ROW LEVEL SECURITY`, `ALTER TABLE secrets ENABLE ROW LEVEL SECURITY`, `REVOKE SELECT ON u FROM PUBLIC`, `GRANT SELECT ON u TO PUBLIC`,
	`ALTER TABLE t ADD COLUMN extra int DEFAULT 3`, `ALTER TABLE t DROP COLUMN extra`,
	`ALTER DATABASE %db SET app.tenant = 'b'`, `ALTER TABLE log SET UNLOGGED`, `ALTER TABLE log SET LOGGED`,
}

// Several sessions of two pools do whatever comes, in turn. After each step each of them reads something, with the cache
// and right afterwards past it, in the same session: the two must be one answer or one error.
func TestRandomSessions(t *testing.T) {
	duration := 6 * time.Second
	if s := os.Getenv(envSessions); s != "" {
		var err error
		if duration, err = time.ParseDuration(s); err != nil {
			t.Fatalf("%s: %v", envSessions, err)
		}
	}
	admin := harness.Open(t, "pgx", harness.AdminDSN())
	for _, role := range []string{"mlcache_sessions_a", "mlcache_sessions_b"} {
		if _, err := admin.Exec("CREATE ROLE " + role); err != nil {
			var pe *pgconn.PgError
			if !errors.As(err, &pe) || pe.Code != "42710" {
				t.Fatal(err)
			}
		}
	}
	for _, way := range []struct{ name, mode, consistency string }{
		{"strict", "exec", "strict"}, {"bounded", "describe_exec", "bounded"}, {"simple", "simple_protocol", "bounded"},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			if s := os.Getenv(envSessionsSeed); s != "" {
				var err error
				if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
					t.Fatalf("%s: %v", envSessionsSeed, err)
				}
			}
			t.Logf("%s=%d", envSessionsSeed, seed)
			dsn := harness.With(withPatientRedis(t, harness.NewDatabase(t, everyKindOfTable, sessionTables), "mlcache_consistency", way.consistency),
				"default_query_exec_mode", way.mode, "lock_timeout", "50ms")
			runRandomSessions(t, rand.New(rand.NewPCG(seed, 0)), dsn, duration)
		})
	}
}

type randomSession struct {
	name string
	conn *sql.Conn
}

func runRandomSessions(t *testing.T, random *rand.Rand, dsn string, duration time.Duration) {
	pools := []*sql.DB{harness.Open(t, "mlcache", dsn), harness.Open(t, "mlcache", harness.With(dsn, "search_path", "other,public"))}
	harness.Ready(t, pools[0])
	var database string
	if err := pools[0].QueryRow("SELECT current_database()").Scan(&database); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	var sessions []*randomSession
	defer func() {
		for _, s := range sessions {
			s.conn.Close()
		}
	}()
	for i := range 4 {
		conn, err := pools[i/3].Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, &randomSession{strconv.Itoa(i), conn})
	}
	reads := slices.Concat(everyRead, sessionReads)
	var trace []string
	note := func(s *randomSession, statement string, err error) {
		trace = append(trace, fmt.Sprintf("%s: %s -- %v", s.name, statement, err))
	}
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	compared, end := 0, time.Now().Add(duration)
	for time.Now().Before(end) {
		s := sessions[random.IntN(len(sessions))]
		var statements []string
		switch n := random.IntN(100); {
		case n < 50:
			statements = []string{pick(everyWrite)}
		case n < 55:
			statements = sessionRows[random.IntN(len(sessionRows))]
		case n < 90:
			statements = []string{pick(sessionSteps)}
		case n < 95:
			statements = []string{strings.ReplaceAll(pick(sessionDDL), "%db", `"`+database+`"`)}
		default:
			// The session goes back to its pool, and the pool gives one.
			s.conn.Close()
			conn, err := pools[random.IntN(2)].Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			s.conn = conn
			note(s, "another connection", nil)
			continue
		}
		for _, statement := range statements {
			var err error
			if random.IntN(2) == 0 {
				_, err = s.conn.ExecContext(ctx, statement)
			} else if r := harness.TryQuery(ctx, s.conn, statement); r.Err != "" {
				err = errors.New(r.Err)
			}
			note(s, statement, err)
		}
		queries := []string{pick(reads), pick(reads), pick(reads)}
		for _, s := range sessions {
			for _, query := range queries {
				cached := harness.TryQuery(ctx, s.conn, query)
				direct := harness.TryQuery(mlcache.WithBypass(ctx), s.conn, query)
				compared++
				slices.Sort(cached.Rows)
				slices.Sort(direct.Rows)
				if cached.String() == direct.String() || cached.Err != "" && strings.Contains(direct.Err, "25P02") {
					continue // an error in a transaction is the last answer that it gives
				}
				for _, line := range trace[max(0, len(trace)-60):] {
					t.Log(line)
				}
				t.Fatalf("session %s: %s\nwith the cache:\n%vpast it:\n%v", s.name, query, cached, direct)
			}
		}
	}
	st := stats(t, pools[0])
	t.Logf("%d steps, %d answers compared, %d hits of the first pool; bypasses %v", len(trace), compared, st.L1Hits+st.L2Hits, st.Reasons)
	if st.L1Hits+st.L2Hits < uint64(compared)/100 {
		t.Errorf("%d hits: the run shows nothing", st.L1Hits+st.L2Hits)
	}
}
