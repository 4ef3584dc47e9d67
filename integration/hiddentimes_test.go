package integration

import (
	"reflect"
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/sqlinfo"
)

const hiddenTimes = `
CREATE EXTENSION hstore;
CREATE TYPE span AS (since timestamptz, note text);
CREATE TYPE told AS (at text);
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN moment AS timestamptz;
CREATE TABLE job (id int PRIMARY KEY, txt text, at timestamptz, h hstore, j jsonb, n int, status mood);
INSERT INTO job VALUES (1, 'now', '2026-01-01', 'since=>now', '{"since": "now"}', 5, 'good');
CREATE TABLE plain (id int PRIMARY KEY, n int, label text);
INSERT INTO plain VALUES (1, 5, 'now'), (2, 6, 'x');
CREATE TABLE shadow (id int PRIMARY KEY, t timestamptz, since timestamptz);
INSERT INTO shadow VALUES (1, '2026-01-01', '2026-01-01');

CREATE FUNCTION parse_since(t text) RETURNS timestamptz LANGUAGE plpgsql STABLE AS 'BEGIN RETURN t; END';
CREATE FUNCTION by_variable(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE d timestamptz; BEGIN d := t; RETURN d; END';
CREATE FUNCTION by_equals(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE d timestamp with time zone; BEGIN d = t; RETURN d; END';
CREATE FUNCTION by_default(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE d timestamptz DEFAULT t; BEGIN RETURN d; END';
CREATE FUNCTION by_loop(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE d timestamptz; BEGIN FOR d IN SELECT t LOOP RETURN d; END LOOP; END';
CREATE FUNCTION by_into() RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE d timestamptz; BEGIN SELECT txt INTO d FROM job; RETURN d; END';
CREATE FUNCTION by_domain(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE d moment; BEGIN d := t; RETURN d; END';
CREATE FUNCTION by_array(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE d timestamptz[]; BEGIN d[1] := t; RETURN d[1]; END';
CREATE FUNCTION by_type(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE d job.at%TYPE; BEGIN d := t; RETURN d; END';
CREATE FUNCTION by_rowtype(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE d job%ROWTYPE; BEGIN d.at := t; RETURN d.at; END';
CREATE FUNCTION by_row(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE d job; BEGIN d.at := t; RETURN d.at; END';
CREATE FUNCTION by_record(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE d record; BEGIN SELECT * INTO d FROM job; d.at := t; RETURN d.at; END';
CREATE FUNCTION by_record_into(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE d record; BEGIN SELECT * INTO d FROM job; SELECT t INTO d.at; RETURN d.at; END';
CREATE FUNCTION by_composite(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE d span; BEGIN d.since := t; RETURN d.since; END';
CREATE FUNCTION by_parameter(t text, d timestamptz) RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN d := t; RETURN d; END';
CREATE FUNCTION by_out(t text, OUT d timestamptz) LANGUAGE plpgsql STABLE AS 'BEGIN d := t; END';
CREATE FUNCTION by_table(t text) RETURNS TABLE (d timestamptz) LANGUAGE plpgsql STABLE AS 'BEGIN d := t; RETURN NEXT; END';
CREATE FUNCTION by_cursor(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE c CURSOR (d timestamptz) FOR SELECT d::text; r text; BEGIN OPEN c(t); FETCH c INTO r; RETURN r; END';
CREATE FUNCTION by_parameters_name(t text) RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT t::timestamptz';
CREATE FUNCTION tell() RETURNS TABLE (since text) LANGUAGE sql STABLE AS 'SELECT txt FROM job';
CREATE FUNCTION tell_all() RETURNS SETOF told LANGUAGE sql STABLE AS 'SELECT ROW(txt)::told FROM job';
CREATE FUNCTION later(timestamptz, timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE AGGREGATE started(timestamptz) (SFUNC = later, STYPE = timestamptz, INITCOND = 'now');

CREATE FUNCTION counted(k int) RETURNS bigint LANGUAGE plpgsql STABLE AS 'DECLARE total bigint := 0; r record; BEGIN FOR r IN SELECT n FROM job LOOP total := total + r.n; END LOOP; RETURN total + k; END';
CREATE FUNCTION labelled(k int) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE p plain%ROWTYPE; v plain.label%TYPE; BEGIN SELECT * INTO p FROM plain WHERE id = k; v := p.label; RETURN upper(v); END';
CREATE FUNCTION jobs_since(d timestamptz) RETURNS SETOF job LANGUAGE plpgsql STABLE AS 'BEGIN RETURN QUERY SELECT * FROM job WHERE at >= d; END';
CREATE FUNCTION newest() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT max(at) FROM job'`

