package integration

import (
	"database/sql"
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// Each write of unseenWrites calls writer() in a way that its text does not show.
const unseenSchema = `
CREATE TABLE log (n int); INSERT INTO log VALUES (0);
CREATE FUNCTION writer() RETURNS int LANGUAGE plpgsql AS 'BEGIN UPDATE public.log SET n = n + 1; RETURN 1; END';
CREATE FUNCTION writes(a int, b int) RETURNS int LANGUAGE sql AS 'SELECT public.writer()';
CREATE OPERATOR |+| (LEFTARG = int, RIGHTARG = int, FUNCTION = writes);
CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION to_pair(i int) RETURNS pair LANGUAGE sql AS 'SELECT ROW(public.writer(), i)::pair';
CREATE CAST (int AS pair) WITH FUNCTION to_pair(int);
CREATE TABLE t (id int); INSERT INTO t VALUES (1);
CREATE FUNCTION noted(t) RETURNS int LANGUAGE sql AS 'SELECT public.writer()';

CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE FUNCTION to_mood(text) RETURNS mood LANGUAGE plpgsql AS $$ BEGIN PERFORM public.writer(); RETURN CASE $1 WHEN 'sad' THEN 'sad'::mood ELSE 'happy'::mood END; END $$;
CREATE CAST (text AS mood) WITH FUNCTION to_mood(text) AS ASSIGNMENT;
CREATE TABLE words (v text); INSERT INTO words VALUES ('sad');
CREATE TABLE moods (m mood, ms mood[]); INSERT INTO moods VALUES ('happy');
CREATE TABLE plain (v text);
CREATE FUNCTION assigns(v text) RETURNS int LANGUAGE plpgsql AS 'DECLARE m mood; BEGIN m := v; RETURN 1; END';
CREATE FUNCTION assigns_field(v text) RETURNS int LANGUAGE plpgsql AS 'DECLARE r moods%ROWTYPE; BEGIN r.m := v; RETURN 1; END';
CREATE FUNCTION assigns_record(v text) RETURNS int LANGUAGE plpgsql AS 'DECLARE r record; BEGIN SELECT * INTO r FROM moods; r.m := v; RETURN 1; END';
CREATE FUNCTION gives(v text) RETURNS mood LANGUAGE plpgsql AS 'BEGIN RETURN v; END';
CREATE FUNCTION gives_sql() RETURNS mood LANGUAGE sql AS 'SELECT v FROM words';
CREATE FUNCTION mood_json(mood) RETURNS json LANGUAGE sql AS 'SELECT (public.writer())::text::json';
CREATE CAST (mood AS json) WITH FUNCTION mood_json(mood);

CREATE FUNCTION passes(i int) RETURNS boolean LANGUAGE sql AS 'SELECT public.writer() = 1';
CREATE DOMAIN checked AS int CHECK (passes(VALUE));
CREATE FUNCTION takes(checked) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE FUNCTION returns_checked(i int) RETURNS checked LANGUAGE plpgsql AS 'BEGIN RETURN i; END';
CREATE TYPE box_of AS (c checked);
CREATE TABLE boxes (list checked[], box box_of); CREATE TABLE rows_of (c checked);

CREATE FUNCTION sly(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.writer(); RETURN i; END';
CREATE FUNCTION sly_dynamic(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN EXECUTE 'SELECT public.writer()'; RETURN i; END $$;
CREATE TABLE by_index (id int); CREATE INDEX ON by_index (sly(id));
CREATE TABLE by_predicate (id int); CREATE INDEX ON by_predicate (id) WHERE sly(id) > 0;
CREATE TABLE analyzed (id int); INSERT INTO analyzed SELECT generate_series(1, 3); CREATE INDEX ON analyzed (sly(id));
CREATE TABLE by_part (id int) PARTITION BY RANGE (sly(id)); CREATE TABLE part PARTITION OF by_part DEFAULT;

CREATE TABLE sink (v text);
CREATE TABLE ruled (id int);
CREATE RULE r AS ON INSERT TO ruled DO ALSO INSERT INTO sink SELECT query_to_xml('SELECT public.writer()', true, true, '')::text;
CREATE TABLE by_default (id int, v text DEFAULT query_to_xml('SELECT public.writer()', true, true, '')::text);
CREATE TABLE by_check (id int CHECK (query_to_xml('SELECT public.writer()', true, true, '') IS NOT NULL));
CREATE TABLE by_when (id int);
CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER w BEFORE INSERT ON by_when FOR EACH ROW WHEN (query_to_xml('SELECT public.writer()', true, true, '') IS NOT NULL) EXECUTE FUNCTION quiet();
CREATE DOMAIN by_text AS text CHECK (query_to_xml('SELECT public.writer()', true, true, '') IS NOT NULL);
CREATE VIEW writing AS SELECT writer() AS w;
CREATE EXTENSION tablefunc;
CREATE FUNCTION ask(text, boolean, boolean, text) RETURNS xml LANGUAGE internal STABLE AS 'query_to_xml';
CREATE FUNCTION names(i int) RETURNS text LANGUAGE sql STABLE AS 'SELECT v FROM public.words'`

// since is the first version of PostgreSQL that has the statement, as server_version_num.
var unseenWrites = []struct {
	name, sql string
	since     int
}{
	{"an operator in DO", `DO $$ BEGIN PERFORM 1 |+| 2; END $$`, 0},
	{"a cast in DO", `DO $$ BEGIN PERFORM 5::pair; END $$`, 0},
	{"an attribute in DO", `DO $$ BEGIN PERFORM x.noted FROM t x; END $$`, 0},
	{"a variable in DO", `DO $$ DECLARE m mood; v text := 'sad'; BEGIN m := v; END $$`, 0},
	{"an assignment cast in INSERT", `INSERT INTO moods (m) SELECT v FROM words`, 0},
	{"an assignment cast to an array", `INSERT INTO moods (ms) SELECT ARRAY[v] FROM words`, 0},
	{"an assignment cast in UPDATE", `UPDATE moods SET m = words.v FROM words`, 0},
	{"an assignment cast in MERGE", `MERGE INTO moods USING words ON true WHEN MATCHED THEN UPDATE SET m = words.v`, 150000},
	{"an assignment in PL/pgSQL", `SELECT assigns('sad')`, 0},
	{"an assignment to a field", `SELECT assigns_field('sad')`, 0},
	{"an assignment to a field of a record", `SELECT assigns_record('sad')`, 0},
	{"a RETURN in PL/pgSQL", `SELECT gives('sad')`, 0},
	{"a result in SQL", `SELECT gives_sql()`, 0},
	{"to_json", `SELECT to_json(m) FROM moods`, 0},
	{"json_agg of rows", `SELECT json_agg(moods) FROM moods`, 0},
	{"a domain of an argument", `SELECT takes(1)`, 0},
	{"a domain of a result", `SELECT returns_checked(1)`, 0},
	{"a domain in an array", `INSERT INTO boxes (list) VALUES ('{1}')`, 0},
	{"a domain in a row", `INSERT INTO boxes (box) VALUES ('(1)')`, 0},
	{"a domain in a cast to a row", `SELECT ROW(1)::rows_of`, 0},
	{"a domain in a populated row", `SELECT jsonb_populate_record(NULL::rows_of, '{"c": 1}')`, 0},
	{"a domain over a text that is run", `SELECT 'x'::by_text`, 0},
	{"an index", `INSERT INTO by_index VALUES (1)`, 0},
	{"an index's predicate", `INSERT INTO by_predicate VALUES (1)`, 0},
	{"a partition key", `INSERT INTO by_part VALUES (1)`, 0},
	{"ANALYZE", `ANALYZE analyzed`, 0},
	{"ANALYZE in DO", `DO 'BEGIN ANALYZE analyzed; END'`, 0},
	{"an IMMUTABLE function", `SELECT sly(1)`, 0},
	{"an IMMUTABLE function with EXECUTE", `SELECT sly_dynamic(1)`, 0},
	{"a rule", `INSERT INTO ruled VALUES (1)`, 0},
	{"a default", `INSERT INTO by_default VALUES (1)`, 0},
	{"a check", `INSERT INTO by_check VALUES (1)`, 0},
	{"a trigger's WHEN", `INSERT INTO by_when VALUES (1)`, 0},
	{"crosstab", `SELECT count(*) FROM crosstab2('SELECT public.writer()::text, ''1''::text, ''2''::text')`, 0},
	{"an internal function", `SELECT ask('SELECT public.writer()', true, true, '')`, 0},
	{"query_to_xml", `SELECT query_to_xml('SELECT public.writer()', true, true, '')`, 0},
	{"table_to_xml", `SELECT table_to_xml('writing', true, true, '')`, 0},
}

// What a statement writes is known, whatever its text leaves out.
func TestWritesThatNoTextNames(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, unseenSchema)
	plain, db := harness.Open(t, "pgx", dsn), harness.Open(t, "mlcache", dsn)
	harness.Ready(t, db)
	const query = "SELECT n FROM log"
	version := serverVersion(t, plain)
	for _, c := range unseenWrites {
		if version < c.since {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			untilHit(t, db, query)
			before := harness.Query(t, plain, query)
			harness.Query(t, db, c.sql)
			want := harness.Query(t, plain, query)
			if want.String() == before.String() {
				t.Fatal("nothing was written")
			}
			harness.Same(t, query, harness.Query(t, db, query), want)
		})
	}
}

