package sqlinfo

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func names(list []Name) string {
	var out []string
	for _, n := range list {
		out = append(out, n.String())
	}
	return strings.Join(out, " ")
}

// TestReads lists queries with the relations that they read. What a rule of
// precision takes away stands beside what it must not take away.
func TestReads(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sql, reads string }{
		{`SELECT 1`, ``},
		{`SELECT id, name FROM users WHERE id = $1`, `users`},
		{`select * from Users, "Users", public.users, db.public.users`, `users "Users" public.users db.public.users`},
		{`SELECT * FROM a JOIN b ON a.x = b.y, c LEFT JOIN d USING (id), LATERAL (SELECT * FROM e) f`, `a b c d e`},
		{`SELECT * FROM (a CROSS JOIN (b NATURAL JOIN c)) AS j`, `a b c`},
		{`SELECT * FROM ((a JOIN b ON true) JOIN c ON CASE WHEN x THEN y END), d`, `a b c d`},
		{`SELECT (SELECT x FROM a), ARRAY(SELECT y FROM b), EXISTS (TABLE c) FROM d`, `a b c d`},
		{`SELECT * FROM a JOIN b ON CASE WHEN x THEN y END JOIN c ON f IS DISTINCT FROM g, d`, `a b c d`},
		{`SELECT * FROM ONLY a, ONLY (b), c *`, `a b c`},
		{`TABLE a UNION ALL TABLE ONLY b`, `a b`},
		{`VALUES (1), ((SELECT x FROM a))`, `a`},
		{`SELECT x FROM a WHERE EXTRACT(year FROM b) = substring(c FROM d) AND e IS NOT DISTINCT FROM f`, `a`},
		{`SELECT trim(both FROM x), overlay(a PLACING b FROM c) FROM t`, `t`},
		{`SELECT count(*) FILTER (WHERE x IN (SELECT y FROM a)) OVER (PARTITION BY z) FROM b`, `a b`},
		{`SELECT * FROM f(1), ROWS FROM (g(2), h(3)) AS r, XMLTABLE('/x' PASSING d COLUMNS e text)`, ``},
		{`SELECT * FROM a u (x, y) JOIN b AS v (z) ON true`, `a b`},
		{`SELECT 1 AS from, 2 AS where FROM a`, `a`},
		{`SELECT a.from, b.where FROM a, b`, `a b`},
		{`SELECT 1 join, 2 using, 3 table, x FROM a`, `a`},
		{`SELECT U&"x" FROM U&"d\0061ta", U&"d!0061tb" UESCAPE '!'`, `data datb`},
		{`SELECT * FROM a WHERE b ~ 'FROM c' -- FROM d`, `a`},
		{`SELECT * FROM a /* FROM b */ WHERE x = $$ FROM c $$ AND y = E'\' FROM d '`, `a`},
		{`(SELECT * FROM a) UNION (SELECT * FROM b) ORDER BY (SELECT x FROM c)`, `a b c`},
		{`SELECT * FROM a ORDER BY x USING <, (SELECT y FROM b) LIMIT (SELECT z FROM c)`, `a b c`},
		{`SELECT * FROM update, delete, values, time`, `update delete values time`},
		{`SELECT * FROM CAST(x AS int), a`, `a`},
		{`SELECT * FROM t` + strings.Repeat("o", 70) + `g`, `t` + strings.Repeat("o", 62)},
		{`SELECT * FROM "` + strings.Repeat("é", 40) + `"`, strings.Repeat("é", 31)},

		// A CTE hides a table of its name once it can be named: after its own body,
		// and only up to the end of its level.
		{`WITH a AS (SELECT * FROM b) SELECT * FROM a`, `b`},
		{`WITH a AS (SELECT * FROM a) SELECT * FROM a`, `a`},
		{`WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a, b`, `b`},
		{`WITH RECURSIVE a AS (SELECT 1 UNION SELECT * FROM a JOIN b ON true) SELECT * FROM a`, `b`},
		{`WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a`, `b`},
		{`(WITH a AS (SELECT 1) SELECT * FROM a) UNION SELECT * FROM a`, `a`},
		{`SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) x, a`, `a`},
		{`WITH a AS (SELECT 1) SELECT * FROM public.a`, `public.a`},
		{`WITH "A" AS (SELECT 1) SELECT * FROM a`, `a`},
		{`WITH recursive AS (SELECT 1) SELECT * FROM recursive, a`, `a`},
		{`WITH a AS (TABLE x) SEARCH DEPTH FIRST BY b, c SET d, e AS (TABLE y) SELECT * FROM a, b, e`, `x y b`},
		{`WITH RECURSIVE a AS (TABLE x) CYCLE b, c SET d USING e, f AS (TABLE y) SELECT * FROM a, b, f`, `x y b`},
		{`WITH a AS (TABLE x) SEARCH DEPTH FIRST BY set, by SET delete CYCLE insert SET merge TO update '1' DEFAULT 2 USING set, b AS (TABLE y) TABLE b`, `x y`},
		{`WITH a(update) AS MATERIALIZED (SELECT 1), insert AS NOT MATERIALIZED (TABLE x) TABLE insert`, `x`},
	} {
		info := Parse(c.sql)
		if info.Kind != Read || info.WritesAll || len(info.Writes) > 0 {
			t.Errorf("kind %s, writes %v\n%s", info.Kind, info.Writes, c.sql)
		}
		if got := names(info.Reads); got != c.reads {
			t.Errorf("reads %q, want %q\n%s", got, c.reads, c.sql)
		}
	}
}

