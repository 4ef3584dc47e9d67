package integration

import (
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

func TestWithTablesVouchesForAFunction(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, `CREATE TABLE t (v text); INSERT INTO t VALUES ('a'); CREATE VIEW tv AS SELECT v FROM t;
		CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql VOLATILE AS $$ DECLARE r text; BEGIN SELECT max(v) INTO r FROM t; RETURN r; END $$`)
	db := harness.Open(t, "mlcache", dsn)
	handle, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	ctx := harness.Context(t)
	see(ctx, t, db, "SELECT f()", "a")
	see(ctx, t, db, "SELECT f()", "a")
	if s := handle.Stats(); s.L1Hits+s.Misses != 0 {
		t.Errorf("cached without a word: %+v", s)
	}
	vouched := mlcache.WithTables(ctx, "tv")
	see(vouched, t, db, "SELECT f()", "a")
	see(vouched, t, db, "SELECT f()", "a")
	if s := handle.Stats(); s.L1Hits != 1 {
		t.Errorf("%d hits, want 1: %v", s.L1Hits, s.Reasons)
	}
	harness.Exec(t, db, "UPDATE t SET v = 'b'")
	see(vouched, t, db, "SELECT f()", "b")
}
