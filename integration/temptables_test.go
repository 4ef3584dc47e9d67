package integration

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// A write to a temporary table counts for nothing where nothing hangs on the table. What
// hangs there is in no snapshot of the schema.
func TestTemporaryTablesThatAreNotPlain(t *testing.T) {
	t.Parallel()
	ddl := `CREATE TABLE log (n int);
		CREATE FUNCTION w() RETURNS int LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.log VALUES (1); RETURN 1; END';
		CREATE FUNCTION i(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN public.w(); END';
		CREATE FUNCTION tr() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM public.w(); RETURN NULL; END';
		CREATE DOMAIN dd AS int CHECK (w() = 1);
		CREATE TYPE comp AS (a dd);
		CREATE TYPE mytype AS (a int);
		CREATE FUNCTION mk(int) RETURNS mytype LANGUAGE plpgsql AS 'BEGIN PERFORM public.w(); RETURN ROW($1)::public.mytype; END';
		CREATE CAST (int AS mytype) WITH FUNCTION mk(int) AS ASSIGNMENT;
		CREATE FUNCTION totext(mytype) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM public.w(); RETURN 1; END';
		CREATE CAST (mytype AS text) WITH FUNCTION totext(mytype) AS ASSIGNMENT`
	for name, c := range map[string]struct{ create, write string }{
		"a foreign key that cascades":      {"CREATE TEMP TABLE k (a int PRIMARY KEY); CREATE TEMP TABLE c (a int REFERENCES k ON DELETE CASCADE); CREATE TRIGGER tr AFTER DELETE ON c FOR EACH ROW EXECUTE FUNCTION tr(); INSERT INTO k VALUES (1); INSERT INTO c VALUES (1)", "DELETE FROM k"},
		"a default that runs a text":       {"CREATE TEMP TABLE k (a int, b xml DEFAULT query_to_xml('SELECT public.w()', false, false, ''))", "INSERT INTO k VALUES (1)"},
		"a check that runs a text":         {"CREATE TEMP TABLE k (a int CHECK (query_to_xml('SELECT public.w()', false, false, '') IS NOT NULL))", "INSERT INTO k VALUES (1)"},
		"a cast by assignment":             {"CREATE TEMP TABLE k (a mytype)", "INSERT INTO k SELECT 1"},
		"a cast to a type of PostgreSQL's": {"CREATE TEMP TABLE k (a text)", "INSERT INTO k SELECT ROW(1)::mytype"},
		"a domain in an array":             {"CREATE TEMP TABLE k (a dd[])", "INSERT INTO k VALUES ('{1}')"},
		"a domain in a composite":          {"CREATE TEMP TABLE k (a comp)", "INSERT INTO k VALUES ('(1)')"},
		"an index of an expression":        {"CREATE TEMP TABLE k (a int); CREATE INDEX ON k (i(a))", "INSERT INTO k VALUES (1)"},
		"an index of a part":               {"CREATE TEMP TABLE k (a int); CREATE INDEX ON k (a) WHERE i(a) = 1", "INSERT INTO k VALUES (1)"},
		"an exclusion":                     {"CREATE TEMP TABLE k (a int, EXCLUDE (i(a) WITH =))", "INSERT INTO k VALUES (1)"},
		"a column that is computed":        {"CREATE TEMP TABLE k (a int, b int GENERATED ALWAYS AS (i(a)) STORED)", "INSERT INTO k VALUES (1)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := harness.NewDatabase(t, ddl)
			plain, db := harness.Open(t, "pgx", dsn), harness.Open(t, "mlcache", dsn)
			harness.Ready(t, db)
			conn, err := db.Conn(harness.Context(t))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			harness.Exec(t, conn, c.create, pgx.QueryExecModeSimpleProtocol)
			const query = "SELECT count(*) FROM log"
			before := untilHit(t, db, query)
			harness.Exec(t, conn, c.write)
			want := harness.Query(t, plain, query)
			if want.String() == before.String() {
				t.Fatal("nothing was written")
			}
			harness.Same(t, c.write, harness.Query(t, db, query), want)
		})
	}
}

// The rows of a temporary table that inherits from a permanent one are rows of that one, in
// one session.
func TestTemporaryChildren(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, "CREATE TABLE parent (v int)", "INSERT INTO parent VALUES (1)")
	db := harness.Open(t, "mlcache", withPatientRedis(t, dsn))
	harness.Ready(t, db)
	const query = "SELECT sum(v) FROM parent"
	for _, add := range []string{"10", "100"} {
		conn, err := db.Conn(harness.Context(t))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		harness.Exec(t, conn, "CREATE TEMP TABLE kid () INHERITS (parent)")
		for _, write := range []string{"INSERT INTO kid VALUES (" + add + ")", "UPDATE kid SET v = v + 1", "TRUNCATE kid"} {
			harness.Exec(t, conn, write)
			for range 2 {
				harness.Same(t, write, harness.Query(t, conn, query), harness.TryQuery(mlcache.WithBypass(t.Context()), conn, query))
				if got := harness.Query(t, db, query).Rows[0]; got != "int64 1" {
					t.Errorf("%s: another session sees %s", write, got)
				}
			}
		}
	}
}