func TestWrites(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sql, writes, reads string }{
		{`INSERT INTO a (x, y) VALUES (1, lower($1))`, `a`, ``},
		{`INSERT INTO a AS b (x) SELECT x FROM c ON CONFLICT (x) DO UPDATE SET y = excluded.y, z = 1 WHERE b.x > 0 RETURNING (SELECT 1 FROM d)`, `a`, `c d`},
		{`INSERT INTO a WITH x AS (SELECT * FROM b) SELECT * FROM x`, `a`, `b x`},
		{`UPDATE ONLY a AS u SET (x, y) = (SELECT 1, 2 FROM b), z = 3 FROM c, d WHERE u.id = c.id`, `a`, `b c d`},
		{`UPDATE "A".b SET x = 1`, `"A".b`, ``},
		{`DELETE FROM a USING b, c JOIN d ON true WHERE a.id = b.id RETURNING *`, `a`, `b c d`},
		{`DELETE FROM ONLY (a) WHERE CURRENT OF cur`, `a`, ``},
		{`MERGE INTO a USING b JOIN c ON CASE WHEN x THEN y END ON a.id = b.id WHEN MATCHED THEN UPDATE SET x = 1, y = 2 WHEN NOT MATCHED THEN INSERT (x, y) VALUES (1, 2)`, `a`, `b c`},
		{`WITH x AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM x`, `a b`, ``},
		{`WITH x AS (UPDATE a SET y = 1 RETURNING *) SELECT * FROM x, c`, `a`, `c`},
		{`WITH x AS (WITH y AS (SELECT 1) INSERT INTO a SELECT * FROM y RETURNING *), z AS (MERGE INTO b USING c ON true WHEN MATCHED THEN DELETE) SELECT 1`, `a b`, `c`},
		{`WITH update AS (SELECT 1) UPDATE a SET x = 1`, `a`, ``},
		{`WITH x AS (TABLE b) SEARCH BREADTH FIRST BY by SET c INSERT INTO a TABLE x`, `a`, `b`},
		{`WITH x AS (TABLE b) CYCLE cycle SET c TO 1 DEFAULT 2 USING d DELETE FROM a`, `a`, `b`},
		{`TRUNCATE TABLE a, ONLY b.c RESTART IDENTITY`, `a b.c`, ``},
		{`COPY a (x, y) FROM STDIN`, `a`, ``},
		{`REFRESH MATERIALIZED VIEW CONCURRENTLY a`, `a`, ``},
		{`SELECT x, y INTO TEMP TABLE a FROM b`, `a`, `b`},
		{`EXPLAIN ANALYZE DELETE FROM a`, `a`, ``},
		{`EXPLAIN (VERBOSE, ANALYZE true) UPDATE a SET x = 1`, `a`, ``},
		{`EXPLAIN ("analyze") UPDATE a SET x = 1`, `a`, ``},
		{`EXPLAIN (COSTS off, U&"an\0061lyze" on) UPDATE a SET x = 1`, `a`, ``},
		{`EXPLAIN (ANALYZE off, "analyze" true) UPDATE a SET x = 1`, `a`, ``},
		{`COPY (DELETE FROM a RETURNING *) TO STDOUT`, `a`, ``},
		{`DO $$ BEGIN UPDATE a SET x = (SELECT 1 FROM b); END $$`, `a`, `begin update a set x b`},
		{`DO LANGUAGE plpgsql 'BEGIN DELETE FROM a; END'`, `a`, `begin delete a`},
	} {
		info := Parse(c.sql)
		if info.Kind != Write || info.WritesAll || info.Refusal == "" {
			t.Errorf("kind %s, writes all %v, refusal %q\n%s", info.Kind, info.WritesAll, info.Refusal, c.sql)
		}
		if got := names(info.Writes); got != c.writes {
			t.Errorf("writes %q, want %q\n%s", got, c.writes, c.sql)
		}
		if got := names(info.Reads); got != c.reads {
			t.Errorf("reads %q, want %q\n%s", got, c.reads, c.sql)
		}
	}
}