// Each of these is the time of now, though no row was written and no cast to a time stands in most of them.
var readsTheClock = []string{
	"SELECT parse_since(txt)::text FROM job", "SELECT by_variable(txt) FROM job", "SELECT by_equals(txt) FROM job", "SELECT by_default(txt) FROM job",
	"SELECT by_loop(txt) FROM job", "SELECT by_into()", "SELECT by_domain(txt) FROM job", "SELECT by_array(txt) FROM job", "SELECT by_type(txt) FROM job",
	"SELECT by_rowtype(txt) FROM job", "SELECT by_row(txt) FROM job", "SELECT by_record(txt) FROM job", "SELECT by_record_into(txt) FROM job",
	"SELECT by_composite(txt) FROM job", "SELECT by_parameter(txt, at) FROM job", "SELECT by_out(txt)::text FROM job", "SELECT b.d::text FROM job, by_table(txt) b",
	"SELECT by_cursor(txt) FROM job", "SELECT by_parameters_name(label)::text, t FROM plain, shadow WHERE plain.id = 1", "SELECT tell.since::timestamptz::text FROM tell(), shadow WHERE shadow.id = 1",
	"SELECT x.at::timestamptz::text FROM tell_all() x, (SELECT at FROM job) q", "SELECT started(at)::text FROM job",
	"SELECT (populate_record(NULL::span, h)).since::text FROM job", "SELECT (ROW(NULL, 'a')::span #= h)::text FROM job", "SELECT (jsonb_populate_record(NULL::span, j)).since::text FROM job",
	"SELECT x.since::text FROM job, jsonb_to_record(j) AS x(since timestamptz)",
	"SELECT 'nowx'::varchar(3)::timestamptz::text", "SELECT CAST(CAST('nowx' AS char(3)) AS timestamptz)::text", "SELECT ('nowx'::varchar(3))::timestamptz::text",
	"SELECT coalesce('nowx'::varchar(3), 'x')::timestamptz::text", "SELECT (varchar(3) 'nowx')::timestamptz::text", "SELECT varchar(3) 'nowx'::timestamptz::text", `SELECT '"\u006eow"'::jsonb::text::timestamptz::text`,
	"SELECT '{nowx}'::varchar(3)[]::timestamptz[]::text", "SELECT txt::moment::text FROM job",
	"SELECT ('{' || txt || '}')::timestamptz[]::text FROM job", "SELECT ARRAY[txt]::timestamptz[]::text FROM job", "SELECT ARRAY[txt]::_span::text FROM job WHERE false UNION SELECT txt::timestamptz::text FROM job",
}

// A prepared statement takes the time of these when it is prepared, another one that of its own.
var readsTheClockOnce = []string{
	`SELECT '{n\ow}'::timestamptz[]::text`, `SELECT '(n""ow,)'::span::text`, `SELECT '["n\ow",)'::tstzrange::text`, `SELECT timestamptz E'n\x6fw'`, `SELECT id FROM job WHERE at < 'to\day'`,
}

// The same by an argument.
var readsTheClockByArgument = []struct{ sql, arg string }{
	{"SELECT $1::varchar(3)::timestamptz::text", "nowx"}, {"SELECT CAST($1::char(3) AS timestamptz)::text", "nowx"}, {"SELECT $1::text::timestamptz::text", "now"},
	{"SELECT $1::timestamptz[]::text", `{n\ow}`}, {"SELECT $1::span::text", `(n""ow,)`}, {"SELECT parse_since($1)::text", "now"}, {"SELECT $1::jsonb::text::timestamptz::text", `"\u006eow"`},
}

