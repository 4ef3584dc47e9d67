package integration

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

const lazyTable = "CREATE TABLE other (n int); CREATE TABLE item (id int PRIMARY KEY, n int); INSERT INTO item VALUES (1, 10), (2, 20)"

// lazyQuery is what the tests below hold in memory before they take the database
// away.
const lazyQuery = "SELECT n FROM item WHERE id = $1"

func readOne(db *sql.DB, id int) (n int, err error) {
	err = db.QueryRow(lazyQuery, id).Scan(&n)
	return n, err
}

// With the database out of reach hits go on, on connections that are new too,
// and the rest fails as with pgx; when it is back, so is the rest.
func TestHitsWithTheDatabaseDown(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, lazyTable)
	db := harness.Open(t, "mlcache", withPatientRedis(t, dsn))
	pgx := harness.Open(t, "pgx", dsn)
	untilServing(t, db)
	untilHit(t, db, lazyQuery, 1)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	admin := harness.Open(t, "pgx", harness.AdminDSN())
	allow := func(yes bool) {
		harness.Exec(t, admin, fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS %t", strings.TrimPrefix(u.Path, "/"), yes))
		harness.Query(t, admin, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", strings.TrimPrefix(u.Path, "/"))
	}
	allow(false)
	before := stats(t, db)
	for round := range 20 {
		if round == 10 {
			db.SetMaxIdleConns(0) // from here on each query has a new connection
		}
		if n, err := readOne(db, 1); n != 10 || err != nil {
			t.Fatalf("round %d: read %d, %v", round, n, err)
		}
	}
	if c := since(before, stats(t, db)); c.L1Hits != 20 {
		t.Errorf("counted %+v, want 20 hits in memory", c)
	}
	pgx.SetMaxIdleConns(-1)
	for what, f := range map[string]func(db *sql.DB) error{
		"a miss":  func(db *sql.DB) error { _, err := readOne(db, 2); return err },
		"a write": func(db *sql.DB) error { _, err := db.Exec("UPDATE item SET n = 11 WHERE id = 1"); return err },
		"Ping":    func(db *sql.DB) error { return db.Ping() },
		"Begin":   func(db *sql.DB) error { _, err := db.Begin(); return err },
	} {
		got, want := f(db), f(pgx)
		var gotPg, wantPg *pgconn.PgError
		if !errors.As(got, &gotPg) || !errors.As(want, &wantPg) || gotPg.Code != wantPg.Code || got.Error() != want.Error() {
			t.Errorf("%s: %T %v, with pgx %T %v", what, got, got, want, want)
		}
	}
	allow(true)
	if n, err := readOne(db, 2); n != 20 || err != nil {
		t.Errorf("when the database is back: read %d, %v", n, err)
	}
}

// A pool whose one connection is in a transaction answers nothing, as with pgx;
// a pool beside it has its hits, and a miss waits no longer than its context.
func TestHitsWithAnotherPoolExhausted(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, lazyTable)
	cached := withPatientRedis(t, dsn)
	holder, reader := harness.Open(t, "mlcache", cached), harness.Open(t, "mlcache", cached)
	for _, db := range []*sql.DB{holder, reader} {
		db.SetMaxOpenConns(1)
		untilServing(t, db)
	}
	untilHit(t, reader, lazyQuery, 1)
	ctx := harness.Context(t)
	held, release, ended := make(chan error, 1), make(chan struct{}), make(chan error, 1)
	go func() {
		tx, err := holder.BeginTx(ctx, nil)
		if err == nil {
			_, err = tx.ExecContext(ctx, "SELECT n FROM item WHERE id = 2 FOR UPDATE")
		}
		held <- err
		<-release
		if err == nil {
			err = tx.Commit()
		}
		ended <- err
	}()
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	before := stats(t, reader)
	for range 10 {
		if n, err := readOne(reader, 1); n != 10 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
	}
	if c := since(before, stats(t, reader)); c.L1Hits != 10 {
		t.Errorf("counted %+v, want 10 hits in memory", c)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := holder.QueryRowContext(short, lazyQuery, 1).Scan(new(int)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("on the pool that has no connection left: %v", err)
	}
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n, err := readOne(holder, 1); n != 10 || err != nil {
		t.Errorf("afterwards: read %d, %v", n, err)
	}
}

// resetAfter: pgx asks a connection that it has not used for a second whether it
// still works (stdlib, ResetSession), and database/sql then takes another one.
const resetAfter = 1100 * time.Millisecond

// A server that ends a connection costs nobody a hit. What needs the connection
// goes the way it goes with pgx, statement by statement.
func TestConnectionEndedByTheServer(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, lazyTable)
	killer := harness.Open(t, "pgx", dsn)
	statements := []struct {
		name string
		run  func(ctx context.Context, db *sql.DB) error
	}{
		{"read", func(ctx context.Context, db *sql.DB) error {
			return db.QueryRowContext(ctx, "SELECT n FROM item WHERE id = 2 AND pg_backend_pid() > 0").Scan(new(int))
		}},
		{"miss", func(ctx context.Context, db *sql.DB) error {
			return db.QueryRowContext(ctx, fmt.Sprintf("SELECT n + %d FROM item WHERE id = 2", time.Now().UnixNano())).Scan(new(int))
		}},
		{"write", func(ctx context.Context, db *sql.DB) error {
			_, err := db.ExecContext(ctx, "INSERT INTO other VALUES (1)")
			return err
		}},
		{"Begin", func(ctx context.Context, db *sql.DB) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			return tx.Rollback()
		}},
		{"Ping", func(ctx context.Context, db *sql.DB) error { return db.PingContext(ctx) }},
	}
	for _, s := range statements {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			ctx := harness.Context(t)
			outcomes := make(map[string]string)
			for _, driver := range []string{"pgx", "mlcache"} {
				name := "victim-" + s.name + "-" + driver
				db := harness.Open(t, driver, harness.With(dsn, "application_name", name))
				db.SetMaxOpenConns(1)
				if driver == "mlcache" {
					untilServing(t, db)
					untilHit(t, db, lazyQuery, 1)
				}
				for range 2 {
					if err := db.PingContext(ctx); err != nil {
						t.Fatal(err)
					}
					var ended int
					err := killer.QueryRowContext(ctx, `SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
						WHERE datname = current_database() AND application_name = $1`, name).Scan(&ended)
					if err != nil || ended == 0 { // mlcache may have one more, to read the catalog
						t.Fatalf("ended %d connections, %v", ended, err)
					}
					if driver == "mlcache" {
						before := stats(t, db)
						if n, err := readOne(db, 1); n != 10 || err != nil {
							t.Errorf("read %d, %v", n, err)
						}
						if c := since(before, stats(t, db)); c.L1Hits != 1 {
							t.Errorf("counted %+v, want a hit", c)
						}
					}
					time.Sleep(resetAfter)
					outcomes[driver] += fmt.Sprintln(s.run(ctx, db), s.run(ctx, db))
				}
				db.Close()
			}
			if want := strings.Repeat("<nil> <nil>\n", 2); outcomes["pgx"] != want {
				t.Errorf("pgx itself does not recover:\n%s", outcomes["pgx"])
			}
			if outcomes["mlcache"] != outcomes["pgx"] {
				t.Errorf("with pgx:\n%swith mlcache:\n%s", outcomes["pgx"], outcomes["mlcache"])
			}
		})
	}
}