func TestWritesAll(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		`EXECUTE p`, `EXPLAIN ANALYZE EXECUTE p(1)`, `TRUNCATE a CASCADE`, `DO $$ BEGIN EXECUTE 'x'; END $$`,
		`DO LANGUAGE plpython3u 'x'`, `FROB a`, `SELECT 1; FROB`, `SELECT 123abc`, "SELECT 1\x00", `UPDATE`, `INSERT INTO 1`,
		`DO $$ BEGIN TRUNCATE a; END $$`, strings.Repeat("(", 1000) + "SELECT 1",
		strings.Repeat("SELECT 1;", 1000), strings.Repeat(" ", 17<<20),
	} {
		if info := Parse(sql); !info.WritesAll || info.Refusal == "" {
			t.Errorf("writes all %v, refusal %q\n%.80s", info.WritesAll, info.Refusal, sql)
		}
	}
}

func TestDefinitions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sql   string
		named string
		temp  bool
	}{
		{`CREATE TABLE a (id int REFERENCES b)`, "a b", false},
		{`CREATE TEMP TABLE a AS SELECT * FROM b`, "a b", true},
		{`CREATE TABLE pg_temp.a ()`, "pg_temp.a", true},
		{`CREATE OR REPLACE VIEW a.b AS SELECT f(x) FROM c`, "a.b c", false},
		{`ALTER TABLE a ATTACH PARTITION b DEFAULT`, "a b", false},
		{`DROP TABLE a, b.c CASCADE`, "a b.c", false},
		{`CREATE RULE r AS ON INSERT TO a DO ALSO (INSERT INTO b VALUES (1); DELETE FROM c)`, "a b c", false},
		{`CREATE FUNCTION f() RETURNS int BEGIN ATOMIC DELETE FROM a; SELECT CASE WHEN x THEN 1 END FROM b; END`, "a b", false},
		{`GRANT SELECT ON a TO bob`, "a", false},
		{`COMMENT ON TABLE a IS 'x'`, "a", false},
	} {
		info := Parse(c.sql)
		if info.Kind != Write || !info.DDL || info.Temp != c.temp || info.Statements != 1 {
			t.Errorf("kind %s, DDL %v, temp %v, statements %d\n%s", info.Kind, info.DDL, info.Temp, info.Statements, c.sql)
		}
		for n := range strings.FieldsSeq(c.named) {
			if !slices.Contains(strings.Fields(names(info.Writes)), n) {
				t.Errorf("%s is not among %s\n%s", n, names(info.Writes), c.sql)
			}
		}
	}
	if info := Parse(`CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; DELETE FROM a`); info.Statements != 2 {
		t.Errorf("%d statements, not 2", info.Statements)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sql    string
		reason Reason
	}{
		{``, ReasonEmpty},
		{` ; -- nothing`, ReasonEmpty},
		{`SELECT 1`, ""},
		{`SELECT 1;`, ""},
		{`SELECT 'unterminated`, ReasonSyntax},
		{`SELECT 1; SELECT 2`, ReasonMultiStatement},
		{`SELECT * FROM t FOR UPDATE`, ReasonForUpdate},
		{`SELECT * FROM t FOR NO KEY UPDATE OF t NOWAIT`, ReasonForUpdate},
		{`SELECT * FROM (SELECT * FROM t FOR KEY SHARE) x`, ReasonForUpdate},
		{`SELECT * FROM t FOR READ ONLY`, ""},
		{`SELECT * INTO a FROM b`, ReasonSelectInto},
		{`SELECT * FROM t TABLESAMPLE system (10)`, ReasonTableSample},
		{`SELECT * FROM pg_class`, ReasonSystemCatalog},
		{`SELECT * FROM information_schema.tables`, ReasonSystemCatalog},
		{`SELECT ctid FROM t`, ReasonSystemColumn},
		{`SELECT t.xmin FROM t`, ReasonSystemColumn},
		{`SELECT * FROM pg_temp.t`, ReasonTempTable},
		{`SELECT nextval('s')`, ReasonSequence},
		{`SELECT pg_catalog.now()`, ReasonTimeFunction},
		{`SELECT CURRENT_DATE`, ReasonTimeFunction},
		{`SELECT x AS current_date FROM t`, ""},
		{`SELECT age(x) FROM t`, ReasonTimeFunction},
		{`SELECT age(f.x, lower(y)::timestamp) FROM f`, ""},
		{`SELECT (created).age FROM t`, ReasonTimeFunction}, // age(created), unless it is a column
		{`SELECT t.age FROM t`, ""},
		{`SELECT ('x').now FROM t`, ReasonTimeFunction},
		{`SELECT random()`, ReasonRandomFunction},
		{`SELECT pg_advisory_lock(1)`, ReasonLockFunction},
		{`SELECT set_config('a.b', 'c', false)`, ReasonSessionFunction},
		{`SELECT current_user`, ReasonSessionFunction},
		{`SELECT current_setting('a.b')`, ReasonSessionFunction},
		{`SELECT query_to_xml('SELECT 1', true, true, '')`, ReasonUnsafeFunction},
		{`SELECT pg_sleep(1)`, ReasonUnsafeFunction},
		{`SELECT f(x) FROM t`, ReasonUnknownFunction},
		{`SELECT app.lower(x) FROM t`, ReasonUnknownFunction},
		{`SELECT "Lower"(x) FROM t`, ReasonUnknownFunction},
		{`SELECT f(x) FROM t FOR UPDATE`, ReasonForUpdate},
		{`SELECT f(x), now() FROM t`, ReasonTimeFunction},
		{`SELECT * FROM t WHERE d > 'today'`, ReasonSpecialDate},
		{`SELECT * FROM t WHERE d > E'\x74oday'::date`, ReasonSpecialDate},
		{`SELECT * FROM t WHERE d > U&'\0074oday'`, ReasonSpecialDate},
		{`SELECT * FROM t WHERE d = ANY ('{2020-01-01, Tomorrow}')`, ReasonSpecialDate},
		{`SELECT $$now$$::date`, ReasonSpecialDate},
		{`SELECT x::timetz FROM t`, ReasonTimeWithZone},
		{`SELECT CAST(x AS time (3) with time zone) FROM t`, ReasonTimeWithZone},
		{`SELECT time with time zone '10:00'`, ReasonTimeWithZone},
		{`SELECT x::timestamp with time zone FROM t`, ""},
		{`SELECT 't'::regclass`, ReasonObjectIdentifier},
		{`SELECT to_regclass('t')`, ReasonObjectIdentifier},
		{`SELECT treat(x AS int) FROM t`, ReasonUnsupportedSyntax},
		{`SELECT "x"::date FROM a JOIN b ON join(c)`, ReasonUnsupportedSyntax},
		{`SELECT * FROM a JOIN b ON a.x = b.y::bigint JOIN (c CROSS JOIN d) ON true`, ReasonUnsupportedSyntax},
		{`SELECT * FROM a JOIN b ON a.x = b.y::bigint JOIN (SELECT x FROM c) d ON true`, ""},
		{`EXPLAIN SELECT 1`, ReasonExplain},
		{`EXPLAIN DELETE FROM t`, ReasonExplain},
		{`EXPLAIN ANALYZE DELETE FROM t`, ReasonNotRead},
		{`SHOW x`, ReasonUtility},
		{`BEGIN`, ReasonTransaction},
		{`SET x = 1`, ReasonSession},
		{`SELECT ` + strings.Repeat("x,", 1<<20) + `x`, ReasonTooLong},
		{`SELECT ` + strings.Repeat("(", 300) + `1` + strings.Repeat(")", 300), ReasonTooDeep},
		{`SELECT * FROM ` + manyNames(5000), ReasonTooMany},
	} {
		if info := Parse(c.sql); info.Refusal != c.reason {
			t.Errorf("refusal %q (%s), want %q\n%.100s", info.Refusal, info.Detail, c.reason, c.sql)
		}
	}
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "t%d", i)
	}
	return b.String()
}

