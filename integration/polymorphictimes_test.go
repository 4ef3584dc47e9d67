package integration

import (
	"reflect"
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

const polymorphicTimes = `
SET check_function_bodies = off;
CREATE TYPE span AS (since timestamptz, note text);
CREATE TABLE job (id int PRIMARY KEY, txt text, at timestamptz, ats timestamptz[], r tstzrange, s span, n int, ns int[], ir int4range);
INSERT INTO job VALUES (1, 'now', '2026-01-01', '{2026-01-01}', '[2026-01-01,)', '(2026-01-01,now)', 5, '{5}', '[5,6)');
CREATE TABLE plain (id int PRIMARY KEY, label text, n int, time_stamp int);
INSERT INTO plain VALUES (1, 'now', 5);

CREATE FUNCTION by_return(a anyelement, t text) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN t; END';
CREATE FUNCTION by_parameter(a anyelement, t text) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'BEGIN a := t; RETURN a; END';
CREATE FUNCTION by_type(a anyelement, t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE x a%TYPE; BEGIN x := t; RETURN x::text; END';
CREATE FUNCTION by_alias(a anyelement, t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE x ALIAS FOR $1; BEGIN SELECT t INTO x; RETURN x::text; END';
CREATE FUNCTION by_alias_type(a anyelement, t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE x ALIAS FOR $1; y x%TYPE := t; BEGIN RETURN y::text; END';
CREATE FUNCTION by_number(anyelement, text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE y $1%TYPE; BEGIN y := $2; RETURN y::text; END';
CREATE FUNCTION by_out(a anyelement, t text, OUT x anyelement) LANGUAGE plpgsql STABLE AS 'BEGIN x := t; END';
CREATE FUNCTION by_inout(INOUT a anyelement, t text) LANGUAGE plpgsql STABLE AS 'BEGIN a := t; END';
CREATE FUNCTION by_table(a anyelement, t text) RETURNS TABLE (x anyelement, y int) LANGUAGE plpgsql STABLE AS 'BEGIN x := t; RETURN NEXT; END';
CREATE FUNCTION by_next(a anyelement, t text) RETURNS SETOF anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN NEXT t; END';
CREATE FUNCTION by_array(a anyarray, t text) RETURNS anyarray LANGUAGE plpgsql STABLE AS 'BEGIN a[1] := t; RETURN a; END';
CREATE FUNCTION by_texts(a anyarray, t text) RETURNS anyarray LANGUAGE plpgsql STABLE AS 'BEGIN RETURN ARRAY[t]; END';
CREATE FUNCTION by_element(a anyarray, t text) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN t; END';
CREATE FUNCTION by_range(a anyrange, t text) RETURNS anyrange LANGUAGE plpgsql STABLE AS 'BEGIN RETURN ''['' || t || '',)''; END';
CREATE FUNCTION by_bound(a anyrange, t text) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN t; END';
CREATE FUNCTION by_compatible(a anycompatible, b anycompatible, t text) RETURNS anycompatible LANGUAGE plpgsql STABLE AS 'BEGIN RETURN t; END';
CREATE FUNCTION by_families(a anyelement, t anycompatible) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN t; END';
CREATE FUNCTION by_variadic(a anynonarray, VARIADIC t text[]) RETURNS anynonarray LANGUAGE plpgsql STABLE AS 'BEGIN RETURN t[1]; END';
CREATE FUNCTION by_literal(a anyelement) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'DECLARE w text := ''no''; BEGIN RETURN w || ''w''; END';
CREATE FUNCTION by_chr(a anyelement) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN chr(110) || chr(111) || chr(119); END';
CREATE FUNCTION by_char(a anyelement) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN 110::"char"::text || 111::"char"::text || 119::"char"::text; END';
CREATE FUNCTION coalesced(a anyelement) RETURNS anyelement LANGUAGE sql STABLE AS 'SELECT coalesce(nullif(a, a), ''now'')';
CREATE FUNCTION queried(a anyelement) RETURNS SETOF anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN QUERY SELECT coalesce(nullif(a, a), E''n\157w''); END';
CREATE FUNCTION by_operator(a anyelement) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN a / a; END';
CREATE FUNCTION by_own_sqrt(a anyelement) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN sqrt(a); END';
CREATE FUNCTION by_own_cast(a anyelement) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN 5::word; END';
CREATE FUNCTION noon(timestamptz, timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT txt FROM (VALUES (''no'' || ''w'')) v(txt)';
CREATE OPERATOR / (leftarg = timestamptz, rightarg = timestamptz, function = noon);
CREATE FUNCTION sqrt(timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''no'' || ''w''';
CREATE TYPE word AS ENUM ('now', 'never');
CREATE FUNCTION word(int) RETURNS word LANGUAGE sql IMMUTABLE AS 'SELECT (enum_range(NULL::word))[1]';
CREATE CAST (int AS word) WITH FUNCTION word(int);
CREATE FUNCTION by_query(a anyelement) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN txt FROM job; END';
CREATE FUNCTION by_subquery(a anyelement) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT txt FROM job); END';
CREATE FUNCTION by_loop(a anyelement) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'BEGIN FOR a IN SELECT txt FROM job LOOP RETURN a; END LOOP; END';
CREATE FUNCTION by_field(a anyelement) RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN a.since := a.note; RETURN a.since; END';
CREATE FUNCTION by_record(a record, t text) RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN a.since := t; RETURN a.since; END';
CREATE FUNCTION by_record_loop(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE a record; BEGIN SELECT at INTO a FROM job; FOR a.at IN SELECT t LOOP RETURN a.at; END LOOP; END';
CREATE FUNCTION by_record_foreach(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE a record; BEGIN SELECT at INTO a FROM job; FOREACH a.at IN ARRAY ARRAY[t] LOOP RETURN a.at; END LOOP; END';
CREATE FUNCTION by_record_out(t text, OUT a record) LANGUAGE plpgsql STABLE AS 'BEGIN SELECT at INTO a FROM job; a.at := t; END';
CREATE FUNCTION by_system_row(a pg_stat_activity, t text) RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN a.query_start := t; RETURN a.query_start; END';
CREATE FUNCTION by_system_type(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE x pg_stat_activity.query_start%TYPE; BEGIN x := t; RETURN x; END';
CREATE FUNCTION by_system_variable(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE x pg_catalog.pg_stat_activity; BEGIN x.query_start := t; RETURN x.query_start; END';
CREATE FUNCTION by_system_domain(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE x information_schema.time_stamp; BEGIN x := t; RETURN x; END';
CREATE FUNCTION step(st anyelement, a anyelement, t text) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN t; END';
CREATE AGGREGATE by_step(anyelement, text) (SFUNC = step, STYPE = anyelement);
CREATE FUNCTION first(anyelement, anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE AGGREGATE by_start(anyelement) (SFUNC = first, STYPE = anyelement, INITCOND = 'now');
CREATE FUNCTION behind(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN RETURN by_return(''2026-01-01''::timestamptz, t)::text; END';
CREATE FUNCTION behind_sql(t text) RETURNS text LANGUAGE sql STABLE AS 'SELECT by_return(max(at), t)::text FROM job';
CREATE FUNCTION by_cast(v anyelement) RETURNS text LANGUAGE sql STABLE AS 'SELECT v::timestamptz::text';
CREATE FUNCTION by_body_cast(v anyelement) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE x v%TYPE := v; BEGIN RETURN x::timestamptz::text; END';
CREATE FUNCTION named(v text, OUT t anyelement, a anyelement) LANGUAGE sql STABLE AS 'SELECT a';

CREATE FUNCTION add(a anyelement, b anyelement) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN a + b * 2; END';
CREATE FUNCTION same(a anyelement) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN a; END';
CREATE FUNCTION lesser(a anycompatible, b anycompatible) RETURNS anycompatible LANGUAGE plpgsql STABLE AS 'DECLARE r a%TYPE; BEGIN IF a < b THEN r := a; ELSE r := b; END IF; RETURN r; END';
CREATE FUNCTION total(a anyarray) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'DECLARE s a%TYPE; r numeric := 0; BEGIN FOR i IN 1..array_length(a, 1) LOOP r := r + a[i]; END LOOP; RETURN r; END';
CREATE FUNCTION nth(a anyarray, k int DEFAULT 1) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN coalesce(a[k], a[1]); END';
CREATE FUNCTION width(a anyrange) RETURNS anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN upper(a) - lower(a); END';
CREATE FUNCTION told(a anyelement) RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN RETURN a::text; END';
CREATE FUNCTION rows(a anyelement) RETURNS SETOF anyelement LANGUAGE plpgsql STABLE AS 'BEGIN RETURN QUERY SELECT a; END';
CREATE FUNCTION either(a anyelement, t text) RETURNS anyelement LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN a; END';
CREATE FUNCTION kept(a anyelement, t text) RETURNS anyelement LANGUAGE sql STABLE AS 'SELECT a';
CREATE FUNCTION noted(k int) RETURNS text LANGUAGE plpgsql STABLE AS 'DECLARE r record; BEGIN SELECT * INTO r FROM public.plain WHERE time_stamp = k; FOR r IN SELECT label FROM plain LOOP RETURN upper(r.label); END LOOP; END';
CREATE FUNCTION grow(st anyarray, a anyelement) RETURNS anyarray LANGUAGE plpgsql STABLE AS 'BEGIN RETURN array_append(st, a); END';
CREATE AGGREGATE grown(anyelement) (SFUNC = grow, STYPE = anyarray, INITCOND = '{}')`

// Each of these puts a text where the call alone says that a time is.
var readsTheClockByItsCall = []string{
	"SELECT by_return(at, txt)::text FROM job", "SELECT by_parameter(at, txt)::text FROM job", "SELECT by_type(at, txt) FROM job", "SELECT by_alias(at, txt) FROM job",
	"SELECT by_alias_type(at, txt) FROM job", "SELECT by_number(at, txt) FROM job", "SELECT by_out(at, txt)::text FROM job", "SELECT by_inout(at, txt)::text FROM job",
	"SELECT b.x::text FROM job, by_table(at, txt) b", "SELECT by_next(at, txt)::text FROM job", "SELECT by_array(ats, txt)::text FROM job", "SELECT by_texts(ats, txt)::text FROM job",
	"SELECT by_element(ats, txt)::text FROM job", "SELECT by_range(r, txt)::text FROM job", "SELECT by_bound(r, txt)::text FROM job", "SELECT by_compatible(at, at, txt)::text FROM job",
	"SELECT by_families(at, txt)::text FROM job", "SELECT by_variadic(at, txt)::text FROM job", "SELECT by_literal(at)::text FROM job", "SELECT by_chr(at)::text FROM job",
	"SELECT by_char(at)::text FROM job", "SELECT by_operator(at)::text FROM job", "SELECT by_own_sqrt(at)::text FROM job", "SELECT by_own_cast(at)::text FROM job",
	"SELECT by_query(at)::text FROM job", "SELECT by_subquery(at)::text FROM job", "SELECT by_loop(at)::text FROM job", "SELECT by_field(s) FROM job", "SELECT by_record(s, txt) FROM job",
	"SELECT by_record_loop(txt) FROM job", "SELECT by_record_foreach(txt) FROM job", "SELECT by_record_out(txt)::text FROM job",
	"SELECT by_system_row(NULL, label) FROM plain", "SELECT by_system_type(label) FROM plain", "SELECT by_system_variable(label) FROM plain",
	"SELECT by_step(at, txt)::text FROM job", "SELECT by_start(at)::text FROM job", "SELECT behind(label) FROM plain", "SELECT behind_sql(label) FROM plain",
	"SELECT by_cast(label) FROM plain", "SELECT by_body_cast(label) FROM plain", "SELECT by_cast(txt) FROM job, (SELECT at AS v FROM job) q", "SELECT b.t::timestamptz::text FROM plain, named(label, label) b, (SELECT at AS t FROM job) q",
}

// No text can reach a time in these.
var readsNoClockByItsCall = []string{
	"SELECT add(n, 2) FROM job", "SELECT same(at) FROM job", "SELECT same(txt) FROM job", "SELECT lesser(n, 3) FROM job", "SELECT total(ns) FROM job", "SELECT nth(ns), nth(ats, 1) FROM job", "SELECT width(ir) FROM job",
	"SELECT told(at), told(s) FROM job", "SELECT rows(at) FROM job", "SELECT either(at, txt) FROM job", "SELECT kept(at, txt) FROM job", "SELECT noted(1)", "SELECT grown(n) FROM job",
}

func TestTimesOfPolymorphicFunctions(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup)
	harness.Exec(t, harness.Open(t, "pgx", harness.With(dsn, "default_query_exec_mode", "simple_protocol")), polymorphicTimes)
	pgx := harness.Open(t, "pgx", dsn)
	db := harness.Open(t, "mlcache", dsn)
	untilServing(t, db)
	for _, query := range readsTheClockByItsCall {
		if reflect.DeepEqual(harness.Query(t, pgx, query), harness.Query(t, pgx, query)) {
			t.Errorf("%s: the database itself gives the same answer twice", query)
		}
		if reflect.DeepEqual(harness.Query(t, db, query), harness.Query(t, db, query)) {
			t.Errorf("%s: the time stands still", query)
		}
	}
	h, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	// The type counts hundredths of a second, which may be the same twice; and a session keeps the time of a constant.
	for _, query := range []string{"SELECT coalesced(at) FROM job", "SELECT queried(at) FROM job", "SELECT by_system_domain(label) FROM plain", "SELECT label::information_schema.time_stamp FROM plain", "SELECT ARRAY[label]::information_schema.time_stamp[] FROM plain"} {
		if e, err := h.Explain(harness.Context(t), query); err != nil || e.Reason != "special_date" {
			t.Errorf("%s: %q, %v", query, e.Reason, err)
		}
	}
	for _, query := range readsNoClockByItsCall {
		harness.Query(t, pgx, query)
		if e, err := h.Explain(harness.Context(t), query); err != nil || !e.Cacheable {
			t.Errorf("%s: %q, %s: %v", query, e.Reason, e.Detail, err)
		}
	}
}
