package integration

import (
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

const lexedFunctions = `
CREATE TABLE t (v int); INSERT INTO t VALUES (1);
CREATE FUNCTION reads() RETURNS text STABLE LANGUAGE sql SET standard_conforming_strings = off
	AS $$ SELECT 'x\'' || (SELECT max(v)::text FROM public.t) --' $$;
CREATE FUNCTION reads_zero() RETURNS text STABLE LANGUAGE plpgsql SET standard_conforming_strings = 0
	AS $$ BEGIN RETURN 'x\'' || (SELECT max(v)::text FROM public.t); --'
	END $$;
CREATE FUNCTION behind() RETURNS text STABLE LANGUAGE sql AS $$ SELECT 'x\'' || (SELECT max(v)::text FROM public.t) --' $$;
CREATE FUNCTION reads_behind() RETURNS text STABLE LANGUAGE plpgsql SET standard_conforming_strings = off AS $$ BEGIN RETURN behind(); END $$;
CREATE FUNCTION writes() RETURNS text LANGUAGE sql SET standard_conforming_strings = off AS $$ SELECT 'a\'' ; UPDATE public.t SET v = v + 1; SELECT 'b' --'
	$$;
CREATE FUNCTION writes_pl() RETURNS text LANGUAGE plpgsql SET standard_conforming_strings = off AS $$ BEGIN PERFORM 'a\'' ; UPDATE public.t SET v = v + 1; RETURN 'b'; --'
	END $$`

// A function whose own settings say how its text is read is read so.
func TestFunctionsThatSetHowTheyAreRead(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, `SET check_function_bodies = off`, lexedFunctions)
	plain, db := harness.Open(t, "pgx", dsn), harness.Open(t, "mlcache", dsn)
	harness.Ready(t, db)
	for _, query := range []string{"SELECT reads()", "SELECT reads_zero()", "SELECT reads_behind()"} {
		before := harness.Query(t, db, query)
		harness.Query(t, db, query)
		harness.Exec(t, db, "UPDATE t SET v = v + 1")
		want := harness.Query(t, plain, query)
		if want.String() == before.String() {
			t.Errorf("%s: nothing has changed", query)
		}
		harness.Same(t, query, harness.Query(t, db, query), want)
	}
	const query = "SELECT v FROM t"
	for _, write := range []string{"SELECT writes()", "SELECT writes_pl()", "DO 'BEGIN PERFORM writes(); END'"} {
		before := untilHit(t, db, query)
		harness.Query(t, db, write)
		want := harness.Query(t, plain, query)
		if want.String() == before.String() {
			t.Errorf("%s: nothing was written", write)
		}
		harness.Same(t, write, harness.Query(t, db, query), want)
	}
}

// What a text does to its tables is looked for by the same reading as its names.
func TestWaysToWriteBehindABackslash(t *testing.T) {
	t.Parallel()
	dsn := harness.With(harness.NewDatabase(t, `CREATE TABLE par (id int PRIMARY KEY); CREATE TABLE ref (id int REFERENCES par ON UPDATE CASCADE); CREATE TABLE k (id int);
		INSERT INTO par VALUES (1); INSERT INTO ref VALUES (1)`), "standard_conforming_strings", "off")
	plain, db := harness.Open(t, "pgx", dsn), harness.Open(t, "mlcache", dsn)
	harness.Ready(t, db)
	const query = "SELECT id FROM ref"
	before := untilHit(t, db, query)
	harness.Exec(t, db, `WITH z AS (INSERT INTO k VALUES (1)), x AS (SELECT 'a\'' AS s), y AS (UPDATE par SET id = id + 10 RETURNING 'b' AS q) SELECT 1 FROM x /* ' */`)
	want := harness.Query(t, plain, query)
	if want.String() == before.String() {
		t.Error("nothing was written")
	}
	harness.Same(t, query, harness.Query(t, db, query), want)
}