// What is known of a session's temporary tables is known no more after DDL, which may be
// about one of them.
func TestTemporaryTablesThatAreChanged(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, "CREATE TABLE parent (v int)", "INSERT INTO parent VALUES (1)")
	db := harness.Open(t, "mlcache", withPatientRedis(t, dsn))
	harness.Ready(t, db)
	conn, err := db.Conn(harness.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const query = "SELECT sum(v) FROM parent"
	harness.Exec(t, conn, "CREATE TEMP TABLE late (v int)")
	harness.Exec(t, conn, "INSERT INTO late VALUES (10)")
	harness.Query(t, conn, query)
	harness.Exec(t, conn, "ALTER TABLE late INHERIT parent")
	for _, write := range []string{"", "INSERT INTO late VALUES (11)", "DELETE FROM late WHERE v = 10"} {
		if write != "" {
			harness.Exec(t, conn, write)
		}
		for range 2 {
			harness.Same(t, write, harness.Query(t, conn, query), harness.TryQuery(mlcache.WithBypass(t.Context()), conn, query))
		}
	}
}

// A temporary type hides one of the same name, in one session.
func TestTemporaryTypes(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, "CREATE DOMAIN amount AS numeric(8,2)", "CREATE TABLE item (v numeric)", "INSERT INTO item VALUES (12.345)")
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	namespace := harness.NewNamespace(t)
	for kind, want := range map[string]string{"numeric(8,1)": "12.3", "numeric(8,0)": "12"} {
		for range 2 {
			hook := stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
				_, err := c.Exec(ctx, "CREATE DOMAIN pg_temp.amount AS "+kind)
				return err
			})
			c, err := mlcache.NewConnector(stdlib.GetConnector(*config, hook), &mlcache.Config{Namespace: namespace, Redis: harness.RedisURL()})
			if err != nil {
				t.Fatal(err)
			}
			db := sql.OpenDB(c)
			harness.Ready(t, db)
			for range 3 {
				if got := harness.Query(t, db, "SELECT v::amount, 1 FROM item").Rows[0]; !strings.Contains(got, `"`+want+`"`) {
					t.Errorf("with %s: %s", kind, got)
				}
			}
			db.Close()
		}
	}
}

// A write to a plain temporary table is no write for others.
func TestPlainTemporaryTables(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, "CREATE TABLE item (n int)", "CREATE TABLE source (id serial PRIMARY KEY, at timestamptz DEFAULT now(), s text DEFAULT 'x' NOT NULL, n numeric(5,2) DEFAULT -1.5, d date DEFAULT CURRENT_DATE)")
	for _, create := range []string{
		"CREATE TEMP TABLE k AS SELECT 1 AS id, 'a' AS s", "CREATE TEMP TABLE k (id int PRIMARY KEY, tags text[], at timestamptz DEFAULT now())",
		"CREATE TEMP TABLE k (LIKE source INCLUDING ALL)", "CREATE TEMP TABLE k (id int GENERATED ALWAYS AS IDENTITY, s varchar(10) DEFAULT 'a'::varchar(10))",
	} {
		db := harness.Open(t, "mlcache", withPatientRedis(t, dsn))
		harness.Ready(t, db)
		conn, err := db.Conn(harness.Context(t))
		if err != nil {
			t.Fatal(err)
		}
		harness.Exec(t, conn, create)
		harness.Query(t, conn, "SELECT * FROM k")
		untilHit(t, db, "SELECT n FROM item")
		before := stats(t, db)
		harness.Exec(t, conn, "DELETE FROM k")
		harness.Query(t, db, "SELECT n FROM item")
		if got := since(before, stats(t, db)); got.L1Hits != 1 {
			t.Errorf("%s: a write to it ended other answers: %+v", create, got)
		}
		conn.Close()
	}
}

// What stands behind a type that only one session has is made known to the others.
func TestWritesBehindTemporaryTypes(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, "CREATE TABLE log (n int)", "CREATE TABLE sink (n int)",
		"CREATE FUNCTION w() RETURNS int LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.log VALUES (1); RETURN 1; END'",
		"CREATE DOMAIN checked AS int CHECK (w() > 0)")
	for create, uses := range map[string][]string{
		"CREATE DOMAIN pg_temp.own AS int CHECK (public.w() > 0)": {"SELECT '1'::own", "SELECT '1'::pg_temp.own", "INSERT INTO sink SELECT '1'::own"},
		"CREATE TYPE pg_temp.own AS (a checked)":                  {"SELECT '(1)'::own"},
		"CREATE TEMP TABLE own (a checked)":                       {"SELECT '(1)'::own", "SELECT json_populate_record(NULL::own, '{\"a\":1}')"},
	} {
		for _, use := range uses {
			db, other := harness.Open(t, "mlcache", dsn), harness.Open(t, "mlcache", dsn)
			harness.Ready(t, db)
			harness.Ready(t, other)
			conn, err := db.Conn(harness.Context(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, sql := range []string{create, use, use} {
				untilHit(t, other, "SELECT count(*) FROM log")
				if _, err := conn.ExecContext(harness.Context(t), sql); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
				const query = "SELECT count(*) FROM log"
				harness.Same(t, create+": "+sql, harness.Query(t, other, query), harness.Query(t, harness.Open(t, "pgx", dsn), query))
			}
			conn.Close()
		}
	}
}