// The cast to json that a user has made is called by whatever makes JSON, and what it
// reads is read.
func TestCastsToJSONThatNoTextNames(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, `CREATE TABLE names (v text); INSERT INTO names VALUES ('a');
		CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE moods (id int, m mood, ms mood[]); INSERT INTO moods VALUES (1, 'sad', '{sad}');
		CREATE DOMAIN temper AS mood; CREATE TABLE tempers (t temper); INSERT INTO tempers VALUES ('sad');
		CREATE VIEW seen AS SELECT m FROM moods;
		CREATE FUNCTION now_sad() RETURNS mood LANGUAGE sql IMMUTABLE AS $$ SELECT 'sad'::mood $$;
		CREATE FUNCTION mood_json(mood) RETURNS json LANGUAGE sql STABLE AS $$ SELECT to_json(v) FROM names $$;
		CREATE CAST (mood AS json) WITH FUNCTION mood_json(mood);
		CREATE TYPE dice AS ENUM ('one'); CREATE TABLE throws (d dice); INSERT INTO throws VALUES ('one');
		CREATE FUNCTION dice_json(dice) RETURNS json LANGUAGE sql VOLATILE AS $$ SELECT to_json(random()) $$;
		CREATE CAST (dice AS json) WITH FUNCTION dice_json(dice)`)
	plain, db := harness.Open(t, "pgx", dsn), harness.Open(t, "mlcache", dsn)
	harness.Ready(t, db)
	queries := []string{
		`SELECT to_json(m) FROM moods`, `SELECT to_jsonb(m) FROM moods`, `SELECT row_to_json(moods) FROM moods`,
		`SELECT row_to_json(x) FROM (SELECT m FROM moods) x`, `SELECT json_agg(m) FROM moods`, `SELECT jsonb_agg(moods) FROM moods`,
		`SELECT json_build_object('m', m) FROM moods`, `SELECT json_build_array(m) FROM moods`, `SELECT array_to_json(ms) FROM moods`,
		`SELECT json_object_agg(id, m) FROM moods`, `SELECT jsonb_build_object('m', ms) FROM moods`, `SELECT to_json('sad'::mood)`,
		`SELECT to_json(t) FROM tempers`, `SELECT to_json(m) FROM seen`, `SELECT to_json(now_sad())`, `SELECT row_to_json(seen) FROM seen`,
	}
	handle, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range queries {
		if e, err := handle.Explain(harness.Context(t), q); err != nil || !e.Cacheable {
			t.Fatalf("%s: %+v %v", q, e, err)
		}
		untilHit(t, db, q)
	}
	harness.Exec(t, db, "UPDATE names SET v = 'b'")
	for _, q := range queries {
		harness.Same(t, q, harness.Query(t, db, q), harness.Query(t, plain, q))
	}
	for _, q := range []string{`SELECT to_json(d) FROM throws`, `SELECT row_to_json(throws) FROM throws`, `SELECT to_json('one'::dice)`} {
		if e, err := handle.Explain(harness.Context(t), q); err != nil || e.Cacheable {
			t.Errorf("%s: %+v %v", q, e, err)
		}
	}
}

