package integration

import (
	"slices"
	"strings"
	"testing"

	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/sqlinfo"
)

const refusalSchema = `
CREATE TABLE t (id int, v text, d timestamptz DEFAULT now());
CREATE TABLE other (id int, t_id int);
CREATE UNLOGGED TABLE quick (id int);
CREATE TABLE tree (id int); CREATE UNLOGGED TABLE leaf () INHERITS (tree);
CREATE SEQUENCE s;
CREATE EXTENSION postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;
CREATE FOREIGN TABLE far_t (id int) SERVER far;
CREATE TABLE halves (id int) PARTITION BY LIST (id);
CREATE FOREIGN TABLE far_half PARTITION OF halves FOR VALUES IN (1) SERVER far;
CREATE VIEW over_far AS SELECT * FROM far_t;

CREATE VIEW clock AS SELECT id, now() - d AS age FROM t;
CREATE VIEW clock_of AS SELECT * FROM clock WHERE id > 0;
CREATE VIEW lucky AS SELECT id FROM t ORDER BY random();
CREATE VIEW today AS SELECT id FROM t WHERE d > CURRENT_DATE;
CREATE VIEW spelt AS SELECT id FROM t WHERE d > 'today'::text::date;
CREATE VIEW stats AS SELECT relname FROM pg_stat_user_tables;
CREATE VIEW columns_of AS SELECT column_name FROM information_schema.columns;
CREATE VIEW sampled AS SELECT id FROM t TABLESAMPLE system (50);
CREATE VIEW seq AS SELECT last_value FROM s;
CREATE VIEW me AS SELECT current_user AS me, id FROM t;

CREATE FUNCTION immut(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i * 2';
CREATE FUNCTION immut_pl(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ DECLARE r int := i; BEGIN IF r > 3 THEN r := r * 2; END IF; RETURN r; END $$;
CREATE FUNCTION immut_reads(i int) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT count(*) FROM other WHERE t_id = i';
CREATE FUNCTION immut_clock(i int) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS 'SELECT now()';
CREATE FUNCTION immut_dynamic(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ DECLARE r int; BEGIN EXECUTE 'SELECT 1' INTO r; RETURN r; END $$;
CREATE FUNCTION stable_reads(i int) RETURNS bigint LANGUAGE plpgsql STABLE AS $$ DECLARE n bigint; BEGIN SELECT count(*) INTO n FROM other WHERE t_id = i; RETURN n; END $$;
CREATE FUNCTION stable_atomic(i int) RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT count(*) FROM other WHERE t_id = i; END;
CREATE FUNCTION stable_clock() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT now()';
CREATE FUNCTION stable_atomic_clock() RETURNS timestamptz LANGUAGE sql STABLE RETURN clock_timestamp();
CREATE FUNCTION stable_setting() RETURNS text LANGUAGE sql STABLE AS $$ SELECT current_setting('app.x', true) $$;
CREATE FUNCTION vol(i int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT i';
CREATE FUNCTION overloaded(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i';
CREATE FUNCTION overloaded(i text) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
CREATE FUNCTION with_default(i int, at timestamptz DEFAULT now()) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS 'SELECT at';
CREATE FUNCTION shade(t t) RETURNS double precision LANGUAGE sql VOLATILE AS 'SELECT random()';
CREATE FUNCTION vol_step(a int, b int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT a + b';
CREATE AGGREGATE vol_sum(int) (SFUNC = vol_step, STYPE = int, INITCOND = '0');
CREATE AGGREGATE good_sum(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE OPERATOR |~| (LEFTARG = int, RIGHTARG = int, FUNCTION = vol_step);
CREATE FUNCTION good_plus(a int, b int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + b';
CREATE OPERATOR |&| (LEFTARG = int, RIGHTARG = int, FUNCTION = good_plus);
CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION to_pair(i int) RETURNS pair LANGUAGE sql VOLATILE AS 'SELECT (i, i)::pair';
CREATE CAST (int AS pair) WITH FUNCTION to_pair(int);
CREATE DOMAIN vol_domain AS int CHECK (vol_step(VALUE, 0) > 0);
CREATE DOMAIN vol_domain_over AS vol_domain;
CREATE DOMAIN good_domain AS int CHECK (VALUE > 0);
CREATE FUNCTION lower(i int) RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT 'x' $$;
CREATE VIEW over_vol AS SELECT vol(id) FROM t;
CREATE VIEW over_immut AS SELECT immut(id) FROM t;
CREATE VIEW over_op AS SELECT id |~| 1 AS x FROM t;
CREATE EXTENSION citext; CREATE TABLE ci (v citext);
CREATE EXTENSION pg_trgm;
CREATE SCHEMA tenant; CREATE TABLE tenant.t (id int);
`

