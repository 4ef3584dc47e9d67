package integration

import (
	"database/sql"
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

const builtinsBehind = `
CREATE TABLE t (s text, ts timestamptz, n int); INSERT INTO t VALUES ('1', '2100-01-01', 5);
CREATE TABLE names (n text); INSERT INTO names VALUES ('app.tenant');
CREATE DOMAIN mine AS text CHECK (VALUE = current_setting('app.tenant'));
CREATE DOMAIN of_mine AS mine;
CREATE DOMAIN who AS text CHECK (VALUE <> CURRENT_USER);
CREATE DOMAIN future AS timestamptz CHECK (VALUE > now());
CREATE DOMAIN later AS timestamptz CHECK (VALUE > CURRENT_TIMESTAMP);
CREATE DOMAIN read AS text CHECK (VALUE::timestamptz > '2020-01-01 00:00:00+00');
CREATE DOMAIN young AS timestamptz CHECK (age(VALUE) < '1 day');
CREATE OPERATOR ## (LEFTARG = text, RIGHTARG = boolean, FUNCTION = current_setting);
CREATE DOMAIN by_operator AS text CHECK (VALUE = 'app.tenant' ## true);
CREATE TYPE comp AS (f future);
CREATE FUNCTION takes(future) RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE FUNCTION holds(v text) RETURNS int STABLE LANGUAGE plpgsql AS 'DECLARE m mine; BEGIN m := v; RETURN 1; END';
CREATE FUNCTION casts(v text) RETURNS text STABLE LANGUAGE sql AS 'SELECT v::mine::text';
CREATE VIEW seen AS SELECT s::mine FROM t;
CREATE AGGREGATE cs(text) (sfunc = textcat, stype = text, finalfunc = current_setting, initcond = '');
CREATE SEQUENCE sq;
CREATE FUNCTION keep(regclass, text) RETURNS regclass IMMUTABLE LANGUAGE sql AS 'SELECT $1';
CREATE AGGREGATE moves(text) (sfunc = keep, stype = regclass, finalfunc = nextval, initcond = 'sq');
CREATE AGGREGATE since(timestamptz) (sfunc = timestamptz_larger, stype = timestamptz, finalfunc = age);
CREATE DOMAIN recent AS timestamptz DEFAULT now() CHECK (VALUE > '2020-01-01'::date);
CREATE DOMAIN label AS text CHECK (to_char(1, '9') <> VALUE AND length(VALUE) < 9);
CREATE AGGREGATE listed(anyelement) (sfunc = jsonb_agg_transfn, stype = internal, finalfunc = jsonb_agg_finalfn)`

// What functions of PostgreSQL's own make of the session and the time is not kept where they stand behind the user's objects, either.
func TestBuiltinsBehindDomainsAndAggregates(t *testing.T) {
	t.Parallel()
	db := harness.Open(t, "mlcache", harness.NewDatabase(t, builtinsBehind))
	harness.Ready(t, db)
	handle, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	for query, kept := range map[string]bool{
		`SELECT s::mine FROM t`:        false,
		`SELECT s::of_mine FROM t`:     false,
		`SELECT * FROM seen`:           false,
		`SELECT holds(s) FROM t`:       false,
		`SELECT casts(s) FROM t`:       false,
		`SELECT s::who FROM t`:         false,
		`SELECT ts::future FROM t`:     false,
		`SELECT ts::later FROM t`:      false,
		`SELECT s::read FROM t`:        false,
		`SELECT ts::young FROM t`:      false,
		`SELECT s::by_operator FROM t`: false,
		`SELECT ROW(ts)::comp FROM t`:  false,
		`SELECT takes(ts) FROM t`:      false,
		`SELECT cs(n) FROM names`:      false,
		`SELECT moves('') FROM t`:      false,
		`SELECT since(ts) FROM t`:      false,
		`SELECT s, ts FROM t`:          true,
		`SELECT ts::recent FROM t`:     true,
		`SELECT s::label FROM t`:       true,
		`SELECT listed(n) FROM t`:      true,
	} {
		if e, err := handle.Explain(harness.Context(t), query); err != nil || e.Cacheable != kept {
			t.Errorf("%s: %+v %v", query, e, err)
		}
	}
}

// One session's answer does not reach another by a domain or an aggregate.
func TestSettingsBehindDomainsAndAggregates(t *testing.T) {
	t.Parallel()
	db := harness.Open(t, "mlcache", harness.NewDatabase(t, builtinsBehind))
	harness.Ready(t, db)
	a, b := connOf(t, db), connOf(t, db)
	harness.Exec(t, a, "SET app.tenant = '1'")
	harness.Exec(t, b, "SET app.tenant = '2'")
	ctx := harness.Context(t)
	for _, query := range []string{`SELECT s::mine FROM t`, `SELECT * FROM seen`, `SELECT holds(s) FROM t`, `SELECT cs(n) FROM names`} {
		for range 2 {
			for _, c := range []*sql.Conn{a, b} {
				harness.Same(t, query, harness.TryQuery(ctx, c, query), harness.TryQuery(mlcache.WithBypass(ctx), c, query))
			}
		}
	}
}

// A cast that the user has made of a function of PostgreSQL's own is judged as the function is.
func TestCastsByBuiltinFunctions(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, `CREATE TABLE t (o oid); INSERT INTO t SELECT lo_from_bytea(0, 'one'); CREATE CAST (oid AS bytea) WITH FUNCTION lo_get(oid)`)
	plain, db := harness.Open(t, "pgx", dsn), harness.Open(t, "mlcache", dsn)
	harness.Ready(t, db)
	const query = `SELECT o::bytea FROM t`
	for range 3 {
		harness.Query(t, db, query)
	}
	harness.Query(t, db, `SELECT lo_put(o, 0, 'two') FROM t`)
	harness.Same(t, query, harness.Query(t, db, query), harness.Query(t, plain, query))
}