// A schema as most have it loses nothing by all that.
func TestOrdinarySchemasStayPrecise(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, `CREATE EXTENSION citext; CREATE EXTENSION "uuid-ossp"; CREATE EXTENSION pg_trgm; CREATE EXTENSION hstore; CREATE EXTENSION unaccent;
		CREATE EXTENSION btree_gin; CREATE EXTENSION pgcrypto; CREATE EXTENSION tablefunc;
		CREATE TYPE status AS ENUM ('new', 'paid'); CREATE DOMAIN email AS citext CHECK (VALUE ~ '@');
		CREATE FUNCTION sloppy(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN length($1) > 2; END $$;
		CREATE DOMAIN phone AS text CHECK (sloppy(VALUE));
		CREATE FUNCTION to_status(text) RETURNS status LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN lower($1)::status; END $$;
		CREATE CAST (text AS status) WITH FUNCTION to_status(text) AS ASSIGNMENT;
		CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at = now(); RETURN NEW; END $$;
		CREATE FUNCTION plain_text(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT public.unaccent('public.unaccent', $1) $$;
		CREATE TABLE users (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), mail email UNIQUE, phone phone, extra hstore, name text, updated_at timestamptz DEFAULT now());
		CREATE INDEX ON users (lower(name)); CREATE INDEX ON users USING gin (name gin_trgm_ops); CREATE INDEX ON users (plain_text(name)) WHERE name <> '';
		CREATE TRIGGER touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();
		CREATE TABLE orders (id serial PRIMARY KEY, user_id uuid REFERENCES users ON DELETE CASCADE, status status DEFAULT 'new', total numeric CHECK (total >= 0), created date DEFAULT CURRENT_DATE, at timestamptz DEFAULT clock_timestamp());
		CREATE TRIGGER touch BEFORE INSERT ON orders FOR EACH ROW WHEN (NEW.total > 0) EXECUTE FUNCTION touch();
		CREATE FUNCTION total_of(u uuid) RETURNS numeric LANGUAGE sql STABLE AS $$ SELECT sum(total) FROM orders WHERE user_id = u $$;
		CREATE FUNCTION secure_total(u uuid) RETURNS numeric LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$ BEGIN RETURN (SELECT sum(total) FROM orders WHERE user_id = u); END $$;
		CREATE VIEW paid AS SELECT o.*, u.mail FROM orders o JOIN users u ON u.id = o.user_id WHERE o.status = 'paid'`)
	db := harness.Open(t, "mlcache", dsn)
	harness.Ready(t, db)
	handle, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		sql    string
		cached bool
		reads  string
		writes string
	}{
		{`SELECT * FROM users WHERE mail = 'a@b'`, true, "public.users", ""},
		{`SELECT * FROM orders WHERE status = 'new'::status`, true, "public.orders", ""},
		{`SELECT total_of(id), to_json(extra), similarity(name, 'x') FROM users`, true, "public.orders public.users", ""},
		{`SELECT secure_total(id) FROM users`, true, "public.orders public.users", ""},
		{`SELECT row_to_json(p) FROM paid p`, true, "public.orders public.users", ""},
		{`SELECT json_agg(u), jsonb_build_object('a', array_agg(o.status)) FROM users u JOIN orders o ON o.user_id = u.id GROUP BY u.id`, true, "public.orders public.users", ""},
		{`INSERT INTO users (mail, phone, name) VALUES ('a@b', '123', 'c')`, false, "", "public.users"},
		{`UPDATE users SET name = 'x', mail = 'b@c'`, false, "", "public.users"},
		{`INSERT INTO orders (user_id, total) SELECT id, 1 FROM users`, false, "", "public.orders"},
		{`UPDATE orders SET status = 'paid' WHERE id = 1`, false, "", "public.orders"},
		{`DELETE FROM users`, false, "", "public.orders public.users"},
		{`ANALYZE users`, false, "", ""},
		{`VACUUM orders`, false, "", ""},
		{`DO $$ BEGIN UPDATE orders SET total = total + 1 WHERE id > 5; END $$`, false, "", "public.orders"},
	} {
		e, err := handle.Explain(harness.Context(t), c.sql)
		if err != nil {
			t.Fatal(err)
		}
		if e.Cacheable != c.cached || e.WritesAll || words(e.Writes) != c.writes || c.cached && words(e.Reads) != c.reads {
			t.Errorf("%s: %+v, want %+v", c.sql, e, c)
		}
	}
}

