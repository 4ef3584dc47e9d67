package integration

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// stuck connects as long as it is free; then nobody new gets through.
type stuck struct {
	driver.Connector
	closed atomic.Bool
}

func (s *stuck) Connect(ctx context.Context) (driver.Conn, error) {
	if s.closed.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Connector.Connect(ctx)
}

// A catalog that does not come in time does not use up the time that a caller gave
// its statement.
func TestSlowCatalogLeavesTimeForTheStatement(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup)
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	origin := &stuck{Connector: stdlib.GetConnector(*config)}
	c, err := mlcache.NewConnector(origin, &mlcache.Config{Namespace: harness.NewNamespace(t)})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	defer db.Close()
	db.SetMaxOpenConns(1)
	untilServing(t, db) // so there is a connection
	origin.closed.Store(true)
	harness.Exec(t, db, "CREATE TABLE fresh (id int)") // the catalog must be read again
	for what, run := range map[string]func(ctx context.Context) error{
		"a write": func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, "INSERT INTO fresh VALUES (1)")
			return err
		},
		"a read": func(ctx context.Context) error {
			return db.QueryRowContext(ctx, "SELECT count(*) FROM warmup").Scan(new(int))
		},
	} {
		ctx, cancel := context.WithTimeout(harness.Context(t), 2*time.Second)
		if err := run(ctx); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		cancel()
	}
}

// While the catalog cannot be read, nobody knows what stands behind a name: a view whose
// function writes. The server is asked, or the read counts as a change of everything.
func TestReadsThatWriteWithoutTheCatalog(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE seen (id int)",
		"CREATE FUNCTION note() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN INSERT INTO seen VALUES (1); RETURN 1; END'",
		"CREATE VIEW counter AS SELECT note() AS n",
		"CREATE FUNCTION aside(int) RETURNS bigint LANGUAGE sql AS 'SELECT note()'",
		"CREATE OPERATOR @@@ (FUNCTION = aside, RIGHTARG = int)")
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	namespace := harness.NewNamespace(t)
	origin := &stuck{Connector: stdlib.GetConnector(*config)}
	c, err := mlcache.NewConnector(origin, &mlcache.Config{Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	defer db.Close()
	db.SetMaxOpenConns(1)
	untilServing(t, db)
	origin.closed.Store(true)
	harness.Exec(t, db, "CREATE TABLE fresh (id int)") // the catalog must be read again

	reader := harness.Open(t, "mlcache", harness.With(dsn, "mlcache_namespace", namespace))
	const count = "SELECT count(*) FROM seen"
	inTx := func(query string) {
		tx, err := db.BeginTx(harness.Context(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		harness.Query(t, tx, query)
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	for _, query := range []string{"SELECT n FROM counter", "SELECT @@@ 1", "TABLE counter"} {
		for how, run := range map[string]func(string){
			"Query":         func(query string) { harness.Query(t, db, query) },
			"Exec":          func(query string) { harness.Exec(t, db, query) },
			"a transaction": inTx,
		} {
			before := untilHit(t, reader, count)
			run(query)
			if got := harness.Query(t, reader, count); got.String() == before.String() {
				t.Errorf("%s by %s: what it wrote is not seen: %v", query, how, got.Rows)
			}
		}
	}
	harness.Exec(t, db, "DROP OPERATOR @@@ (NONE, int)")
	untilHit(t, reader, count)
	before := stats(t, reader)
	harness.Query(t, db, "SELECT id FROM fresh")
	harness.Query(t, reader, count)
	if got := since(before, stats(t, reader)); got.L1Hits != 1 {
		t.Errorf("a read of a table without a catalog ended answers of others: %+v", got)
	}
}

// A lock of another session keeps the catalog from being read, which is waited for once and
// not by every other statement for as long as the lock is held.
func TestALockedViewIsWaitedForOnce(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, "CREATE TABLE a (v int)", "CREATE VIEW over AS SELECT v FROM a", "CREATE TABLE b (v int)")
	migration, err := harness.Open(t, "pgx", dsn).BeginTx(harness.Context(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer migration.Rollback()
	harness.Query(t, migration, "ALTER TABLE a ADD COLUMN w int")
	db := harness.Open(t, "mlcache", dsn)
	var waited time.Duration
	for range 20 {
		start := time.Now()
		harness.Query(t, db, "SELECT v FROM b")
		waited += time.Since(start)
		time.Sleep(300 * time.Millisecond)
	}
	if waited > 2500*time.Millisecond {
		t.Errorf("20 statements about another table took %v", waited)
	}
}