// catalogRefusals says for each query whether its answer may be kept ("") or else
// why not, and which tables it reads.
var catalogRefusals = []struct {
	sql    string
	reason sqlinfo.Reason
	reads  string
}{
	{`SELECT id, v FROM t`, "", "public.t"},
	{`SELECT * FROM quick`, catalog.ReasonUnloggedTable, ""},
	{`SELECT * FROM tree`, catalog.ReasonUnloggedTable, ""},
	{`SELECT last_value FROM s`, sqlinfo.ReasonSequence, ""},
	{`SELECT * FROM far_t`, catalog.ReasonForeignTable, ""},
	{`SELECT * FROM halves`, catalog.ReasonForeignTable, ""},
	{`SELECT * FROM over_far`, catalog.ReasonForeignTable, ""},
	{`SELECT * FROM clock`, sqlinfo.ReasonTimeFunction, ""},
	{`SELECT * FROM clock_of`, sqlinfo.ReasonTimeFunction, ""},
	{`SELECT * FROM lucky`, sqlinfo.ReasonRandomFunction, ""},
	{`SELECT * FROM today`, sqlinfo.ReasonTimeFunction, ""},
	{`SELECT * FROM spelt`, sqlinfo.ReasonSpecialDate, ""},
	{`SELECT * FROM stats`, sqlinfo.ReasonSystemCatalog, ""},
	{`SELECT * FROM columns_of`, sqlinfo.ReasonSystemCatalog, ""},
	{`SELECT * FROM pg_class`, sqlinfo.ReasonSystemCatalog, ""},
	{`SELECT * FROM sampled`, sqlinfo.ReasonTableSample, ""},
	{`SELECT * FROM seq`, sqlinfo.ReasonSequence, ""},
	{`SELECT * FROM me`, sqlinfo.ReasonSessionFunction, ""},
	{`SELECT immut(id) FROM t`, "", "public.t"},
	{`SELECT immut_pl(id) FROM t`, "", "public.t"},
	{`SELECT immut_reads(id) FROM t`, "", "public.other public.t"},
	{`SELECT immut_clock(id) FROM t`, sqlinfo.ReasonTimeFunction, ""},
	{`SELECT immut_dynamic(id) FROM t`, catalog.ReasonDynamicFunction, ""},
	{`SELECT stable_reads(id) FROM t`, "", "public.other public.t"},
	{`SELECT stable_atomic(id) FROM t`, "", "public.other public.t"},
	{`SELECT * FROM t WHERE d < stable_clock()`, sqlinfo.ReasonTimeFunction, ""},
	{`SELECT * FROM t WHERE d < stable_atomic_clock()`, sqlinfo.ReasonTimeFunction, ""},
	{`SELECT stable_setting() FROM t`, sqlinfo.ReasonSessionFunction, ""},
	{`SELECT vol(id) FROM t`, catalog.ReasonVolatileFunction, ""},
	{`SELECT overloaded(id) FROM t`, catalog.ReasonVolatileFunction, ""},
	{`SELECT with_default(id) FROM t`, sqlinfo.ReasonTimeFunction, ""},
	{`SELECT t.shade FROM t`, catalog.ReasonVolatileFunction, ""},
	{`SELECT (t).shade FROM t`, catalog.ReasonVolatileFunction, ""},
	{`SELECT lower(v) FROM t`, catalog.ReasonVolatileFunction, ""},
	{`SELECT pg_catalog.lower(v) FROM t`, "", "public.t"},
	{`SELECT upper(v), length(v), coalesce(v, 'x'), date_trunc('day', d) FROM t`, "", "public.t"},
	{`SELECT vol_sum(id) FROM t`, catalog.ReasonVolatileFunction, ""},
	{`SELECT good_sum(id) FROM t`, "", "public.t"},
	{`SELECT sum(id), max(v) FILTER (WHERE id > 1), array_agg(id ORDER BY v) FROM t`, "", "public.t"},
	{`SELECT id |~| 2 FROM t`, catalog.ReasonUserOperator, ""},
	{`SELECT id OPERATOR(public.|~|) 2 FROM t`, catalog.ReasonUserOperator, ""},
	{`SELECT id |&| 2 FROM t`, "", "public.t"},
	{`SELECT id::pair FROM t`, catalog.ReasonUserCast, ""},
	{`SELECT CAST(id AS public.pair) FROM t`, catalog.ReasonUserCast, ""},
	{`SELECT pair(id) FROM t`, sqlinfo.ReasonUnknownFunction, ""},
	{`SELECT id::vol_domain FROM t`, catalog.ReasonUserCast, ""},
	{`SELECT id::vol_domain_over FROM t`, catalog.ReasonUserCast, ""},
	{`SELECT id::good_domain FROM t`, "", "public.t"},
	{`SELECT * FROM over_vol`, catalog.ReasonVolatileFunction, ""},
	{`SELECT * FROM over_immut`, "", "public.t"},
	{`SELECT * FROM over_op`, catalog.ReasonUserOperator, ""},
	{`SELECT v::date FROM t`, sqlinfo.ReasonSpecialDate, ""},
	{`SELECT d::date FROM t`, "", "public.t"},
	{`SELECT * FROM ci WHERE v = 'x' AND v ~ 'y'`, "", "public.ci"},
	{`SELECT v % 'x' FROM t`, catalog.ReasonUserOperator, ""},
	{`SELECT similarity(v, 'x') FROM t`, "", "public.t"},
	{`SELECT * FROM tenant.t`, "", "tenant.t"},
	{`SELECT (0.01).pg_sleep`, sqlinfo.ReasonUnsafeFunction, ""},
	{`SELECT no_such_function(id) FROM t`, sqlinfo.ReasonUnknownFunction, ""},
	{`SELECT now()`, sqlinfo.ReasonTimeFunction, ""},
	{`SELECT 1`, "", ""},
}

