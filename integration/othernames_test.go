package integration

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// Two roles, each with a schema of its own that the other does not look in, and a
// table t in each and in public. The session is the caller's.
const otherNames = `
CREATE SCHEMA "OWNER" AUTHORIZATION "OWNER"; CREATE SCHEMA "CALLER" AUTHORIZATION "CALLER";
CREATE TABLE public.t (n int); CREATE TABLE "OWNER".t (n int); CREATE TABLE "CALLER".t (n int);
INSERT INTO public.t VALUES (1); INSERT INTO "OWNER".t VALUES (2); INSERT INTO "CALLER".t VALUES (3);
CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.t (n int); CREATE TABLE b.t (n int);
INSERT INTO a.t VALUES (4); INSERT INTO b.t VALUES (5);
CREATE SCHEMA "a,b"; CREATE TABLE "a,b".t (n int); INSERT INTO "a,b".t VALUES (6);
GRANT USAGE ON SCHEMA b, public, "a,b", "OWNER" TO "CALLER"; GRANT USAGE ON SCHEMA public TO "OWNER";
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int REFERENCES parent ON DELETE CASCADE);
ALTER TABLE child OWNER TO "OWNER";
CREATE TABLE late (id int);
CREATE FUNCTION definer_writes() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'UPDATE t SET n = n + 10 RETURNING n';
CREATE FUNCTION definer_reads() RETURNS int LANGUAGE plpgsql STABLE SECURITY DEFINER AS 'BEGIN RETURN (SELECT n FROM t); END';
CREATE FUNCTION as_role_writes() RETURNS int LANGUAGE plpgsql SET role = 'OWNER' AS 'BEGIN UPDATE t SET n = n + 10; RETURN 1; END';
CREATE FUNCTION closed_reads() RETURNS int LANGUAGE plpgsql STABLE SET search_path = a, b AS 'BEGIN RETURN (SELECT n FROM t); END';
CREATE FUNCTION closed_writes() RETURNS int LANGUAGE plpgsql SET search_path = a, b AS 'BEGIN UPDATE t SET n = n + 10; RETURN 1; END';
CREATE FUNCTION comma_reads() RETURNS int LANGUAGE plpgsql STABLE SET search_path = "a,b" AS 'BEGIN RETURN (SELECT n FROM t); END';
CREATE FUNCTION comma_writes() RETURNS int LANGUAGE plpgsql SET search_path = "a,b" AS 'BEGIN UPDATE t SET n = n + 10; RETURN 1; END';
CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE t SET n = n + 10; RETURN OLD; END';
CREATE TRIGGER fires BEFORE DELETE ON child FOR EACH ROW EXECUTE FUNCTION fires();
CREATE CONSTRAINT TRIGGER fires AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fires();
CREATE FUNCTION invoker_reads() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT n FROM t); END';
CREATE FUNCTION invoker_writes() RETURNS int LANGUAGE plpgsql AS 'BEGIN UPDATE t SET n = n + 10; RETURN 1; END';
CREATE VIEW through AS SELECT invoker_reads() AS n;
CREATE FUNCTION definer_through() RETURNS int LANGUAGE plpgsql STABLE SECURITY DEFINER AS 'BEGIN RETURN (SELECT n FROM public.through); END';
CREATE FUNCTION nested() RETURNS int LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = "$user" AS 'BEGIN RETURN (SELECT public.invoker_reads()); END';
INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (1), (2);
ALTER FUNCTION definer_writes OWNER TO "OWNER"; ALTER FUNCTION definer_reads OWNER TO "OWNER";
ALTER FUNCTION definer_through OWNER TO "OWNER"; ALTER FUNCTION nested OWNER TO "OWNER";
GRANT ALL ON ALL TABLES IN SCHEMA public, a, b, "a,b", "CALLER", "OWNER" TO "CALLER", "OWNER";
GRANT "OWNER" TO "CALLER" WITH ADMIN OPTION; ALTER ROLE "CALLER" NOINHERIT`

