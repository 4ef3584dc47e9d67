package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// What a session changes before anything is known of the schema counts like what
// it changes later.
func TestSessionChangedByTheFirstStatement(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup,
		"CREATE SCHEMA one CREATE TABLE item (name text)", "INSERT INTO one.item VALUES ('one')",
		"CREATE SCHEMA two CREATE TABLE item (name text)", "INSERT INTO two.item VALUES ('two')")
	for _, first := range []string{"SET search_path = two", "SELECT set_config('search_path', 'two', false)", "raw"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			db := harness.Open(t, "mlcache", withPatientRedis(t, harness.With(dsn, "search_path", "one")))
			changed, err := db.Conn(harness.Context(t))
			if err != nil {
				t.Fatal(err)
			}
			defer changed.Close()
			if first == "raw" {
				err = changed.Raw(func(dc any) error {
					_, err := dc.(interface{ Conn() *pgx.Conn }).Conn().Exec(harness.Context(t), "SET search_path = two")
					return err
				})
			} else {
				_, err = changed.ExecContext(harness.Context(t), first)
			}
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				for _, c := range []struct {
					from harness.Queryer
					want string
				}{{changed, `string "two"`}, {db, `string "one"`}} {
					if got := harness.Query(t, c.from, "SELECT name FROM item"); len(got.Rows) != 1 || got.Rows[0] != c.want {
						t.Errorf("got %v, want %s", got.Rows, c.want)
					}
				}
			}
		})
	}
}

// The first answer of a process does not wait for the catalog, and is kept when the
// catalog is known, unless some transaction of the server has ended meanwhile.
func TestFirstQueryGoesAhead(t *testing.T) {
	t.Parallel()
	ddl := []string{"CREATE TABLE item (id int)", "INSERT INTO item VALUES (1)"}
	t.Run("plain", func(t *testing.T) { firstQueryGoesAhead(t, ddl...) })
	t.Run("functions", func(t *testing.T) {
		firstQueryGoesAhead(t, append(ddl, "CREATE FUNCTION aside() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'")...)
	})
}

func firstQueryGoesAhead(t *testing.T, ddl ...string) {
	dsn := harness.NewDatabase(t, ddl...)
	harness.InEveryExecMode(t, dsn, func(t *testing.T, dsn string) {
		log := harness.NewStatementLog(t, dsn)
		db := harness.Open(t, "mlcache", withPatientRedis(t, log.DSN()))
		for i := range 3 {
			before := stats(t, db)
			if got := harness.Query(t, db, "SELECT id FROM item"); len(got.Rows) != 1 {
				t.Fatalf("read %d: %v", i, got)
			}
			got := since(before, stats(t, db))
			hits := got.L1Hits + got.L2Hits // memory may be used when Redis has been asked
			switch {
			case i == 1 && got.Misses == 1:
				t.Log("the first answer was not kept: the server was busy")
			case i == 0 && got.Misses != 1, i > 0 && hits != 1:
				t.Errorf("read %d: counted %+v", i, got)
			}
		}
		if n := log.Count("pg_catalog.pg_policy"); n == 0 {
			t.Error("the catalog was not read")
		}
		asked := log.Statements()
		first := slices.IndexFunc(asked, func(s harness.Statement) bool { return strings.Contains(s.SQL, "SELECT id FROM item") })
		catalog := slices.IndexFunc(asked, func(s harness.Statement) bool { return strings.Contains(s.SQL, "pg_catalog.pg_policy") })
		if first > catalog {
			t.Error("the first answer waited for the catalog")
		}
	})
}