// dialled counts the connections that its origin was asked for.
type dialled struct {
	driver.Connector
	connects atomic.Int64
}

func (c *dialled) Connect(ctx context.Context) (driver.Conn, error) {
	c.connects.Add(1)
	return c.Connector.Connect(ctx)
}

// openOver opens a sql.DB over an origin whose sessions are all alike.
func openOver(t testing.TB, origin driver.Connector, namespace string) *sql.DB {
	t.Helper()
	c, err := mlcache.NewConnector(origin, &mlcache.Config{Namespace: namespace, MaxStaleness: 10 * time.Second, StaticSessions: true})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() { db.Close() })
	return db
}

// Two sql.DB share one pgxpool whose only connection is in a transaction of the
// first: the second has its hits without one.
func TestHitsWithTheSharedPoolExhausted(t *testing.T) {
	t.Parallel()
	config, err := pgxpool.ParseConfig(harness.NewDatabase(t, warmup, lazyTable))
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 1
	ctx := harness.Context(t)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	namespace := harness.NewNamespace(t)
	holder, reader := openOver(t, stdlib.GetPoolConnector(pool), namespace), openOver(t, stdlib.GetPoolConnector(pool), namespace)
	for _, db := range []*sql.DB{holder, reader} {
		db.SetMaxIdleConns(-1) // as pgx asks for with a pool
		untilServing(t, db)
	}
	untilHit(t, reader, lazyQuery, 1)
	tx, err := holder.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := stats(t, reader)
	for range 10 {
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		var n int
		if err := reader.QueryRowContext(short, lazyQuery, 1).Scan(&n); n != 10 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
		cancel()
	}
	if c := since(before, stats(t, reader)); c.L1Hits != 10 {
		t.Errorf("counted %+v, want 10 hits in memory", c)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if err := reader.QueryRowContext(short, lazyQuery, 2).Scan(new(int)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a miss: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	if n, err := readOne(reader, 2); n != 20 || err != nil {
		t.Errorf("a miss afterwards: read %d, %v", n, err)
	}
}

// Connections that are given up for their age take no hit with them, and the
// database is asked for none that has only hits to answer.
func TestHitsAcrossConnectionLifetimes(t *testing.T) {
	t.Parallel()
	config, err := pgx.ParseConfig(harness.NewDatabase(t, warmup, lazyTable))
	if err != nil {
		t.Fatal(err)
	}
	origin := &dialled{Connector: stdlib.GetConnector(*config)}
	db := openOver(t, origin, harness.NewNamespace(t))
	db.SetMaxOpenConns(1)
	untilServing(t, db)
	untilHit(t, db, lazyQuery, 1)
	db.SetConnMaxLifetime(time.Millisecond)
	before, connects := stats(t, db), origin.connects.Load()
	closed := db.Stats().MaxLifetimeClosed
	for range 30 {
		time.Sleep(2 * time.Millisecond)
		if n, err := readOne(db, 1); n != 10 || err != nil {
			t.Fatalf("read %d, %v", n, err)
		}
	}
	if n := db.Stats().MaxLifetimeClosed - closed; n < 20 {
		t.Errorf("only %d connections were given up", n)
	}
	if c := since(before, stats(t, db)); c.L1Hits != 30 {
		t.Errorf("counted %+v, want 30 hits in memory", c)
	}
	// The watch over the schema may have asked once.
	if n := origin.connects.Load() - connects; n > 1 {
		t.Errorf("the database was asked for %d connections by hits", n)
	}
	if n, err := readOne(db, 2); n != 20 || err != nil {
		t.Errorf("a miss: read %d, %v", n, err)
	}
}

// Whoever asks for the pgx connection of a server that never answers waits for no longer
// than he wanted to wait for a connection.
func TestRawWaitsAsLongAsItsCaller(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // connections wait in its queue
	db := harness.Open(t, "mlcache", "postgres://"+l.Addr().String()+"/silent?sslmode=disable")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ended := make(chan *pgx.Conn)
	go conn.Raw(func(c any) error {
		ended <- c.(interface{ Conn() *pgx.Conn }).Conn()
		return nil
	})
	select {
	case c := <-ended:
		if c != nil {
			t.Error("a connection to nobody")
		}
	case <-time.After(15 * time.Second):
		t.Error("still waiting after 15 seconds")
	}
}
