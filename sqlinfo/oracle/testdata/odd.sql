SELECT 1

SELECT * FROM a

SELECT

SELECT FROM a

SELECT ALL a FROM b

SELECT * FROM a, b c, d AS e (f), ONLY g, ONLY (h) i, j *

SELECT a."from" FROM "select" a

SELECT 1 AS select, 2 AS from, 3 AS "where"

SELECT 1 select, 2 update, 3 join, 4 table FROM a

SELECT a.as, b.from, c.select.join FROM a, b, c

WITH as_ AS (SELECT 1 AS as) SELECT as_.as FROM as_

SELECT x AS end, CASE WHEN y THEN z END end FROM t

WITH a AS (SELECT * FROM a) SELECT * FROM a

WITH a AS (WITH a AS (SELECT * FROM a) SELECT * FROM a) SELECT * FROM a

WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM a, b, c

WITH a AS (TABLE b), b AS (TABLE a) TABLE b

WITH a AS (SELECT 1) (SELECT * FROM a) UNION SELECT * FROM a

(WITH a AS (SELECT 1) TABLE a) UNION (TABLE a)

SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) x, a

SELECT (WITH a AS (SELECT 1) SELECT * FROM a), (SELECT x FROM a)

WITH recursive AS (SELECT 1) SELECT * FROM recursive

WITH recursive(x) AS (SELECT 1) SELECT * FROM recursive, x

WITH RECURSIVE recursive AS (SELECT 1) SELECT * FROM recursive

WITH materialized AS MATERIALIZED (TABLE a), "not" AS NOT MATERIALIZED (TABLE b) SELECT * FROM materialized, "not"

WITH a AS (SELECT 1) INSERT INTO a SELECT * FROM a

WITH a AS (SELECT 1) UPDATE a SET x = 1 FROM a

WITH a AS (SELECT 1) DELETE FROM a USING a

WITH update AS (SELECT 1), delete AS (SELECT 2) SELECT * FROM update, delete

WITH t AS (INSERT INTO a DEFAULT VALUES RETURNING *), u AS (UPDATE b SET x = 1 RETURNING *), v AS (DELETE FROM c RETURNING *) SELECT * FROM t, u, v

WITH s AS (SELECT 1) SELECT * INTO t FROM s

WITH t AS (SELECT 1) SEARCH BREADTH FIRST BY a, b SET c, u AS (SELECT 2) SELECT * FROM a, b, c, t, u

WITH RECURSIVE t AS (SELECT 1) CYCLE a, b SET c USING d, u AS (SELECT 2) SELECT * FROM a, b, c, d, t, u

WITH t AS (SELECT 1) SEARCH DEPTH FIRST BY update SET delete CYCLE insert SET merge TO 1 DEFAULT 2 USING set SELECT * FROM t

SELECT * FROM a JOIN b ON CASE WHEN a.x THEN b.y END JOIN c ON true, d

SELECT * FROM a JOIN b JOIN c ON true ON true, d

SELECT * FROM a LEFT JOIN (b JOIN c USING (x)) ON a.y IS NOT DISTINCT FROM b.y, d

SELECT * FROM ((((a JOIN c ON d)))) JOIN b ON true

SELECT * FROM ((SELECT * FROM a)) x, ((SELECT * FROM b) UNION SELECT * FROM c) y

SELECT * FROM (VALUES (1), (2)) v, (TABLE a) t

SELECT * FROM a JOIN g ON b IN (c, (SELECT d FROM e)), f

SELECT extract(year FROM x), extract('dow' FROM (SELECT y FROM a)) FROM b

SELECT substring(x FROM y FOR z), substring(x FOR y FROM z), substring(x SIMILAR y ESCAPE z), substring(x, 1) FROM a

SELECT trim(x), trim(FROM x), trim(BOTH FROM x), trim(LEADING y FROM x), trim(y FROM x, z), trim(TRAILING (SELECT v FROM b) FROM x) FROM a

SELECT overlay(a PLACING b FROM c), overlay(a, b, c), position(a IN (SELECT b FROM c)), normalize(d, NFKC) FROM e

SELECT a FROM b JOIN g ON (a, c) IS DISTINCT FROM (d, e), f

SELECT NOT a IS DISTINCT FROM b, c IS NOT DISTINCT FROM (SELECT d FROM e) FROM f

SELECT DISTINCT ON (a, (SELECT b FROM c)) over(1), filter FROM d

SELECT DISTINCT ON (a) filter(b) filter (WHERE c) over w FROM d WINDOW w AS ()

