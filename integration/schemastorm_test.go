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

// stormy invalidates everything whenever a connection is made, as somebody else does who comes in between each time.
type stormy struct {
	driver.Connector
	dsn      string
	storm    atomic.Pointer[mlcache.Handle]
	connects atomic.Int64
}

func (s *stormy) Connect(ctx context.Context) (driver.Conn, error) {
	s.connects.Add(1)
	if h := s.storm.Load(); h != nil {
		if err := h.Invalidate(ctx); err != nil {
			return nil, err
		}
	}
	return s.Connector.Connect(ctx)
}

// newStormy is a cache that serves, with a storm that can be let loose.
func newStormy(t *testing.T) (*stormy, *sql.DB, *mlcache.Handle) {
	t.Helper()
	dsn := harness.NewDatabase(t, warmup, productTables)
	cfg, err := mlcache.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Namespace = harness.NewNamespace(t)
	origin, err := pgx.ParseConfig(cfg.DSN)
	if err != nil {
		t.Fatal(err)
	}
	s := &stormy{Connector: stdlib.GetConnector(*origin), dsn: dsn}
	c, err := mlcache.NewConnector(s, cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	untilServing(t, db)
	h, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	return s, db, h
}

// While everything is invalidated again and again, as when Redis loses the versions all the time, what is read of the schema is out of
// date each time. A query does not wait for one that is not: the database has the answer.
func TestQueriesDoNotWaitForASchemaThatChangesAgainAndAgain(t *testing.T) {
	t.Parallel()
	s, db, h := newStormy(t)
	const query = "SELECT id, version FROM product WHERE id = $1"
	pgx := harness.Open(t, "pgx", s.dsn)
	s.storm.Store(h)
	if err := h.Invalidate(t.Context()); err != nil {
		t.Fatal(err)
	}
	const times = 20
	before := s.connects.Load()
	for range times {
		harness.Same(t, "in the storm", harness.Query(t, db, query, 1), harness.Query(t, pgx, query, 1))
	}
	if n := s.connects.Load() - before; n == 0 || n > 3*times {
		t.Errorf("the schema was read %d times for %d queries", n, times)
	}
	s.storm.Store(nil)
	harness.Eventually(t, settling, "a hit after the storm", func() bool {
		before := stats(t, db)
		harness.Query(t, db, query, 1)
		time.Sleep(time.Millisecond)
		return since(before, stats(t, db)).L1Hits == 1
	})
}

// A statement of which nobody knows what it writes drops everything, the schema of all processes too. It must not keep a
// storm alive that is over: it waits for a reading of the schema, and then changes its own table only.
func TestWritesDoNotKeepAStormAlive(t *testing.T) {
	t.Parallel()
	s, db, h := newStormy(t)
	s.storm.Store(h)
	if err := h.Invalidate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 5 { // readings that are thrown away
		harness.Query(t, db, "SELECT id, version FROM product WHERE id = $1", 1)
	}
	s.storm.Store(nil)
	before := stats(t, db).Versions.Epochs
	harness.Exec(t, db, "UPDATE product SET version = version + 1 WHERE id = 1")
	if after := stats(t, db).Versions.Epochs; after != before {
		t.Errorf("the write has dropped everything: %d epochs, then %d", before, after)
	}
}
