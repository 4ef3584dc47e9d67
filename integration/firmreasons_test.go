package integration

import (
	"strings"
	"testing"
	"time"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// A policy that asks who somebody is, and for the time as well, in whatever order, gives
// other rows as time goes by.
func TestPolicyOfTheSessionAndTheClock(t *testing.T) {
	// Not beside other tests: a role belongs to the whole server.
	dsn := harness.NewDatabase(t)
	admin := harness.Open(t, "pgx", dsn)
	var name string
	if err := admin.QueryRow("SELECT current_database() || '_low'").Scan(&name); err != nil {
		t.Fatal(err)
	}
	harness.Exec(t, admin, `CREATE ROLE "`+name+`"`)
	t.Cleanup(func() {
		if _, err := admin.Exec(`DROP OWNED BY "` + name + `"; DROP ROLE "` + name + `"`); err != nil {
			t.Error(err)
		}
	})
	policies := map[string]string{
		"first":    "owner = current_user AND until > ('now'::text)::timestamptz",
		"last":     "until > ('now'::text)::timestamptz AND owner = current_user",
		"column":   "owner = current_user AND until > said::timestamptz",
		"function": "owner = who() AND until > ('now'::text)::timestamptz",
		"within":   "owner = who_when(until)",
		"both":     "allowed(owner, until)",
		"setting":  "owner <> current_setting('app.x', true) AND until > ('now'::text)::timestamptz",
	}
	var ddl strings.Builder
	ddl.WriteString(`
		CREATE FUNCTION who() RETURNS text LANGUAGE sql STABLE AS 'SELECT current_user::text';
		CREATE FUNCTION who_when(until timestamptz) RETURNS text LANGUAGE plpgsql STABLE AS $$ DECLARE u text := current_user; BEGIN
			IF until > ('now'::text)::timestamptz THEN RETURN u; END IF; RETURN ''; END $$;
		CREATE FUNCTION allowed(owner text, until timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
			SELECT true WHERE owner = current_user; SELECT until > ('now'::text)::timestamptz $$;`)
	for table, policy := range policies {
		ddl.WriteString(`CREATE TABLE ` + table + `_rows (owner text, until timestamptz, said text DEFAULT 'now');
			ALTER TABLE ` + table + `_rows ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON ` + table + `_rows USING (` + policy + `);
			GRANT SELECT ON ` + table + `_rows TO "` + name + `"; INSERT INTO ` + table + `_rows VALUES ('` + name + `', clock_timestamp() + '1 second');`)
	}
	low := harness.With(dsn, "role", name, "app.x", "nobody")
	plain, db := harness.Open(t, "pgx", low), harness.Open(t, "mlcache", low)
	harness.Exec(t, admin, ddl.String())
	harness.Ready(t, db)
	for table := range policies {
		harness.Query(t, db, "SELECT owner FROM "+table+"_rows")
		harness.Query(t, db, "SELECT owner FROM "+table+"_rows")
	}
	harness.Eventually(t, 20*time.Second, "the rows to expire", func() bool {
		for table := range policies {
			if len(harness.Query(t, plain, "SELECT owner FROM "+table+"_rows").Rows) > 0 {
				return false
			}
		}
		return true
	})
	for table := range policies {
		query := "SELECT owner FROM " + table + "_rows"
		harness.Same(t, query, harness.Query(t, db, query), harness.Query(t, plain, query))
	}
}

// Who names the tables of a function vouches for those, and not for the clock or the
// session within.
func TestWithTablesVouchesForNothingElse(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, `CREATE TABLE t (v text); INSERT INTO t VALUES ('a');
		CREATE FUNCTION chance() RETURNS float LANGUAGE sql VOLATILE AS 'SELECT random()';
		CREATE FUNCTION sets() RETURNS text LANGUAGE plpgsql VOLATILE AS $$ BEGIN SET app.seen = 'yes'; RETURN (SELECT max(v) FROM t); END $$;
		CREATE FUNCTION plus(int, int) RETURNS float LANGUAGE sql VOLATILE AS 'SELECT random()';
		CREATE OPERATOR |+| (LEFTARG = int, RIGHTARG = int, FUNCTION = plus);
		CREATE FUNCTION reads() RETURNS text LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN (SELECT max(v) FROM t); END $$`)
	db := harness.Open(t, "mlcache", dsn)
	harness.Ready(t, db)
	handle, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	vouched := mlcache.WithTables(harness.Context(t), "t")
	for query, hits := range map[string]uint64{
		"SELECT chance()": 0, "SELECT sets()": 0, "SELECT 1 |+| 2": 0, "SELECT chance() FROM t, reads()": 0, "SELECT reads()": 2,
	} {
		before := handle.Stats()
		for range 3 {
			if r := harness.TryQuery(vouched, db, query); r.Err != "" {
				t.Fatal(r.Err)
			}
		}
		if c := since(before, handle.Stats()); c.L1Hits != hits {
			t.Errorf("%s: %+v, want %d hits", query, c, hits)
		}
	}
}
