package integration

import (
	"database/sql"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// newConnector makes a Connector over pgx's own.
func newConnector(t testing.TB, dsn string) *mlcache.Connector {
	t.Helper()
	cfg, err := mlcache.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return connectorOf(t, cfg)
}

func connectorOf(t testing.TB, cfg *mlcache.Config) *mlcache.Connector {
	t.Helper()
	pgxConfig, err := pgx.ParseConfig(cfg.DSN)
	if err != nil {
		t.Fatal(err)
	}
	c, err := mlcache.NewConnector(stdlib.GetConnector(*pgxConfig), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Two sql.DB over one Connector: closing one leaves the other its cache, and
// closing both ends it; a third begins anew.
func TestOneConnectorForTwoDBs(t *testing.T) {
	t.Parallel()
	for name, with := range map[string]func(testing.TB, string, ...string) string{
		"memory": func(t testing.TB, dsn string, _ ...string) string {
			return harness.With(dsn, "mlcache_namespace", harness.NewNamespace(t))
		},
		"Redis": withPatientRedis,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := with(t, harness.NewDatabase(t, warmup, "CREATE TABLE pool (n int); INSERT INTO pool VALUES (1)"))
			const query = "SELECT n FROM pool"
			c := newConnector(t, dsn)
			one, two := sql.OpenDB(c), sql.OpenDB(c)
			defer one.Close()
			defer two.Close()
			untilServing(t, one)
			untilHit(t, two, query)
			if err := one.Close(); err != nil {
				t.Fatal(err)
			}
			before := stats(t, two)
			harness.Query(t, two, query)
			if got := since(before, stats(t, two)); got.L1Hits != 1 {
				t.Errorf("after the other DB was closed: %+v", got)
			}
			harness.Exec(t, two, "UPDATE pool SET n = n + 1")
			want := harness.Query(t, harness.Open(t, "pgx", dsn[:strings.IndexByte(dsn, '?')]), query)
			harness.Same(t, "after a write", harness.Query(t, two, query), want)
			if err := two.Close(); err != nil {
				t.Fatal(err)
			}
			three := sql.OpenDB(c)
			defer three.Close()
			untilHit(t, three, query)
			harness.Same(t, "a third DB", harness.Query(t, three, query), want)
		})
	}
}

// A DB that closes while a connection is in use does not take the cache away from
// that connection, nor leave it behind.
func TestCloseWhileAConnectionIsInUse(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE pool (n int); INSERT INTO pool VALUES (1)")
	db := sql.OpenDB(newConnector(t, dsn))
	untilServing(t, db)
	conn, err := db.Conn(harness.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil && !strings.Contains(err.Error(), "closed") {
		t.Error(err)
	}
}

// Pools of one namespace in one process see each other's writes, though one has a
// Redis, one has none, and one opens in the middle of a write.
func TestPoolsWithAndWithoutRedisShareTheirWrites(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE pool (n int); INSERT INTO pool VALUES (0)")
	shared := withPatientRedis(t, dsn)
	namespace := shared[strings.Index(shared, "mlcache_namespace=")+len("mlcache_namespace="):]
	namespace, _, _ = strings.Cut(namespace, "&")
	alone := harness.With(dsn, "mlcache_namespace", namespace)
	const query = "SELECT n FROM pool"
	pools := map[string]*sql.DB{"with Redis": harness.Open(t, "mlcache", shared), "without": harness.Open(t, "mlcache", alone)}
	for _, db := range pools {
		untilServing(t, db)
	}
	pgx := harness.Open(t, "pgx", dsn)
	for range 5 {
		for writer := range pools {
			for _, db := range pools {
				untilHit(t, db, query)
			}
			harness.Exec(t, pools[writer], "UPDATE pool SET n = n + 1")
			want := harness.Query(t, pgx, query)
			for reader, db := range pools {
				harness.Same(t, "a write "+writer+", read "+reader, harness.Query(t, db, query), want)
			}
		}
	}
	for writer := range pools {
		harness.Exec(t, pgx, "UPDATE pool SET n = n + 1")
		h, err := mlcache.From(pools[writer])
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Invalidate(harness.Context(t), "pool"); err != nil {
			t.Fatal(err)
		}
		want := harness.Query(t, pgx, query)
		for reader, db := range pools {
			harness.Same(t, "Invalidate "+writer+", read "+reader, harness.Query(t, db, query), want)
		}
	}
	for _, other := range []string{shared, alone} {
		writer := shared
		if other == shared {
			writer = alone
		}
		fresh := strings.Replace(other, "mlcache_namespace="+namespace, "mlcache_namespace="+namespace+"x", 1)
		first := harness.Open(t, "mlcache", strings.Replace(writer, "mlcache_namespace="+namespace, "mlcache_namespace="+namespace+"x", 1))
		untilServing(t, first)
		tx, err := first.Begin()
		if err != nil {
			t.Fatal(err)
		}
		harness.Exec(t, tx, "UPDATE pool SET n = n + 1")
		late := harness.Open(t, "mlcache", fresh)
		untilHit(t, late, query)
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		harness.Same(t, "a pool that opened during the transaction", harness.Query(t, late, query), harness.Query(t, pgx, query))
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Readers and writers of one pool, over and over, while others of the namespace
// open and close.
func TestPoolsOpenAndCloseUnderLoad(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE pool (n int); INSERT INTO pool VALUES (0)")
	shared := withPatientRedis(t, dsn)
	db := harness.Open(t, "mlcache", shared)
	untilServing(t, db)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				other, err := sql.Open("mlcache", harness.With(shared, "mlcache_l1_size", "1MiB"))
				if err != nil {
					t.Error(err)
					return
				}
				var n int
				if err := other.QueryRow("SELECT n FROM pool").Scan(&n); err != nil {
					t.Error(err)
				}
				if err := other.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 30 {
		harness.Exec(t, db, "UPDATE pool SET n = $1", i)
		var n int
		if err := db.QueryRow("SELECT n FROM pool").Scan(&n); err != nil || n != i {
			t.Errorf("read %d, %v after writing %d", n, err, i)
		}
	}
	wg.Wait()
}