// These are as good tomorrow.
var readsNoClock = []string{
	"SELECT counted(1)", "SELECT labelled(1)", "SELECT * FROM jobs_since('2020-01-01')", "SELECT newest()", "SELECT id FROM job WHERE at > '2025-12-31' ORDER BY id",
	"SELECT date_trunc('day', at)::date FROM job", "SELECT at::timestamp(3)::date, at::text::date FROM job", "SELECT '2026-01-01'::text::date, '2026-01-01'::varchar::timestamptz",
	"SELECT id FROM job WHERE at BETWEEN timestamptz '2020-01-01' AND '2030-01-01'::timestamptz", "SELECT at + interval '1 day', at - INTERVAL '3' MONTH FROM job",
	"SELECT (at AT TIME ZONE 'Europe/Berlin')::date FROM job", "SELECT extract(year FROM at) FROM job", "SELECT coalesce(at, '2026-01-01')::date FROM job", "SELECT id FROM job WHERE h ? 'since'",
	"SELECT h -> 'since', j ->> 'since' FROM job", "SELECT CASE WHEN n > 3 THEN at ELSE at + interval '1 hour' END::date FROM job", "SELECT status FROM job WHERE status = 'good'::mood",
	`SELECT '{2026-01-01,"2026-01-02"}'::date[]`, `SELECT '["2026-01-01",)'::tstzrange`,
}

func TestTimesThatNoCastShows(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup)
	harness.Exec(t, harness.Open(t, "pgx", harness.With(dsn, "default_query_exec_mode", "simple_protocol")), hiddenTimes)
	pgx := harness.Open(t, "pgx", dsn)
	db := harness.Open(t, "mlcache", dsn)
	untilServing(t, db)
	h, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	moves := func(query string, args ...any) {
		t.Helper()
		if reflect.DeepEqual(harness.Query(t, pgx, query, args...), harness.Query(t, pgx, query, args...)) {
			t.Errorf("%s: the database itself gives the same answer twice", query)
		}
		if reflect.DeepEqual(harness.Query(t, db, query, args...), harness.Query(t, db, query, args...)) {
			t.Errorf("%s: the time stands still", query)
		}
	}
	for _, query := range readsTheClock {
		moves(query)
	}
	for _, query := range readsTheClockOnce {
		if e, err := h.Explain(harness.Context(t), query); err != nil || e.Reason != "special_date" {
			t.Errorf("%s: %q, %v", query, e.Reason, err)
		}
	}
	for _, q := range readsTheClockByArgument {
		moves(q.sql, q.arg)
	}
	for _, query := range readsNoClock {
		if e, err := h.Explain(harness.Context(t), query); err != nil || !e.Cacheable {
			t.Errorf("%s: %q, %s: %v", query, e.Reason, e.Detail, err)
		}
	}
}

// A cast that is not written can read a time out of a text, too.
func TestATimeThatAnAssignmentCastReads(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE job (id int, txt text)", "INSERT INTO job VALUES (1, 'now')",
		"CREATE FUNCTION since() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT NULL::timestamptz'")
	db := harness.Open(t, "mlcache", dsn)
	untilServing(t, db)
	harness.Exec(t, db, "CREATE CAST (text AS timestamptz) WITH INOUT AS ASSIGNMENT")
	harness.Exec(t, db, "CREATE OR REPLACE FUNCTION since() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT txt FROM job'")
	for range 2 {
		if reflect.DeepEqual(harness.Query(t, db, "SELECT since()::text"), harness.Query(t, db, "SELECT since()::text")) {
			t.Error("the time stands still")
		}
	}
}

const zonedTimes = `
CREATE DOMAIN opening AS timetz;
CREATE TYPE hours AS (opens timetz, closes timetz);
CREATE TABLE shop (id int PRIMARY KEY, tz timetz, t time, at timestamptz, j jsonb);
CREATE TABLE shift (id int PRIMARY KEY, t time, at timestamptz, j jsonb);
CREATE TABLE domained (id int, o opening);
CREATE TABLE composed (id int, h hours[]);
CREATE VIEW opened AS SELECT id, tz FROM shop;
CREATE FUNCTION zoned(t time) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE z timetz; BEGIN z := t; RETURN z; END';
CREATE FUNCTION zoned_cast(t time) RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN RETURN t::timetz; END';
CREATE FUNCTION zoned_words(t time) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE z time(3) with time zone; BEGIN z := t; RETURN z; END';
CREATE FUNCTION takes(timetz) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1::text';
CREATE FUNCTION gives(t time) RETURNS SETOF hours LANGUAGE sql STABLE AS 'SELECT t, t'`

