package integration

import (
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

const oddObjects = `
CREATE EXTENSION IF NOT EXISTS file_fdw;
CREATE TABLE t (id int PRIMARY KEY, v text, at timestamptz DEFAULT now(), d text DEFAULT 'now');
INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 100) i;
CREATE UNLOGGED TABLE quick (id int); INSERT INTO quick VALUES (1);
CREATE SEQUENCE seq;
CREATE FUNCTION rowcount() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT count(*) FROM t $$;
CREATE FUNCTION hidden() RETURNS bigint LANGUAGE plpgsql STABLE AS $$ DECLARE n bigint; BEGIN EXECUTE 'SELECT count(*) FROM t' INTO n; RETURN n; END $$;
CREATE FUNCTION noisy(int) RETURNS float8 LANGUAGE sql VOLATILE AS $$ SELECT random() * $1 $$;
CREATE FUNCTION age_of(t) RETURNS interval LANGUAGE sql STABLE AS $$ SELECT clock_timestamp() - $1.at $$;
CREATE FUNCTION noisy_eq(int, int) RETURNS bool LANGUAGE sql VOLATILE AS $$ SELECT random() * $1 > $2 $$;
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = noisy_eq);
CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION to_pair(int) RETURNS pair LANGUAGE sql VOLATILE AS $$ SELECT ROW($1, (random() * 1e6)::int)::pair $$;
CREATE CAST (int AS pair) WITH FUNCTION to_pair(int);
CREATE AGGREGATE noisy_sum(int) (SFUNC = noisy_add, STYPE = float8, INITCOND = 0);
CREATE VIEW clock AS SELECT now() AS at, count(*) FROM t;
CREATE VIEW sampled AS SELECT * FROM t TABLESAMPLE BERNOULLI (50);
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE hosts (line text) SERVER files OPTIONS (filename '/etc/hostname')`

// never are queries whose answer may be another one the next time, without a
// write that anybody could see.
var never = []string{
	`SELECT now()`, `SELECT CURRENT_TIMESTAMP`, `SELECT current_date`, `SELECT localtime`, `SELECT clock_timestamp()`, `SELECT statement_timestamp()`,
	`SELECT timeofday()`, `SELECT age(at) FROM t`, `SELECT id FROM t WHERE at > now() - interval '1 day'`, `SELECT pg_catalog.now()`, `SELECT "now"()`,
	`SELECT random()`, `SELECT id FROM t ORDER BY random()`, `SELECT gen_random_uuid()`, `SELECT setseed(0.5)`,
	`SELECT nextval('seq')`, `SELECT last_value FROM seq`, `SELECT lastval()`,
	`SELECT current_setting('application_name')`, `SELECT pg_backend_pid()`, `SELECT txid_current()`, `SELECT pg_current_wal_lsn()`,
	`SELECT current_user`, `SELECT session_user`, `SELECT current_schema`, `SELECT current_schemas(true)`, `SELECT inet_client_port()`, `SELECT version()`,
	`SELECT set_config('app.x', 'y', false)`, `SELECT pg_advisory_lock(1)`, `SELECT pg_advisory_unlock_all()`, `SELECT pg_sleep(0)`, `SELECT pg_notify('a', 'b')`,
	`SELECT * FROM t FOR UPDATE`, `SELECT * FROM t FOR KEY SHARE OF t SKIP LOCKED`,
	`SELECT count(*) FROM t TABLESAMPLE SYSTEM (50)`, `SELECT count(*) FROM sampled`,
	`SELECT count(*) FROM pg_class`, `SELECT count(*) FROM pg_catalog.pg_stat_activity`, `SELECT count(*) FROM information_schema.tables`, `SELECT 't'::regclass::oid`, `SELECT to_regclass('t')`,
	`SELECT pg_table_size('t')`, `SELECT obj_description(1, 'pg_class')`, `SELECT has_table_privilege('t', 'select')`, `SELECT ctid FROM t`, `SELECT xmin FROM t`, `SELECT tableoid::regclass FROM t`,
	`SELECT 'now'::timestamptz`, `SELECT timestamp 'today'`, `SELECT CAST('yesterday' AS date)`, `SELECT id FROM t WHERE at > 'tomorrow'`, `SELECT ' NOW '::timestamp`, `SELECT E'n\x6fw'::date`, `SELECT U&'\006eow'::date`, `SELECT 'no'
	  'w'::timestamptz`, `SELECT date 'now'`, `SELECT d::timestamptz FROM t`, `SELECT '12:00'::timetz`,
	`SELECT rowcount() FROM quick`, `SELECT hidden()`, `SELECT noisy(5)`, `SELECT t.age_of FROM t`, `SELECT (t).age_of FROM t`, `SELECT age_of(t) FROM t`, `SELECT 5 === 3`, `SELECT 5 OPERATOR(public.===) 3`,
	`SELECT 5::pair`, `SELECT CAST(id AS pair) FROM t`, `SELECT noisy_sum(id) FROM t`, `SELECT * FROM clock`, `SELECT * FROM hosts`, `SELECT * FROM quick`,
	`SELECT query_to_xml('select count(*) from t', true, false, '')`, `SELECT table_to_xml('t', true, false, '')`,
	`SELECT 1; SELECT 2`, `SHOW application_name`, `EXPLAIN SELECT * FROM t`,
	`SELECT v INTO TEMP copied FROM t`, `SELECT * FROM copied`, `CREATE TEMP TABLE mine AS SELECT 1 AS x`, `SELECT * FROM mine`, `SELECT * FROM pg_temp.mine`,
}

func TestAnswersThatMustNotBeKeptAreComputedEachTime(t *testing.T) {
	t.Parallel()
	dsn := harness.With(harness.NewDatabase(t), "default_query_exec_mode", "simple_protocol")
	direct := harness.Open(t, "pgx", dsn)
	harness.Exec(t, direct, `CREATE FUNCTION noisy_add(float8, int) RETURNS float8 LANGUAGE sql VOLATILE AS 'SELECT $1 + random() * $2'`)
	harness.Exec(t, direct, oddObjects)
	db := harness.Open(t, "mlcache", harness.With(dsn, "mlcache_redis", harness.RedisURL(), "mlcache_namespace", harness.NewNamespace(t)))
	db.SetMaxOpenConns(1) // temporary tables and settings stay with their session
	handle, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	ctx := harness.Context(t)
	for _, q := range never {
		before := handle.Stats()
		for range 2 {
			rows, err := db.QueryContext(ctx, q)
			if err != nil {
				if q == `SELECT v INTO TEMP copied FROM t` || q == `CREATE TEMP TABLE mine AS SELECT 1 AS x` || q == `SELECT lastval()` {
					continue // the second time it is there already
				}
				t.Errorf("%s: %v", q, err)
				break
			}
			if err := readAll(rows); err != nil {
				t.Errorf("%s: %v", q, err)
			}
		}
		after := handle.Stats()
		if after.L1Hits != before.L1Hits || after.L2Hits != before.L2Hits || after.Misses != before.Misses {
			t.Errorf("%s: counted as cacheable", q)
		}
	}
	// The session has temporary tables by now; what they do not hide is kept.
	before := handle.Stats().L1Hits
	for range 2 {
		harness.Query(t, db, `SELECT v FROM t WHERE id = 1`)
	}
	if handle.Stats().L1Hits == before {
		t.Errorf("a plain SELECT was no hit: %v", handle.Stats().Reasons)
	}
}