// The first answer is kept only under versions that it was read under: a write
// that another pool makes while the catalog is being read is seen by every read
// that starts later.
func TestFirstAnswerIsNotKeptOverAWrite(t *testing.T) {
	t.Parallel()
	dsn := withPatientRedis(t, harness.NewDatabase(t, "CREATE TABLE item (n int)", "INSERT INTO item VALUES (0)"))
	writer := harness.Open(t, "mlcache", dsn)
	harness.Ready(t, writer)
	for i := range 40 {
		db := harness.Open(t, "mlcache", dsn)
		if got, want := harness.Query(t, db, "SELECT n FROM item"), fmt.Sprintf("int64 %d", i); got.Rows[0] != want {
			t.Fatalf("first read of pool %d: %v, want %s", i, got.Rows, want)
		}
		harness.Exec(t, writer, "UPDATE item SET n = n + 1")
		if got, want := harness.Query(t, db, "SELECT n FROM item"), fmt.Sprintf("int64 %d", i+1); got.Rows[0] != want {
			t.Errorf("pool %d, after the write: %v, want %s", i, got.Rows, want)
		}
		db.Close()
	}
}

// What a text does not show must be made known all the same: a view whose function
// writes, read by the first query of a process.
func TestFirstQueryThatWrites(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, "CREATE TABLE seen (id int)",
		"CREATE FUNCTION note() RETURNS bigint VOLATILE LANGUAGE sql AS 'INSERT INTO seen VALUES (1); SELECT count(*) FROM seen'",
		"CREATE VIEW counter AS SELECT note() AS n")
	harness.InEveryExecMode(t, dsn, func(t *testing.T, dsn string) {
		dsn = withPatientRedis(t, dsn)
		reader := harness.Open(t, "mlcache", dsn)
		harness.Ready(t, reader)
		harness.Exec(t, reader, "DELETE FROM seen")
		for i := range 3 {
			before := untilHit(t, reader, "SELECT count(*) FROM seen")
			if want := fmt.Sprintf("int64 %d", i); before.Rows[0] != want {
				t.Fatalf("the table has %v rows, want %s", before.Rows, want)
			}
			// A new pool has everything of a new process but the versions, which show the write at once.
			first := harness.Open(t, "mlcache", dsn)
			if got := harness.Query(t, first, "SELECT n FROM counter"); len(got.Rows) != 1 || got.Err != "" {
				t.Fatalf("the first query of a process: %v", got)
			}
			if got, want := harness.Query(t, reader, "SELECT count(*) FROM seen"), fmt.Sprintf("int64 %d", i+1); got.Rows[0] != want {
				t.Errorf("after the function has written: %v, want %s", got.Rows, want)
			}
		}
	})
}