// TestCatalogRefusals compares refusals and reads with what must be.
func TestCatalogRefusals(t *testing.T) {
	dsn := harness.NewDatabase(t)
	c := catalogConnect(t, dsn)
	c.exec(t, refusalSchema)
	s, sess := c.load(t), c.session(t)
	for _, q := range catalogRefusals {
		closure := s.Resolve(sqlinfo.Parse(q.sql), sess)
		if closure.Refusal != q.reason {
			t.Errorf("%s: refusal %q (%s), want %q", q.sql, closure.Refusal, closure.Detail, q.reason)
		}
		if got := scopes(closure.Reads); q.reason == "" && got != q.reads {
			t.Errorf("%s: reads %s, want %s", q.sql, got, q.reads)
		}
		if q.reason == "" && (closure.WritesAll || closure.Session || len(closure.Writes) > 0) {
			t.Errorf("%s: may be kept, and yet writes: %+v", q.sql, closure)
		}
	}
}

// catalogHarmless look in some way as if they called a function of the user, or
// call one of PostgreSQL's own that changes no table.
var catalogHarmless = []string{
	`SELECT CURRENT_DATE, CURRENT_TIME(3), CURRENT_TIMESTAMP, LOCALTIME, LOCALTIMESTAMP(2), now(), clock_timestamp(), random()`,
	`SELECT CURRENT_USER, CURRENT_ROLE, SESSION_USER, USER, CURRENT_CATALOG, CURRENT_SCHEMA, version(), pg_backend_pid()`,
	`SELECT nextval('s'), pg_sleep(0), pg_advisory_xact_lock(1), pg_notify('a', 'b'), gen_random_uuid(), txid_current()`,
	`SELECT EXTRACT(year FROM d), POSITION('a' IN v), SUBSTRING(v FROM 1 FOR 2), OVERLAY(v PLACING 'x' FROM 1), TRIM(BOTH 'x' FROM v) FROM t`,
	`SELECT COALESCE(v, 'x'), NULLIF(v, 'x'), GREATEST(1, 2), LEAST(1, 2), ROW(1, 2), ARRAY[1, 2], CAST(id AS numeric(10, 2)), id::varchar(20) FROM t`,
	`SELECT interval '1' day, timestamp(3) '2024-01-01', d AT TIME ZONE 'UTC', v COLLATE "C", v LIKE 'x', v ~ 'y', id BETWEEN 1 AND 2 FROM t`,
	`SELECT XMLELEMENT(NAME a, XMLATTRIBUTES(1 AS b), XMLFOREST(2 AS c)), XMLCONCAT(XMLPI(NAME d)), XMLSERIALIZE(CONTENT '<a/>'::xml AS text), XMLPARSE(DOCUMENT '<a/>')`,
	`SELECT * FROM XMLTABLE('/r' PASSING '<r/>'::xml COLUMNS a int)`, `SELECT NORMALIZE(v) IS NORMALIZED FROM t`,
	`WITH x (a, b) AS (SELECT 1, 2) SELECT * FROM x AS y (c, d), LATERAL (SELECT c) z, ROWS FROM (generate_series(1, 2), unnest(ARRAY[1])) AS r (e, f)`,
	`SELECT count(*) FILTER (WHERE id > 1), rank() OVER (PARTITION BY v ORDER BY id), sum(id) OVER w, percentile_cont(0.5) WITHIN GROUP (ORDER BY id), GROUPING(v) FROM t GROUP BY GROUPING SETS ((v), ()), ROLLUP (id), CUBE (d) WINDOW w AS (ORDER BY id)`,
	`SELECT * FROM t JOIN other USING (id) WHERE id IN (1, 2) AND id = ANY (ARRAY[1]) AND NOT EXISTS (SELECT 1) AND id > ALL (VALUES (1), (2))`,
	`INSERT INTO t (id, v, d) VALUES (1, CURRENT_USER, CURRENT_TIMESTAMP), (DEFAULT, 'x', now()) ON CONFLICT DO NOTHING RETURNING (id), v`,
	`UPDATE t SET (v, d) = (SELECT 'x', now()), id = (id + 1) WHERE id IN (SELECT (id) FROM other)`,
	`INSERT INTO t (v) SELECT (v) FROM t AS a (b, c) CROSS JOIN LATERAL (VALUES (1)) AS l (m)`,
	`DELETE FROM t USING other AS o (x, y) WHERE (t.id) = (o.x) AND d < LOCALTIMESTAMP`,
	`MERGE INTO t USING (SELECT 1 AS a) AS u (a) ON (t.id = u.a) WHEN MATCHED THEN UPDATE SET v = upper(v) WHEN NOT MATCHED THEN INSERT (id, v) VALUES (u.a, USER)`,
	`COPY t (id, v) FROM STDIN WITH (FORMAT csv)`, `COPY (SELECT (id) FROM t) TO STDOUT`, `EXPLAIN (ANALYZE, BUFFERS) SELECT (id) FROM t`,
	`SELECT id FROM t FOR UPDATE`, `SELECT id FROM t TABLESAMPLE bernoulli (10) REPEATABLE (1)`, `SHOW search_path`, `BEGIN`, `LISTEN x`, `SET TimeZone = 'UTC'`,
}

