package integration

import (
	"strings"
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// assertTable has a function whose answer hangs on plpgsql.check_asserts, a setting of a library that no session has
// loaded before it calls one.
const assertTable = `
CREATE TABLE t (n int); INSERT INTO t VALUES (2);
CREATE FUNCTION checked(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN ASSERT n < 2; RETURN n; END $$;
CREATE TABLE plain (n int); INSERT INTO plain VALUES (1)`

const assertQuery = "SELECT checked(n) FROM t"

// Each turns the assertions off before the library is loaded.
var assertWays = []struct {
	name       string
	statements []string
}{
	{"SET", []string{`SET plpgsql.check_asserts = off`}},
	{"SET of another spelling", []string{`SET PLPGSQL.Check_Asserts TO 'no'`}},
	{"set_config", []string{`SELECT set_config('plpgsql.check_asserts', 'off', false)`}},
	{"set_config with a name that is computed", []string{`SELECT set_config('plpgsql.check_' || 'asserts', 'off', false)`}},
	{"EXECUTE", []string{`PREPARE p AS SELECT set_config('plpgsql.check_asserts', 'off', false)`, `EXECUTE p`}},
	{"a transaction", []string{`BEGIN`, `SET plpgsql.check_asserts = off`, `COMMIT`}},
	{"after the library is loaded", []string{`DO 'BEGIN END'`, `SET plpgsql.check_asserts = off`}},
}

// What a session has set of a library that is not loaded yet belongs to the answer.
func TestSettingsOfLibrariesThatAreNotLoaded(t *testing.T) {
	t.Parallel()
	db := harness.Open(t, "mlcache", harness.NewDatabase(t, assertTable))
	harness.Ready(t, db)
	for _, w := range assertWays {
		t.Run(w.name, func(t *testing.T) {
			ctx := harness.Context(t)
			clean, changed := connOf(t, db), connOf(t, db)
			for _, s := range w.statements {
				harness.Exec(t, changed, s)
			}
			for range 2 {
				harness.Same(t, "without assertions", harness.TryQuery(ctx, changed, assertQuery), harness.TryQuery(mlcache.WithBypass(ctx), changed, assertQuery))
				if r := harness.TryQuery(ctx, clean, assertQuery); !strings.Contains(r.Err, "P0004") {
					t.Errorf("with assertions: %v", r)
				}
			}
			harness.Exec(t, changed, "RESET plpgsql.check_asserts")
			if r := harness.TryQuery(ctx, changed, assertQuery); !strings.Contains(r.Err, "P0004") {
				t.Errorf("with assertions again: %v", r)
			}
		})
	}
}

// The same where the setting comes with the connection, and the answers through Redis.
func TestSettingsOfLibrariesInTheDSN(t *testing.T) {
	t.Parallel()
	dsn := withPatientRedis(t, harness.NewDatabase(t, assertTable))
	off := harness.Open(t, "mlcache", harness.With(dsn, "plpgsql.check_asserts", "off"))
	on := harness.Open(t, "mlcache", harness.With(dsn, "plpgsql.check_asserts", "on"))
	harness.Ready(t, off)
	untilHit(t, off, assertQuery)
	for range 2 {
		if r := harness.TryQuery(t.Context(), on, assertQuery); !strings.Contains(r.Err, "P0004") {
			t.Errorf("with assertions: %v", r)
		}
	}
}

// Whether a library is loaded is no reason for another key, nor is a setting that no library has.
func TestSettingsThatNoAnswerHangsOnShareEntries(t *testing.T) {
	t.Parallel()
	db := harness.Open(t, "mlcache", harness.NewDatabase(t, assertTable))
	harness.Ready(t, db)
	const query = "SELECT n FROM plain"
	warm(t, db, query)
	before := stats(t, db)
	for _, s := range []string{`DO 'BEGIN END'`, `SET app.tenant = '7'`, `SET plpgsql.check_asserts = on`} {
		conn := connOf(t, db)
		harness.Exec(t, conn, s)
		harness.Query(t, conn, query)
	}
	if n := since(before, stats(t, db)).L1Hits; n != 3 {
		t.Errorf("%d hits, want 3", n)
	}
}
