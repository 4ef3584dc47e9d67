package sqlinfo

import (
	"slices"
	"strings"
	"testing"
)

// A value that is cast to a date and may be a text of the statement's own making
// bars the answer; of a column the catalog is asked.
func TestDateCasts(t *testing.T) {
	t.Parallel()
	const refused = "refused"
	for _, tt := range []struct {
		want string // the columns, or refused
		sql  string
	}{
		{"at", `SELECT name, date_trunc('day', at)::date FROM t`},
		{"txt", `SELECT max(txt)::timestamptz, other FROM t`},
		{"a B", `SELECT CAST(coalesce(a, "B") AS date), c FROM t`},
		{"a", `SELECT date(lower(a)), c FROM t`},
		{"x", `SELECT x::date FROM t`},
		{"x", `SELECT t.x::date FROM t`},
		{"x", `SELECT x[1]::date FROM t`},
		{"x", `SELECT x::timestamp::date FROM t`},
		{"x", `SELECT x::timestamp(3)::date FROM t`},
		{"x", `SELECT x::timestamp with time zone::date FROM t`},
		{"x", `SELECT x::text::date FROM t`},
		{"x", `SELECT x::character varying::date FROM t`},
		{"x", `SELECT x::national character varying::timestamp with time zone FROM t`},
		{"x", `SELECT t.x::national char varying::date FROM t`},
		{"x", `SELECT x::text::nchar varying::date FROM t`},
		{"x", `SELECT x::national character::date FROM t`},
		{"x", `SELECT x::double precision::text::date FROM t`},
		{"x", `SELECT x::interval day to second::time FROM t`},
		{"x", `SELECT t.x::interval year::text::date FROM t`},
		{"x", `SELECT CAST(x AS interval hour to minute)::time FROM t`},
		{"join", `SELECT (t.join)::date FROM t`},
		{"varying", `SELECT varying::date FROM t`},
		{"x", `SELECT CAST(CAST(x AS timestamp) AS date) FROM t`},
		{"x", `SELECT (x AT TIME ZONE 'UTC')::date FROM t`},
		{"x", `SELECT (x + interval '1 day')::date, lower(y) FROM t`},
		{"x", `SELECT x::date AS x, upper(y) AS z FROM t WHERE x > $1 GROUP BY 1 ORDER BY x`},
		{"date", `SELECT date::date FROM t`},
		{"a b", `SELECT CASE WHEN a THEN b ELSE NULL END::date FROM t`},
		{"a", `SELECT (SELECT max(a) FROM t)::date`},
		{"a", `SELECT a::date FROM t AS u WHERE u.b = $1`},
		{"d+", `SELECT d::date FROM generate_series($1::date, $2::date, '1 day') AS d`},
		{"d+", `SELECT d::date, count(*) FROM generate_series($1::date, $2::date, '1 day') s(d) LEFT JOIN t ON true GROUP BY 1`},
		{"", `SELECT a || b FROM t`},
		{"x", `WITH RECURSIVE c(id) AS (SELECT a.id FROM a b WHERE (a.x IS NULL) UNION ALL SELECT e.id FROM (a e JOIN c ON e.x::date = c.id)) SELECT id FROM c`},
		{"", `SELECT (j->>'at')::int FROM t`},
		{"", `SELECT $1::date, '2020-01-01'::date, ARRAY['2020-01-01', $2]::date[], DATE '2020-01-01'`},
		{"", `SELECT * FROM jsonb_to_recordset($1) AS x(a int, b text)`},
		{"a mood", `SELECT a::mood FROM t`},

		{refused, `SELECT (j->>'at')::timestamptz FROM t`},
		{refused, `SELECT CAST(j #>> '{a}' AS date) FROM t`},
		{refused, `SELECT ('to' || 'day')::date`},
		{refused, `SELECT concat('to', 'day')::date`},
		{refused, `SELECT date(replace('to,day', ',', ''))`},
		{refused, `SELECT substring('xtoday' from 2)::date`},
		{refused, `SELECT array_to_string(ARRAY['to', 'day'], '')::date`},
		{refused, `SELECT (ARRAY['to'||'day'])[1]::date`},
		{refused, `SELECT lag(concat('to', 'day')) OVER w::date FROM t WINDOW w AS ()`},
		{refused, `SELECT max(concat('to', 'day')) FILTER (WHERE true)::date`},
		{refused, `SELECT mine(a)::date FROM t`},
		{refused, `SELECT x::date FROM (SELECT concat('to', 'day') AS x) s`},
		{refused, `SELECT x::date FROM (SELECT concat('to', 'day') x) s`},
		{refused, `SELECT x::date FROM (SELECT year x FROM t) s`},
		{refused, `SELECT x::date FROM (SELECT concat('to', 'day')) s(x)`},
		{refused, `SELECT x::date FROM (VALUES ('to' || 'day')) AS s(y, x)`},
		{refused, `WITH s(x) AS (SELECT 'to' || 'day') SELECT x::date FROM s`},
		{refused, `SELECT concat::date FROM concat('to', 'day')`},
		{refused, `SELECT text::date FROM (SELECT ('to' || 'day')::text) s, t`},
		{refused, `SELECT s."case"::date FROM (SELECT CASE WHEN true THEN 'to' || 'day' END) s`},
		{refused, `SELECT value::date FROM t, jsonb_each_text(j)`},
		{refused, `SELECT d::date FROM (SELECT 'to' || to_char(b, 'x') || date_trunc('day', c) AS d FROM t) s`},
		{refused, `SELECT x.d FROM t, jsonb_to_recordset(j) AS x(d date)`},
		{refused, `SELECT * FROM t, jsonb_to_recordset(j) x(a int, d timestamp with time zone)`},
		{refused, `SELECT * FROM t, jsonb_to_record(j) AS (d date)`},
		{refused, `SELECT * FROM t, xmltable('/a' PASSING x COLUMNS a int, d date PATH 'd') AS q`},
		{refused, `SELECT json_value(j, '$.a' RETURNING date) FROM t`},
		{refused, `SELECT jsonb_populate_record(r, j) FROM t`},
		{refused, `SELECT (r).d::date FROM t`},
		{refused, `SELECT upper('yeſterday')::date`},

		// Types on the way that make another text.
		{refused, `SELECT 'nowx'::varchar(3)::timestamptz`},
		{refused, `SELECT $1::varchar(3)::timestamptz`},
		{refused, `SELECT $1::character varying(3)::date`},
		{refused, `SELECT $1::char::date`},
		{refused, `SELECT CAST(CAST('nowx' AS char(3)) AS date)`},
		{refused, `SELECT (varchar(3) 'nowx')::date`},
		{refused, `SELECT varchar(3) 'nowx'::date`},
		{refused, `SELECT name 'nowx'::date`},
		{refused, `SELECT coalesce(a, 'nowx'::bpchar(3))::date FROM t`},
		{refused, `SELECT '{nowx}'::varchar(3)[]::date[]`},
		{refused, `SELECT ARRAY['nowx']::varchar(3)[]::date[]`},
		{refused, `SELECT '"\u006eow"'::jsonb::text::date`},
		{refused, `SELECT '\156ow'::bytea::text::date`},
		{refused, `SELECT 'nowx'::short::date`},
		{refused, `SELECT '{n\ow}'::date[]`},
		{refused, `SELECT '(n""ow)'::mine`},
		{"", `SELECT '2020-01-01'::text::date, '2020-01-01'::varchar::date, character varying '2020-01-01'::date`},
		{"", `SELECT $1::text::date, $1::character varying::timestamp with time zone, '2020'::int::text::date`},
		{"", `SELECT timestamp(3) '2020-01-01'::date, timestamp with time zone '2020-01-01'::date`},
		{"a b", `SELECT CASE WHEN a LIKE 'x' THEN b ELSE '2020-01-01' END::date FROM t`},
	} {
		i := Parse(tt.sql)
		var got []string
		for _, c := range i.DateCasts {
			name := strings.TrimSpace(c.Column + " " + c.Type)
			if c.Derived {
				name += "+"
			}
			if !slices.Contains(got, name) {
				got = append(got, name)
			}
		}
		have := strings.Join(got, " ")
		if i.Refusal == ReasonSpecialDate {
			have = refused
		}
		if have != tt.want {
			t.Errorf("%s: %q, want %q", tt.sql, have, tt.want)
		}
	}
}

// A statement too long for a second look is refused, and quickly.
func TestDateCastsAreBounded(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"SELECT x::date" + strings.Repeat(", a", maxDateCastTokens),
		"SELECT " + strings.Repeat("(", 250) + "x" + strings.Repeat(")::date", 250),
		"SELECT " + strings.Repeat("a + ", 4000) + "b::date",
		"SELECT x" + strings.Repeat("::date", 3000),
	} {
		i := Parse(sql)
		if n := len(i.DateCasts); n > maxDateCasts {
			t.Errorf("%.40s...: %d casts", sql, n)
		}
	}
	if i := Parse("SELECT x::date" + strings.Repeat(", a", maxDateCastTokens)); i.Refusal != ReasonSpecialDate {
		t.Errorf("refusal %q", i.Refusal)
	}
}