func TestNames(t *testing.T) {
	t.Parallel()
	info := Parse(`SELECT f(a.b), x.y.z(1), (c).d, ($1).e, g[1].h, i::mytype, CAST(j AS app.ty[]), ty2 'x', k::date,
		(l || m)::timestamp, current_user, coalesce(n, 1), o AT TIME ZONE 'UTC', p LIKE 'x' ESCAPE '!', q OPERATOR(app.@@) r, s != u,
		extract(day FROM $7) FROM t JOIN v USING (w), unnest(aa) AS ab(ac mood)`)
	for _, c := range []struct{ what, got, want string }{
		{"funcs", names(info.Funcs), "f x.y.z current_user pg_catalog.timezone pg_catalog.like_escape pg_catalog.extract pg_catalog.date_part unnest"},
		{"attrs", names(info.Attrs), "b d e h"},
		{"types", names(info.Types), "mytype app.ty ty2 date timestamp mood"},
		{"operators", strings.Join(info.Operators, " "), "|| ~~ !~~ @@ <> ="},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s\nwant: %s", c.what, c.got, c.want)
		}
	}
	if info.Params != 7 {
		t.Errorf("params %d", info.Params)
	}
}

// TestNothingCarriesOver reads texts in which a place noted in one statement would
// be out of range in the next.
func TestNothingCarriesOver(t *testing.T) {
	t.Parallel()
	for _, tail := range []string{`SELECT (x).f(1)`, `x.f(1) 'a'`, `) 'a'`, `SELECT ) 'a'`, `SELECT (x).date(1)`, `SELECT a[1].f(1) 'a'`, `SELECT coalesce(1) 'a'`} {
		for _, head := range []string{`SELECT f(1), g(2), h(3) 'x'`, `SELECT f(1), date(2)`, `SELECT f(g(h(1`} {
			Parse(head + "; " + tail)
			Parse(head + " " + tail)
			ParseBody("sql", head+"; "+tail)
			ParseBody("plpgsql", head+"; "+tail)
		}
	}
}