// TestCatalogHarmless checks that nothing of the kind counts as a write to
// everything.
func TestCatalogHarmless(t *testing.T) {
	dsn := harness.NewDatabase(t)
	c := catalogConnect(t, dsn)
	c.exec(t, strings.Replace(refusalSchema, "CREATE FUNCTION lower(i int)", "CREATE FUNCTION lower_of(i int)", 1))
	s, sess := c.load(t), c.session(t)
	for _, sql := range catalogHarmless {
		closure := s.ResolveText(sql, sqlinfo.Parse(sql), sess)
		if closure.WritesAll || closure.Session {
			t.Errorf("%s: %+v", sql, closure)
		}
	}
}

// TestCatalogSearchPath resolves names in sessions of different search paths.
func TestCatalogSearchPath(t *testing.T) {
	dsn := harness.NewDatabase(t)
	c := catalogConnect(t, dsn)
	c.exec(t, refusalSchema+`
		CREATE FUNCTION count_t() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM t';
		CREATE FUNCTION count_tenant() RETURNS bigint LANGUAGE sql STABLE SET search_path = tenant AS 'SELECT count(*) FROM t';
		CREATE FUNCTION count_user() RETURNS bigint LANGUAGE sql STABLE SET search_path = "$user", public AS 'SELECT count(*) FROM t';
		CREATE VIEW view_t AS SELECT id FROM t;
		CREATE SCHEMA shadow; CREATE VIEW shadow.other AS SELECT 1 AS one; CREATE TABLE shadow.pg_class (id int);`)
	s := c.load(t)
	for _, q := range []struct{ path, sql, reads string }{
		{"public", "SELECT * FROM t", "public.t"},
		{"tenant, public", "SELECT * FROM t", "tenant.t"},
		{"nowhere, tenant", "SELECT * FROM t", "tenant.t"},
		{"tenant", "SELECT * FROM public.t", "public.t"},
		{"tenant, public", "SELECT * FROM other", "public.other"},
		{"shadow, public", "SELECT * FROM other", ""},
		{"tenant, public", "SELECT count_t()", "tenant.t"},
		{"public", "SELECT count_t()", "public.t"},
		{"public", "SELECT count_tenant()", "tenant.t"},
		{"public", "SELECT count_user()", "public.t tenant.t"},
		{"tenant, public", "SELECT * FROM view_t", "public.t"},
		{"shadow, pg_catalog", "SELECT * FROM shadow.pg_class", "shadow.pg_class"},
	} {
		c.exec(t, "SET search_path = "+q.path)
		closure := s.Resolve(sqlinfo.Parse(q.sql), c.session(t))
		if got := scopes(closure.Reads); got != q.reads || closure.Refusal != "" {
			t.Errorf("search_path %s: %s reads %q, want %q (%s %s)", q.path, q.sql, got, q.reads, closure.Refusal, closure.Detail)
		}
	}
	c.exec(t, "SET search_path = public; CREATE TEMP TABLE t (id int)")
	sess := c.session(t)
	if !slices.ContainsFunc(sess.SearchPath, func(s string) bool { return strings.HasPrefix(s, "pg_temp_") }) {
		t.Fatalf("no temporary schema in %v", sess.SearchPath)
	}
	for _, q := range []struct {
		sql    string
		temps  []string
		reason sqlinfo.Reason
	}{
		{"SELECT * FROM t", nil, sqlinfo.ReasonTempTable},
		{"SELECT * FROM other", nil, sqlinfo.ReasonTempTable},
		{"SELECT * FROM public.t", nil, ""},
		{"SELECT * FROM t", []string{"t"}, sqlinfo.ReasonTempTable},
		{"SELECT * FROM other", []string{"t"}, ""},
		{"SELECT * FROM t", []string{}, ""},
		{"SELECT count_t()", []string{"t"}, sqlinfo.ReasonTempTable},
	} {
		sess.TempRelations = q.temps
		if closure := s.Resolve(sqlinfo.Parse(q.sql), sess); closure.Refusal != q.reason {
			t.Errorf("%s with temporary tables %q: %q, want %q", q.sql, q.temps, closure.Refusal, q.reason)
		}
	}
}

func scopes(deps []catalog.Dep) string {
	var b strings.Builder
	for i, d := range deps {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(d.Scope)
	}
	return b.String()
}