SELECT over(1) over (ORDER BY over(2)), filter(3), escape(4), rows(5), set(6) FROM a

SELECT left(a, 1), right(b, 2), like(c, d), ilike(e), is_x(f), join(g), similar(h), natural(i), overlaps(j, k, l, m) FROM n

SELECT * FROM a JOIN b ON join(c) JOIN (SELECT * FROM d) e ON NOT left(f, 1) LIKE (SELECT g FROM h)

SELECT a NOT LIKE (b), NOT like(a, b), a LIKE like(b, c) ESCAPE ('!'), a ILIKE ANY (ARRAY['x']) FROM t

SELECT coalesce(a, (SELECT b FROM c)), greatest(d), least(e), nullif(f, g), row(h), exists(SELECT FROM i), grouping(j) FROM k

SELECT current_date, current_time(3), current_timestamp, localtime(0), localtimestamp, current_role, current_user, session_user, user, current_catalog, current_schema, current_schema()

SELECT a.current_date, b AS current_user, c.user FROM d

SELECT collation for (a), a COLLATE "C", b AT TIME ZONE (c), d AT TIME ZONE f(e), (g, h) OVERLAPS (i, j) FROM k

SELECT a OPERATOR(pg_catalog.+) b, OPERATOR(-) c, d OPERATOR(s.@@) f(e) FROM g

SELECT (a).b.c, ((d).e).f, (g[1]).h, i[1:2].j, $1.k, ($1).l, (SELECT m FROM n).o FROM p

SELECT a::int, b::s.t, c::t[], d::numeric(1, 2), CAST(e AS s.t), CAST(f AS double precision), g::time with time zone, h::bit varying(3), i::interval(3), j::interval year to month

SELECT date 'now', timestamp 'x', mytype 'x', s.mytype 'x', mytype(3) 'x', interval '1' day, interval(3) '1', float8 '1', double precision '1', bit '1', national character varying(3) 'x'

SELECT 'a' b

SELECT 'a'
'b', E'a'
'\'b', U&'\0061'
'\0062' UESCAPE '\', N'x', B'1'
'0', X'f'

SELECT U&"d!0061t!+000061" UESCAPE '!', U&'d!0061' UESCAPE '!' FROM U&"t\0061b"

SELECT $$a$$, $a$b$$c$a$, $a$$b$a$a$, $é$x$é$

SELECT 1e5, 1.5e-3, .5, 5., 0x1F, 0o17, 0b11, 1_000, 1_0.0_1

SELECT a+-b, a - -b, a@-b, a<-b, a*-b, -+-a, @-a, a !=-b, a<>-b

SELECT f(a => 1, b := 2, VARIADIC c), g(DISTINCT d ORDER BY e), h(*), i(ALL j), k() WITHIN GROUP (ORDER BY l), m(n) FILTER (WHERE o IN (SELECT p FROM q))

SELECT a FROM b GROUP BY a, (), (c, d), ROLLUP (e), CUBE (f, (g)), GROUPING SETS (h, (), ROLLUP (i), CUBE (j), GROUPING SETS (k)), cube(l), f(cube(m))

SELECT a FROM b GROUP BY DISTINCT ROLLUP (c), cube(d), rollup_x(e)

SELECT rollup(a), cube(b), sets(c), grouping_x(d) FROM e

SELECT a FROM b ORDER BY c USING <, d USING OPERATOR(s.<), f(e) NULLS FIRST LIMIT (SELECT g FROM h) OFFSET (SELECT i FROM j) ROWS

SELECT a FROM b FETCH FIRST (SELECT c FROM d) ROWS ONLY

SELECT a FROM b ORDER BY a FETCH NEXT ROW WITH TIES

SELECT a FROM b FOR UPDATE OF b SKIP LOCKED FOR SHARE

SELECT * FROM a TABLESAMPLE s.method(1, f(2)) REPEATABLE (g(3)) JOIN b ON true

SELECT * FROM f(1) WITH ORDINALITY AS a (b, c), LATERAL g((SELECT d FROM e)), ROWS FROM (h(1), i(2) AS (j int, k s.t)) WITH ORDINALITY l

SELECT * FROM f(1) AS (a int, b update), g(2) AS delete (insert int, update text)

SELECT * FROM current_date, coalesce(a, b) c, CAST(d AS e) f, extract(g FROM h) i, user, j

SELECT * FROM XMLTABLE(XMLNAMESPACES('x' AS y, DEFAULT 'z'), '/a' PASSING BY REF (SELECT b FROM c) COLUMNS d int PATH 'e' DEFAULT f(g) NOT NULL, h FOR ORDINALITY, i s.t) j, k