// The first query gives what any other gives, whatever stands behind its names: it runs
// in no transaction that it could see, fail in, or wait for.
func TestFirstQueryIsLikeAnyOther(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, "CREATE TABLE log (n int)", "CREATE TABLE item (n int)", "INSERT INTO item VALUES (1)",
		`CREATE FUNCTION note() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO log VALUES (1); RETURN 'written'; EXCEPTION WHEN OTHERS THEN RETURN 'failed: ' || SQLERRM; END $$`,
		"CREATE FUNCTION noted(int, text) RETURNS boolean LANGUAGE sql AS 'SELECT note() = $2'",
		"CREATE OPERATOR === (FUNCTION = noted, LEFTARG = int, RIGHTARG = text)",
		"CREATE FUNCTION label(item) RETURNS text LANGUAGE sql AS 'SELECT note()'",
		"CREATE DOMAIN noting AS text CHECK (note() = 'written')",
		"CREATE VIEW noting_view AS SELECT note() AS r", "CREATE VIEW mode AS SELECT current_setting('transaction_read_only') AS r",
		"CREATE TABLE guarded (n int)", "INSERT INTO guarded VALUES (1)", "ALTER TABLE guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
		"CREATE POLICY p ON guarded USING (note() = 'written')",
		"CREATE TABLE noted_rows (a noting[])", "INSERT INTO noted_rows VALUES ('{}')",
		"CREATE TYPE pair AS (a int)", "CREATE TABLE pairs (p pair)", "INSERT INTO pairs VALUES ('(1)'), ('(2)')",
		"CREATE FUNCTION later(pair, pair) RETURNS pair LANGUAGE plpgsql AS 'BEGIN PERFORM note(); RETURN $2; END'",
		"CREATE AGGREGATE max(pair) (sfunc = later, stype = pair)")
	plain := harness.Open(t, "pgx", dsn)
	for _, query := range []string{
		"SELECT r FROM noting_view", "SELECT r FROM mode", "SELECT n === 'written' FROM item", "SELECT i.label FROM item i",
		"SELECT 'x'::noting FROM item", "SELECT n FROM guarded", "SELECT count(*) FROM noted_rows WHERE a = '{5}'", "SELECT max(p)::text FROM pairs",
	} {
		want := harness.Query(t, plain, query)
		before := harness.Query(t, plain, "SELECT count(*) FROM log")
		want2 := harness.Query(t, plain, query)
		after := harness.Query(t, plain, "SELECT count(*) FROM log")
		db := harness.Open(t, "mlcache", withPatientRedis(t, dsn))
		harness.Same(t, query, harness.Query(t, db, query), want)
		harness.Same(t, query, want2, want)
		if now := harness.Query(t, plain, "SELECT count(*) FROM log"); now.String() == after.String() && after.String() != before.String() {
			t.Errorf("%s: what it wrote is not there: %v", query, now.Rows)
		}
	}
	busy, err := plain.BeginTx(harness.Context(t), &sql.TxOptions{Isolation: sql.LevelSerializable})
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Rollback()
	harness.Query(t, busy, "UPDATE item SET n = 2")
	db := harness.Open(t, "mlcache", withPatientRedis(t, harness.With(dsn, "default_transaction_isolation", "serializable", "default_transaction_deferrable", "on")))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if got := harness.TryQuery(ctx, db, "SELECT n FROM item"); got.Err != "" {
		t.Errorf("where transactions may be deferred: %s", got.Err)
	}
}

// A refused first query gets the server's own error, and leaves the session out of
// any transaction.
func TestFirstQueryThatFails(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, "CREATE TABLE item (id int)")
	harness.InEveryExecMode(t, dsn, func(t *testing.T, dsn string) {
		db, direct := harness.Open(t, "mlcache", withPatientRedis(t, dsn)), harness.Open(t, "pgx", dsn)
		db.SetMaxOpenConns(1)
		const wrong = "SELECT nothing FROM item"
		harness.Same(t, wrong, harness.TryQuery(t.Context(), db, wrong), harness.TryQuery(t.Context(), direct, wrong))
		harness.Exec(t, db, "TRUNCATE item; INSERT INTO item VALUES (7)", pgx.QueryExecModeSimpleProtocol)
		if got := harness.Query(t, direct, "SELECT id FROM item"); len(got.Rows) != 1 {
			t.Errorf("what was inserted after the failed query is not committed: %v", got)
		}
	})
}

func TestReady(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, "CREATE TABLE item (id int)")
	db := harness.Open(t, "mlcache", withPatientRedis(t, dsn))
	harness.Ready(t, db)
	harness.Query(t, db, "SELECT id FROM item")
	if s := stats(t, db); s.Misses != 1 || s.Bypasses != 0 {
		t.Errorf("the first query after Ready: %+v", s)
	}
	for what, dsn := range map[string]string{
		"catalog": harness.With(dsn, "host", "/nowhere"),
		"Redis":   harness.With(dsn, "mlcache_redis", "redis://127.0.0.1:1"),
	} {
		db := harness.Open(t, "mlcache", harness.With(dsn, "mlcache_namespace", harness.NewNamespace(t)))
		h, err := mlcache.From(db)
		if err != nil {
			t.Fatal(err)
		}
		// On a busy machine reading the catalog takes longer than that.
		harness.Eventually(t, 20*time.Second, "Ready says what is missing: "+what, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			err := h.Ready(ctx)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("without %s: %v", what, err)
			}
			return strings.Contains(err.Error(), what)
		})
	}
}
