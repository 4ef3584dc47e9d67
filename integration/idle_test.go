package integration

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache/integration/harness"
)

// endAll ends all connections to the database, and says whether it takes new ones.
func endAll(t testing.TB, dsn string, allow bool) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	admin := harness.Open(t, "pgx", harness.AdminDSN())
	harness.Exec(t, admin, fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS %t", name, allow))
	harness.Query(t, admin, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", name)
}

// idle leaves so many connections in the pool, each of which has been used.
func idle(t testing.TB, db *sql.DB, n int) {
	t.Helper()
	db.SetMaxIdleConns(n)
	conns := make([]*sql.Conn, n)
	for i := range conns {
		c, err := db.Conn(harness.Context(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.PingContext(harness.Context(t)); err != nil {
			t.Fatal(err)
		}
		conns[i] = c
	}
	for _, c := range conns {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Connections that ended while nobody used them leave the pool as they do with pgx: two for each statement, which then
// takes a new one.
func TestThePoolGivesUpEndedConnections(t *testing.T) {
	t.Parallel()
	for what, run := range map[string]func(db *sql.DB) error{
		"Ping":  func(db *sql.DB) error { return db.Ping() },
		"a hit": func(db *sql.DB) error { _, err := readOne(db, 1); return err },
		"Begin": func(db *sql.DB) error {
			tx, err := db.Begin()
			if err != nil {
				return err
			}
			return tx.Rollback()
		},
		"a write": func(db *sql.DB) error { _, err := db.Exec("INSERT INTO other VALUES (1)"); return err },
		"a connection": func(db *sql.DB) error {
			c, err := db.Conn(t.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			return c.PingContext(t.Context())
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dsn := harness.NewDatabase(t, warmup, lazyTable)
			open := make(map[string][]int)
			for _, driver := range []string{"pgx", "mlcache"} {
				db := harness.Open(t, driver, dsn)
				if driver == "mlcache" {
					untilServing(t, db)
					untilHit(t, db, lazyQuery, 1)
				}
				idle(t, db, 5)
				endAll(t, dsn, true)
				time.Sleep(resetAfter)
				for range 4 {
					if err := run(db); err != nil {
						t.Errorf("%s: %v", driver, err)
					}
					open[driver] = append(open[driver], db.Stats().OpenConnections)
				}
				db.Close()
			}
			if fmt.Sprint(open["mlcache"]) != fmt.Sprint(open["pgx"]) {
				t.Errorf("open connections: %v, with pgx %v", open["mlcache"], open["pgx"])
			}
		})
	}
}

// The same where the other side is gone without a word.
func TestThePoolGivesUpConnectionsThatBrokeOff(t *testing.T) {
	t.Parallel()
	config, err := pgx.ParseConfig(harness.NewDatabase(t, warmup, lazyTable))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var dialled []net.Conn
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		mu.Lock()
		defer mu.Unlock()
		dialled = append(dialled, conn)
		return conn, err
	}
	db := openOver(t, stdlib.GetConnector(*config), harness.NewNamespace(t))
	untilServing(t, db)
	untilHit(t, db, lazyQuery, 1)
	idle(t, db, 5)
	mu.Lock()
	for _, conn := range dialled {
		_ = conn.(interface{ CloseRead() error }).CloseRead() // some are closed
	}
	mu.Unlock()
	time.Sleep(resetAfter)
	before := stats(t, db)
	if n, err := readOne(db, 1); n != 10 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
	if c := since(before, stats(t, db)); c.L1Hits != 1 {
		t.Errorf("counted %+v, want a hit", c)
	}
	if n := db.Stats().OpenConnections; n != 4 {
		t.Errorf("%d of 5 connections left, want 4, of which one is new", n)
	}
}

// A transaction that somebody left open ends as it does with pgx, when the connection is used again, even for a hit: it
// may hold locks.
func TestThePoolGivesUpAConnectionInATransaction(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, lazyTable)
	db := harness.Open(t, "mlcache", dsn)
	db.SetMaxOpenConns(1)
	untilServing(t, db)
	untilHit(t, db, lazyQuery, 1)
	c, err := db.Conn(harness.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	harness.Exec(t, c, "BEGIN")
	harness.Exec(t, c, "LOCK TABLE other")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(resetAfter)
	before := stats(t, db)
	if n, err := readOne(db, 1); n != 10 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
	if c := since(before, stats(t, db)); c.L1Hits != 1 {
		t.Errorf("counted %+v, want a hit", c)
	}
	other := harness.Open(t, "pgx", harness.With(dsn, "lock_timeout", "5s"))
	harness.Exec(t, other, "INSERT INTO other VALUES (1)")
}

// A prepared statement has its hits with the database down, too, as long as the connection is there that it was
// prepared on, alive or not.
func TestPreparedHitsWithTheDatabaseDown(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, lazyTable)
	db := harness.Open(t, "mlcache", withPatientRedis(t, dsn))
	db.SetMaxOpenConns(1)
	untilServing(t, db)
	s, err := db.PrepareContext(harness.Context(t), lazyQuery)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	untilHit(t, db, lazyQuery, 1)
	endAll(t, dsn, false)
	time.Sleep(resetAfter)
	before := stats(t, db)
	for range 3 {
		var n int
		if err := s.QueryRowContext(harness.Context(t), 1).Scan(&n); n != 10 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
	}
	if c := since(before, stats(t, db)); c.L1Hits != 3 {
		t.Errorf("counted %+v, want 3 hits in memory", c)
	}
	endAll(t, dsn, true)
	var n int
	if err := s.QueryRowContext(harness.Context(t), 2).Scan(&n); n != 20 || err != nil {
		t.Errorf("when the database is back: read %d, %v", n, err)
	}
}
