package integration

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// A role may have as many connections as its pool opens: none of its queries fails for
// one of the cache's own, and a change of the schema elsewhere is noticed all the same.
func TestAsManyConnectionsAsThePoolOpens(t *testing.T) {
	t.Parallel()
	role := strings.ToLower("limited_" + harness.NewNamespace(t))
	dsn := harness.NewDatabase(t, "CREATE TABLE item (n int)", "INSERT INTO item VALUES (1)")
	admin := harness.Open(t, "pgx", dsn)
	harness.Exec(t, admin, "CREATE ROLE "+role+" LOGIN PASSWORD 'secret' CONNECTION LIMIT 4")
	t.Cleanup(func() { dropRole(t, dsn, role) })
	harness.Exec(t, admin, "GRANT SELECT, UPDATE ON item TO "+role)
	db := harness.Open(t, "mlcache", withPatientRedis(t, asRole(t, dsn, role)))
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(4)
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for range 50 {
				if r := harness.TryQuery(t.Context(), db, "/* mlcache: off */ SELECT n, pg_sleep(0.005)::text FROM item"); r.Err != "" {
					t.Error(r.Err)
				}
			}
		})
	}
	clients.Wait()
	untilHit(t, db, "SELECT n FROM item")
	var all []*sql.Conn // none is left for the cache
	for range 4 {
		c, err := db.Conn(harness.Context(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.PingContext(harness.Context(t)); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	for _, c := range all {
		c.Close()
	}
	harness.Exec(t, admin, "CREATE TABLE elsewhere (n int)")
	harness.Exec(t, admin, "ALTER TABLE item RENAME TO old_item; CREATE TABLE item AS SELECT 2 AS n; GRANT SELECT ON item TO "+role, pgx.QueryExecModeSimpleProtocol)
	harness.Eventually(t, settling, "the change of the schema is noticed", func() bool {
		r := harness.TryQuery(t.Context(), db, "SELECT n FROM item")
		if r.Err != "" {
			t.Fatal(r.Err)
		}
		return r.Rows[0] == "int64 2"
	})
}

// asRole is the DSN for a role whose password is "secret".
func asRole(t testing.TB, dsn, role string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "secret")
	return u.String()
}

func dropRole(t testing.TB, dsn, role string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	last, err := pgx.Connect(ctx, dsn)
	if err == nil {
		_, err = last.Exec(ctx, "DROP OWNED BY "+role+"; DROP ROLE "+role)
		last.Close(ctx)
	}
	if err != nil {
		t.Error(err)
	}
}

// numbered hands out so many connections, and lets others wait.
type numbered struct {
	driver.Connector
	places chan struct{}
}

func (n numbered) Connect(ctx context.Context) (driver.Conn, error) {
	select {
	case n.places <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c, err := n.Connector.Connect(ctx)
	if err != nil {
		<-n.places
		return nil, err
	}
	return numberedConn{c.(*stdlib.Conn), sync.OnceFunc(func() { <-n.places })}, nil
}

type numberedConn struct {
	*stdlib.Conn
	free func()
}

func (c numberedConn) Close() error {
	defer c.free()
	return c.Conn.Close()
}

// With all connections in users' hands the cache can read no catalog, and no statement
// waits for it.
func TestNoStatementWaitsForTheCatalog(t *testing.T) {
	t.Parallel()
	config, err := pgx.ParseConfig(harness.NewDatabase(t, "CREATE TABLE item (n int)", "INSERT INTO item VALUES (1)"))
	if err != nil {
		t.Fatal(err)
	}
	origin := numbered{stdlib.GetConnector(*config), make(chan struct{}, 2)}
	c, err := mlcache.NewConnector(origin, &mlcache.Config{Namespace: harness.NewNamespace(t), StaticSessions: true})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	defer db.Close()
	db.SetMaxOpenConns(2)
	prompt := func(what string, do func()) {
		t.Helper()
		start := time.Now()
		do()
		// One load of the catalog is waited for, for a moment, and no other.
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %v", what, took)
		}
	}
	var all []*sql.Conn // open before the catalog could be read
	for range 2 {
		conn, err := db.Conn(harness.Context(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.PingContext(harness.Context(t)); err != nil {
			t.Fatal(err)
		}
		all = append(all, conn)
	}
	for _, conn := range all {
		conn.Close()
	}
	var open []*sql.Tx
	prompt("BEGIN, twice", func() {
		for range 2 {
			tx, err := db.BeginTx(harness.Context(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, tx)
		}
	})
	for _, when := range []string{"at first", "after a change of the schema"} {
		prompt("20 statements "+when, func() {
			for i := range 20 {
				harness.Query(t, open[i%2], "SELECT n FROM item")
			}
		})
		h, err := mlcache.From(db)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Invalidate(harness.Context(t)); err != nil { // the schema is to be read again, too
			t.Fatal(err)
		}
	}
	for _, tx := range open {
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
	// With one place free the catalog is read, and gives way to the second of two again.
	db.SetMaxIdleConns(1)
	untilHit(t, db, "SELECT n FROM item")
	prompt("BEGIN, twice, beside a connection of the cache's own", func() {
		for range 2 {
			if _, err := db.BeginTx(harness.Context(t), nil); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// The server answers the users' connections and lets the cache open none: after ten
// seconds nothing is answered from memory, the log says so once, and a user's own
// connection looks. A change of the schema elsewhere is noticed all the same.
func TestNobodyMayLook(t *testing.T) {
	t.Parallel()
	role := strings.ToLower("kept_out_" + harness.NewNamespace(t))
	dsn := harness.NewDatabase(t, "CREATE TABLE item (n int)", "INSERT INTO item VALUES (1)")
	admin := harness.Open(t, "pgx", dsn)
	harness.Exec(t, admin, "CREATE ROLE "+role+" LOGIN PASSWORD 'secret'")
	t.Cleanup(func() { dropRole(t, dsn, role) })
	harness.Exec(t, admin, "GRANT SELECT ON item TO "+role)
	db, log := openLogged(t, withPatientRedis(t, asRole(t, dsn, role)))
	user, err := db.Conn(harness.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	defer user.Close()
	var pid int
	if err := user.QueryRowContext(harness.Context(t), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	ask := func() harness.Result { return harness.Query(t, user, "SELECT n FROM item") }
	harness.Eventually(t, settling, "a hit", func() bool {
		before := stats(t, db)
		ask()
		return since(before, stats(t, db)).Bypasses == 0
	})
	harness.Exec(t, admin, "ALTER ROLE "+role+" NOLOGIN")
	harness.Exec(t, admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1 AND pid <> $2", role, pid)
	harness.Eventually(t, settling, "the cache stops", func() bool {
		ask()
		return stats(t, db).Reasons[mlcache.ReasonUnwatched] > 0
	})
	harness.Exec(t, admin, "ALTER TABLE item RENAME TO old_item; CREATE TABLE item AS SELECT 2 AS n; GRANT SELECT ON item TO "+role, pgx.QueryExecModeSimpleProtocol)
	harness.Eventually(t, settling, "the change of the schema is noticed", func() bool { return ask().Rows[0] == "int64 2" })
	if got := strings.Count(log.text(), "does not let the cache look"); got != 1 {
		t.Errorf("it is said %d times in the log", got)
	}
}
