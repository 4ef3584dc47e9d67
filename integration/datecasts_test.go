package integration

import (
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

const datedObjects = `
CREATE DOMAIN day AS date;
CREATE DOMAIN birthday AS day;
CREATE TYPE dated AS (d date, txt text);
CREATE TYPE days AS RANGE (SUBTYPE = date);
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE t (id int, txt text, made timestamptz, j jsonb, texts text[], dates date[], pair dated, raw bytea, doc xml, feeling mood, born birthday, during tstzrange);
CREATE VIEW named AS SELECT id, concat('a', txt) AS label, made FROM t;
CREATE VIEW moving AS SELECT id, txt::date AS d FROM t;
CREATE VIEW still AS SELECT id, made::date AS d FROM t;
CREATE FUNCTION read_as_date(text) RETURNS date LANGUAGE sql STABLE AS 'SELECT $1::date';
CREATE FUNCTION day_made(int) RETURNS date LANGUAGE sql STABLE AS 'SELECT made::date FROM t WHERE id = $1'`

// A text in a row, or one that the statement puts together, may say 'today': cast to
// a date it is another one tomorrow.
var castTexts = []string{
	`SELECT txt::date FROM t`, `SELECT txt::day FROM t`, `SELECT txt::birthday FROM t`, `SELECT txt::dated FROM t`, `SELECT txt::days FROM t`, `SELECT txt::t FROM t`,
	`SELECT CAST(txt AS dated) FROM t`, `SELECT ROW(txt, 'a')::dated FROM t`, `SELECT timestamptz(txt) FROM t`, `SELECT txt::text::date FROM t`, `SELECT (txt COLLATE "C")::date FROM t`,
	`SELECT texts::date[] FROM t`, `SELECT texts[1]::date FROM t`, `SELECT unnest(texts)::date FROM t`, `SELECT u::date FROM t, unnest(texts) u`,
	`SELECT (pair).txt::date FROM t`, `SELECT convert_from(raw, 'UTF8')::date FROM t`, `SELECT (xpath('/a/text()', doc))[1]::text::date FROM t`, `SELECT min(l)::date FROM (SELECT lower(txt) AS l FROM t) q`,
	`SELECT x.d FROM t, jsonb_to_recordset(j) AS x(d date)`, `SELECT x.d FROM t, jsonb_to_recordset(j) AS x(d day)`, `SELECT (jsonb_populate_record(NULL::dated, j)).d FROM t`, `SELECT e.value::date FROM t, jsonb_each_text(j) e`,
	`SELECT l::date FROM (SELECT label AS l FROM named) s`, `SELECT label::date FROM named`, `SELECT y::date FROM t AS q(x, y)`, `SELECT * FROM moving`, `SELECT read_as_date(txt) FROM t`,
	`SELECT concat('to', 'day')::day`, `SELECT format('[%s,)', txt)::daterange FROM t`, `SELECT x::date FROM (VALUES ('to' || 'day')) s(x)`,
}

var castDates = []string{
	`SELECT made::date, lower(txt) FROM t`, `SELECT d::date, to_char(d, 'Mon') FROM generate_series($1::date, $2::date, '1 day') d`, `SELECT date_trunc('day', made)::date AS d, count(*) FROM t GROUP BY 1`,
	`SELECT max(made)::date FROM t`, `SELECT (made + interval '1 day')::date FROM t`, `SELECT (made AT TIME ZONE 'UTC')::date FROM t`, `SELECT COALESCE(made, $1)::date FROM t`, `SELECT lower(during)::date FROM t`,
	`SELECT to_timestamp(id / 1000)::date FROM t`, `SELECT made::day FROM t`, `SELECT born::date FROM t`, `SELECT $1::day`, `SELECT dates::date[] FROM t`, `SELECT named.made::date FROM named`, `SELECT * FROM still`, `SELECT day_made(1)`,
	`SELECT txt::mood FROM t`, `SELECT (j->>'m')::mood FROM t`, `SELECT feeling::text FROM t`, `SELECT x.a FROM t, jsonb_to_recordset(j) AS x(a int, b text)`, `SELECT id FROM t WHERE born = ANY($1::date[])`,
}

func TestDateCastsOfTextsAreNotKept(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t)
	harness.Exec(t, harness.Open(t, "pgx", harness.With(dsn, "default_query_exec_mode", "simple_protocol")), datedObjects)
	h, err := mlcache.From(harness.Open(t, "mlcache", dsn))
	if err != nil {
		t.Fatal(err)
	}
	explain := func(query string) mlcache.Explanation {
		e, err := h.Explain(harness.Context(t), query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return e
	}
	for _, query := range castTexts {
		if e := explain(query); e.Cacheable || e.Reason != "special_date" {
			t.Errorf("%s: kept %t, reason %q", query, e.Cacheable, e.Reason)
		}
	}
	for _, query := range castDates {
		if e := explain(query); !e.Cacheable {
			t.Errorf("%s: reason %q, %s", query, e.Reason, e.Detail)
		}
	}
}