// Code that runs as another role, or on a path of its own, means other relations
// by the same names: what it reads and what it writes is known all the same.
func TestNamesOfAnotherRoleOrPath(t *testing.T) {
	dsn := harness.NewDatabase(t)
	admin := harness.Open(t, "pgx", dsn)
	var name string
	if err := admin.QueryRow("SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	owner, caller := name+"_owner", name+"_caller"
	for _, role := range []string{owner, caller} {
		harness.Exec(t, admin, `CREATE ROLE "`+role+`"`)
		t.Cleanup(func() {
			if _, err := admin.Exec(`DROP OWNED BY "` + role + `" CASCADE; DROP ROLE "` + role + `"`); err != nil {
				t.Error(err)
			}
		})
	}
	roles := strings.NewReplacer(`"OWNER"`, `"`+owner+`"`, `'OWNER'`, `'`+owner+`'`, `"CALLER"`, `"`+caller+`"`)
	harness.Exec(t, admin, roles.Replace(otherNames))

	as := func(driver string, dsn string) *sql.DB {
		return harness.Open(t, driver, harness.With(dsn, "role", caller))
	}
	plain := as("pgx", dsn)
	cached := withPatientRedis(t, dsn)
	db, other := as("mlcache", cached), as("mlcache", harness.With(cached, "application_name", "other"))
	harness.Ready(t, db)
	for _, c := range []struct{ name, query, write string }{
		{"a definer writes", `SELECT n FROM "OWNER".t`, `SELECT public.definer_writes()`},
		{"a definer reads", `SELECT public.definer_reads()`, `UPDATE "OWNER".t SET n = n + 10`},
		{"a function with a role", `SELECT n FROM "OWNER".t`, `SELECT public.as_role_writes()`},
		{"a schema on the path is closed to the writer", `SELECT n FROM b.t`, `SELECT public.closed_writes()`},
		{"a schema on the path is closed to the reader", `SELECT public.closed_reads()`, `UPDATE b.t SET n = n + 10`},
		{"a comma in the name of a schema that is written", `SELECT n FROM "a,b".t`, `SELECT public.comma_writes()`},
		{"a comma in the name of a schema that is read", `SELECT public.comma_reads()`, `UPDATE "a,b".t SET n = n + 10`},
		{"a trigger behind a cascade", `SELECT n FROM "OWNER".t`, `DELETE FROM parent WHERE id = 1`},
		{"a deferred trigger", `SELECT n FROM b.t`, `BEGIN; INSERT INTO late VALUES (1); SET LOCAL search_path = b, pg_catalog; COMMIT`},
		{"a cursor", `SELECT n FROM b.t`, `BEGIN; DECLARE c CURSOR FOR SELECT public.invoker_writes(); SET LOCAL search_path = b; FETCH c; COMMIT`},
		{"a view that is read twice", `SELECT public.definer_through(), n FROM public.through`, `UPDATE "OWNER".t SET n = n + 10`},
		{"a view that is read twice, the other way", `SELECT public.definer_through(), n FROM public.through`, `UPDATE "CALLER".t SET n = n + 10`},
		{"a path of the role", `SELECT public.nested()`, `UPDATE "OWNER".t SET n = n + 10`},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := harness.Context(t)
			query, write := roles.Replace(c.query), roles.Replace(c.write)
			for _, reader := range []*sql.DB{db, other} {
				untilHit(t, reader, query)
			}
			before := harness.Query(t, plain, query)
			each(ctx, t, db, write)
			want := harness.Query(t, plain, query)
			if want.String() == before.String() {
				t.Fatal("the write changed nothing that is read")
			}
			harness.Same(t, "its own process", harness.Query(t, db, query), want)
			if t.Failed() {
				return
			}
			harness.Eventually(t, settling, "another pool to see the write", func() bool {
				return harness.Query(t, other, query).String() == want.String()
			})
		})
	}
	// Whoever has the role keeps what it reads, and so does a function that says where
	// its names are.
	handle, err := mlcache.From(as("mlcache", dsn))
	if err != nil {
		t.Fatal(err)
	}
	for query, reads := range map[string]string{
		`SELECT public.comma_reads()`:   `"a,b".t`,
		`SELECT public.invoker_reads()`: caller + ".t",
	} {
		e, err := handle.Explain(harness.Context(t), query)
		if err != nil || !e.Cacheable || len(e.Reads) != 1 || e.Reads[0] != reads {
			t.Errorf("%s: %+v %v, want reads of %s", query, e, err, reads)
		}
	}
}

// each runs statements one by one on one connection.
func each(ctx context.Context, t testing.TB, db *sql.DB, statements string) {
	t.Helper()
	c, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for statement := range strings.SplitSeq(statements, "; ") {
		if rows, err := c.QueryContext(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		} else if err := readAll(rows); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}