SELECT * FROM JSON_TABLE(a, '$' AS b PASSING (SELECT c FROM d) AS e COLUMNS (f FOR ORDINALITY, g int PATH '$' DEFAULT h(1) ON EMPTY, i boolean EXISTS PATH '$', NESTED PATH '$' AS j COLUMNS (k text FORMAT JSON))) l, m

SELECT xmlelement(name a, xmlattributes(b AS c, f(d)), e), xmlforest(f AS from, g), xmlparse(content h), xmlroot(i, version '1.0', standalone yes), xmlserialize(document j AS text), xmlconcat(k, l), xmlpi(name m, n), xmlexists('/x' PASSING BY VALUE o) FROM p

SELECT json_object('a': b, 'c' VALUE f(d) ABSENT ON NULL WITH UNIQUE KEYS RETURNING jsonb), json_array(SELECT e FROM g), json_array(h, i NULL ON NULL), json_arrayagg(j ORDER BY k), json_objectagg(l: m), json_scalar(n), json_serialize(o RETURNING bytea), json_value(p, '$' PASSING q AS r RETURNING int DEFAULT s ON ERROR), json_query(t, '$' WITH CONDITIONAL WRAPPER), json_exists(u, '$')

SELECT a IS JSON, b IS NOT JSON ARRAY WITH UNIQUE KEYS, c IS DOCUMENT, d IS NFC NORMALIZED, e IS NOT NORMALIZED, f ISNULL, g NOTNULL, h IS NOT UNKNOWN FROM i

SELECT treat(a AS int)

TABLE a

TABLE ONLY (a) UNION ALL TABLE b ORDER BY c

VALUES (1, DEFAULT), ((SELECT a FROM b), f(c)) ORDER BY d

(((SELECT a FROM b))) LIMIT 1

SELECT a FROM b UNION SELECT c FROM d INTERSECT ALL SELECT e FROM f EXCEPT DISTINCT (TABLE g)

INSERT INTO a VALUES (1)

INSERT INTO a.b AS c (d, e[1], f.g) OVERRIDING USER VALUE SELECT * FROM h

INSERT INTO a (b) (SELECT * FROM c)

INSERT INTO a TABLE b

INSERT INTO a WITH b AS (SELECT * FROM c) SELECT * FROM b, d RETURNING (SELECT e FROM b)

INSERT INTO a VALUES ((SELECT b FROM c)) ON CONFLICT (lower(d)) WHERE f(e) DO UPDATE SET (g, h) = (SELECT i, j FROM k), l = excluded.l WHERE m(a.n) RETURNING *, o AS from

INSERT INTO a SELECT * FROM b JOIN c ON conflict ON CONFLICT DO NOTHING

INSERT INTO a SELECT * FROM b, c ON CONFLICT ON CONSTRAINT d DO UPDATE SET e = 1, f = g(h)

UPDATE a SET b = 1

UPDATE set SET set = set

UPDATE ONLY a.b AS c SET d = DEFAULT, (e, f) = ROW (1, g(2)), h[1].i = 3 FROM j, k JOIN l ON true WHERE CURRENT OF m

UPDATE a b SET c = (SELECT d FROM e WHERE e.f = b.f) RETURNING b.*, g(b.h)

DELETE FROM a * USING b, LATERAL (SELECT * FROM c) d WHERE e(a.f) RETURNING a.g

MERGE INTO ONLY a AS b USING c ON d WHEN MATCHED AND f(e) THEN UPDATE SET (g) = (SELECT h FROM i), j = k(l) WHEN NOT MATCHED BY TARGET THEN INSERT (m, n) OVERRIDING SYSTEM VALUE VALUES (o(p), DEFAULT) WHEN NOT MATCHED BY SOURCE THEN DELETE WHEN MATCHED THEN DO NOTHING RETURNING merge_action(), *

MERGE INTO a USING (SELECT * FROM b) c ON CASE WHEN matched THEN true END WHEN MATCHED THEN DELETE

TRUNCATE a, ONLY b.c, d * RESTART IDENTITY CASCADE

COPY a FROM STDIN

COPY BINARY a FROM '/x'

COPY a.b (c, d) FROM PROGRAM 'x' WITH (FORMAT csv, HEADER) WHERE f(c) IN (1)

COPY a TO STDOUT

COPY (SELECT * FROM a) TO '/x'

COPY (WITH x AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM x RETURNING *) TO STDOUT

REFRESH MATERIALIZED VIEW CONCURRENTLY a.b WITH NO DATA