func TestSeveralStatements(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sql  string
		kind Kind
		n    int
	}{
		{`SELECT 1; SELECT 2;`, Read, 2},
		{`SELECT 1; SHOW x`, Other, 2},
		{`BEGIN; SELECT 1`, Tx, 2},
		{`BEGIN; SET x = 1; COMMIT`, Session, 3},
		{`SET x = 1; DELETE FROM a; SELECT * FROM b`, Write, 3},
		{`DELETE FROM a; FROB`, Unknown, 2},
		{`;;SELECT 1;;`, Read, 1},
	} {
		info := Parse(c.sql)
		if info.Kind != c.kind || info.Statements != c.n {
			t.Errorf("%s: %s, %d statements", c.sql, info.Kind, info.Statements)
		}
		if c.n > 1 && len(info.Parts) != c.n {
			t.Errorf("%s: %d parts", c.sql, len(info.Parts))
		}
	}
	info := Parse(`SET x = 1; DELETE FROM a; SELECT * FROM b`)
	if names(info.Writes) != "a" || names(info.Reads) != "b" || !info.ChangesSession || info.Parts[0].Setting != "x" {
		t.Errorf("%+v", info)
	}
}

func TestBackslashEscapes(t *testing.T) {
	t.Parallel()
	const sql = `SELECT 'a\' FROM b WHERE c = ' FROM d --'`
	if got := names(Parse(sql).Reads); got != "b" {
		t.Errorf("on: %q", got)
	}
	if got := names(ParseOptions(sql, Options{BackslashEscapes: true}).Reads); got != "d" {
		t.Errorf("off: %q", got)
	}
}