// serverVersion is server_version_num.
func serverVersion(t testing.TB, db *sql.DB) (version int) {
	t.Helper()
	if err := db.QueryRow("SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return version
}

func words(list []string) string {
	out := ""
	for i, s := range list {
		if i > 0 {
			out += " "
		}
		out += s
	}
	return out
}

// A value's own type can be what a function makes a row of, and what a literal is taken for:
// the columns' domains are checked, though no type is named.
func TestDomainsOfColumnsThatNoTextNames(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, "CREATE TABLE log (n int)", "INSERT INTO log VALUES (0)",
		"CREATE FUNCTION w() RETURNS int LANGUAGE plpgsql AS 'BEGIN UPDATE log SET n = n + 1; RETURN 1; END'",
		"CREATE DOMAIN dd AS int CHECK (w() > 0)", "CREATE TABLE k (a dd)", "INSERT INTO k VALUES (1)",
		"CREATE TABLE many (a dd[])", "INSERT INTO many VALUES ('{1}')")
	plain, db := harness.Open(t, "pgx", dsn), harness.Open(t, "mlcache", dsn)
	harness.Ready(t, db)
	for _, query := range []string{`SELECT jsonb_populate_record(k, '{"a":1}')::text FROM k`, "SELECT count(*) FROM many WHERE a = '{5}'"} {
		before := untilHit(t, db, "SELECT n FROM log")
		harness.Query(t, db, query)
		want := harness.Query(t, plain, "SELECT n FROM log")
		if want.String() == before.String() {
			t.Fatalf("%s: nothing was written", query)
		}
		harness.Same(t, query, harness.Query(t, db, "SELECT n FROM log"), want)
	}
}