CALL a.b(c => 1, (SELECT d FROM e))

DO $$ BEGIN END $$

DO LANGUAGE sql 'x'

EXECUTE a(f(1))

PREPARE a (int, s.t) AS INSERT INTO b VALUES ($1)

PREPARE TRANSACTION 'a'

DECLARE a BINARY INSENSITIVE SCROLL CURSOR WITH HOLD FOR WITH b AS (SELECT * FROM c) SELECT f(d) FROM b

EXPLAIN SELECT * FROM a

EXPLAIN (ANALYZE, FORMAT json) INSERT INTO a SELECT * FROM b

EXPLAIN (ANALYZE off) DELETE FROM a

EXPLAIN ANALYZE VERBOSE WITH a AS (UPDATE b SET c = 1 RETURNING *) TABLE a

EXPLAIN ANALYZE EXECUTE a

EXPLAIN (ANALYZE) CREATE TABLE a AS SELECT * FROM b

EXPLAIN (SELECT * FROM a)

EXPLAIN DECLARE a CURSOR FOR SELECT * FROM b

SELECT * INTO a FROM b

SELECT * INTO TEMPORARY TABLE a.b FROM c

SELECT a INTO UNLOGGED b FROM c UNION SELECT d FROM e

CREATE TABLE a PARTITION OF b FOR VALUES FROM (f(1)) TO (MAXVALUE)

CREATE TABLE a (LIKE b INCLUDING ALL, c int CHECK (f(c) > 0), FOREIGN KEY (c) REFERENCES d.e) INHERITS (g)

CREATE TEMP TABLE a ON COMMIT DROP AS WITH b AS (SELECT * FROM c) SELECT * FROM b

CREATE TABLE a AS EXECUTE b

CREATE VIEW a AS WITH RECURSIVE b AS (SELECT * FROM c UNION SELECT * FROM b) SELECT * FROM b WITH CHECK OPTION

CREATE RULE a AS ON UPDATE TO b WHERE f(old.c) DO INSTEAD (INSERT INTO d VALUES (new.e); UPDATE g SET h = 1; SELECT * FROM i)

CREATE FUNCTION a(b c.d = f(1)) RETURNS SETOF e LANGUAGE sql BEGIN ATOMIC INSERT INTO g SELECT * FROM h; SELECT CASE WHEN i THEN j(k) END FROM l; END

CREATE FUNCTION a() RETURNS int RETURN (SELECT b FROM c)

CREATE TRIGGER a INSTEAD OF INSERT ON b REFERENCING NEW TABLE AS c FOR EACH STATEMENT EXECUTE PROCEDURE d.e('f')

CREATE POLICY a ON b FOR SELECT TO c USING (d IN (SELECT e FROM f)) WITH CHECK (g(h))

CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON ONLY b USING gin (c d.ops, f(e)) INCLUDE (g) WHERE h(i)

ALTER TABLE ONLY a ADD CONSTRAINT b FOREIGN KEY (c) REFERENCES d (e) ON DELETE CASCADE NOT VALID, ALTER f TYPE int USING g(f)

ALTER VIEW a RENAME TO b

CREATE SCHEMA a CREATE TABLE b (c int) CREATE VIEW d AS SELECT * FROM e

GRANT SELECT (a), UPDATE ON b, c.d TO e WITH GRANT OPTION

CREATE PUBLICATION a FOR TABLE b WHERE (c > 1), TABLES IN SCHEMA d

CREATE STATISTICS a ON (f(b)), c FROM d

LOCK TABLE ONLY a, b IN SHARE ROW EXCLUSIVE MODE NOWAIT

SET a.b TO c, 'd', 1

SET TIME ZONE INTERVAL '1' HOUR TO MINUTE

SET LOCAL TRANSACTION ISOLATION LEVEL READ COMMITTED

SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE, DEFERRABLE

RESET TRANSACTION ISOLATION LEVEL

ROLLBACK WORK AND NO CHAIN

BEGIN; SET LOCAL a = 1; INSERT INTO b SELECT f(c) FROM d; SELECT * FROM e FOR UPDATE; COMMIT AND CHAIN

SELECT 1; ; SELECT * FROM a;

SELECT a /* FROM b /* FROM c */ FROM d */ FROM e -- FROM f
, g

SELECT/**/a/**/FROM/**/b/**/WHERE/**/c--
=d

select"a"from"b"where"c"='d'

SELECT*FROM a,b WHERE(c)IN(SELECT(d)FROM e)AND(f)

SELECT a FROM b WHERE c IN(SELECT d)AND e