// What takes its offset from the date of today is never kept, whether the text names the type or not.
func TestTimeWithTimeZoneIsNotKept(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t)
	harness.Exec(t, harness.Open(t, "pgx", harness.With(dsn, "default_query_exec_mode", "simple_protocol")), zonedTimes)
	h, err := mlcache.From(harness.Open(t, "mlcache", dsn))
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		"SELECT id FROM shop WHERE tz = '12:00'", "SELECT id FROM shop WHERE tz IN ('12:00', '13:00')", "SELECT id FROM shop WHERE tz = t", "SELECT id FROM shop WHERE tz = $1",
		"SELECT tz FROM shop UNION SELECT t FROM shift", "SELECT tz AT TIME ZONE 'Europe/Berlin' FROM shop", "SELECT timezone('Europe/Berlin', tz) FROM shop", "SELECT tz AT LOCAL FROM shop",
		"SELECT id FROM opened WHERE tz = '12:00'", "SELECT * FROM shop", "SELECT tz FROM opened", "SELECT shop FROM shop WHERE shop = $1", "SELECT id FROM shop s WHERE (s.tz) = $1",
		"SELECT max(tz) FROM shop", "SELECT tz = '12:00' FROM shop", "SELECT id FROM shop WHERE s.id = 1 AND (SELECT tz FROM shop) = '12:00'", "SELECT id FROM shop JOIN shift USING (id)", "SELECT id FROM shop s(id, x) WHERE x = '12:00'",
		"SELECT tz FROM shop WHERE id = 1 UNION SELECT t FROM shift", "SELECT tz || '' FROM shop", "SELECT takes(t) FROM shift", "SELECT * FROM gives('12:00')", "SELECT id FROM domained WHERE o = '12:00'", "SELECT h[1] FROM composed",
		"SELECT '12:00'::opening", "SELECT ROW('12:00', '13:00')::hours", "SELECT t::timetz FROM shift", "SELECT t::time with time zone FROM shift", "SELECT timetz(at) FROM shift",
		"SELECT zoned(t) FROM shift", "SELECT zoned_cast(t) FROM shift", "SELECT zoned_words(t) FROM shift",
		"SELECT jsonb_path_exists_tz(j, '$.a.datetime() < $.b.datetime()') FROM shift", "SELECT jsonb_path_match_tz(j, '$.a') FROM shift", "SELECT jsonb_path_query_tz(j, '$.a') FROM shift",
		"SELECT jsonb_path_query_array_tz(j, '$.a') FROM shift", "SELECT jsonb_path_query_first_tz(j, '$.a') FROM shift", "SELECT pg_catalog.jsonb_path_query_first_tz(j, '$.a') FROM shift",
	} {
		if e, err := h.Explain(harness.Context(t), query); err != nil || e.Cacheable || e.Reason != "time_with_zone" {
			t.Errorf("%s: kept %t, reason %q: %v", query, e.Cacheable, e.Reason, err)
		}
	}
	for _, query := range []string{
		"SELECT id FROM shift WHERE t = '12:00'", "SELECT t, at::time, at AT TIME ZONE 'Europe/Berlin' FROM shift", "SELECT jsonb_path_query(j, '$.a') FROM shift", "SELECT at::timestamp with time zone FROM shift",
		"SELECT id FROM shift WHERE at > $1 AND t < $2",
		"SELECT id, tz, s.t FROM shop AS s WHERE id = $1 ORDER BY id LIMIT 3", "SELECT shop.tz FROM public.shop", "SELECT id FROM shop WHERE t = '12:00'",
	} {
		if e, err := h.Explain(harness.Context(t), query); err != nil || !e.Cacheable {
			t.Errorf("%s: %q, %s: %v", query, e.Reason, e.Detail, err)
		}
	}
}

// The list of PostgreSQL's functions that give the same answer again is held against the server's own word. (Of the same name
// as a safe one is a function of a time with time zone, and those are refused by their type.)
func TestSafeFunctionsAreNotVolatile(t *testing.T) {
	t.Parallel()
	rows, err := harness.Open(t, "pgx", harness.NewDatabase(t)).Query(`SELECT DISTINCT proname FROM pg_proc
		WHERE pronamespace = 'pg_catalog'::regnamespace AND oid < 16384 AND provolatile = 'v' AND NOT proargtypes::oid[] && ARRAY['timetz'::regtype::oid]`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if n++; sqlinfo.SafeFunction(name) {
			t.Errorf("%s is VOLATILE", name)
		}
	}
	if err := rows.Err(); err != nil || n < 50 {
		t.Errorf("%d volatile functions: %v", n, err)
	}
}
