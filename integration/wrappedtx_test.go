package integration

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// closedOff is a pgx connection that shows nothing of itself; in raw, one that has Raw, as tracing wrappers do.
type closedOff struct{ c *stdlib.Conn }

func (w closedOff) Prepare(query string) (driver.Stmt, error) { return w.c.Prepare(query) }
func (w closedOff) Close() error                              { return w.c.Close() }
func (w closedOff) Begin() (driver.Tx, error) {
	return w.c.BeginTx(context.Background(), driver.TxOptions{})
}
func (w closedOff) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return w.c.BeginTx(ctx, o)
}
func (w closedOff) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return w.c.ExecContext(ctx, query, args)
}
func (w closedOff) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return w.c.QueryContext(ctx, query, args)
}

type raw struct{ closedOff }

func (w raw) Raw() driver.Conn { return w.c }

// wrapping makes what wrap makes of pgx's connections.
type wrapping struct {
	driver.Connector
	wrap func(*stdlib.Conn) driver.Conn
}

func (w wrapping) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := w.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return w.wrap(c.(*stdlib.Conn)), nil
}

var wrappers = map[string]func(*stdlib.Conn) driver.Conn{
	"hidden":     func(c *stdlib.Conn) driver.Conn { return hidden{c} },
	"closed off": func(c *stdlib.Conn) driver.Conn { return closedOff{c} },
	"raw":        func(c *stdlib.Conn) driver.Conn { return raw{closedOff{c}} },
}

// Transactions by statements over origins that are not pgx's own: what fails in them must not hide that they are open, nor
// keep them so for ever.
func TestTransactionsByTextOverWrappers(t *testing.T) {
	t.Parallel()
	dsn := harness.With(harness.NewDatabase(t, warmup, itemTable, `CREATE TABLE parent (id int PRIMARY KEY);
		CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)`), "default_query_exec_mode", "simple_protocol")
	pgxDB := harness.Open(t, "pgx", dsn)
	for name, wrap := range wrappers {
		t.Run(name, func(t *testing.T) {
			cfg, err := mlcache.ParseConfig(harness.With(dsn, "mlcache_namespace", harness.NewNamespace(t)))
			if err != nil {
				t.Fatal(err)
			}
			cfg.StaticSessions = true
			pc, err := pgx.ParseConfig(cfg.DSN)
			if err != nil {
				t.Fatal(err)
			}
			c, err := mlcache.NewConnector(wrapping{stdlib.GetConnector(*pc), wrap}, cfg)
			if err != nil {
				t.Fatal(err)
			}
			db := sql.OpenDB(c)
			t.Cleanup(func() { db.Close() })
			untilServing(t, db)
			n := 100
			for _, texts := range [][]string{
				{"BEGIN; UPDATE item SET n = %d WHERE id = 1; SAVEPOINT s; SELECT 1/0", "ROLLBACK TO s"},
				{"BEGIN", "UPDATE item SET n = %d WHERE id = 1; SAVEPOINT s; SELECT 1/0", "ROLLBACK TO s"},
				{"BEGIN", "UPDATE item SET n = %d WHERE id = 1", "SAVEPOINT s", "SELECT 1/0", "ROLLBACK TO s"},
				{"BEGIN; UPDATE item SET n = %d WHERE id = 1; SAVEPOINT s; COMMIT; BEGIN; UPDATE item SET n = n + 1; SAVEPOINT s; SELECT 1/0", "ROLLBACK TO s"},
				{"BEGIN", "INSERT INTO child VALUES (%d)", "COMMIT"},
				{"BEGIN; INSERT INTO child VALUES (%d); COMMIT"},
				{"BEGIN", "INSERT INTO child VALUES (%d)", "COMMIT AND CHAIN"},
				{"BEGIN", "NO STATEMENT %d", "ROLLBACK"},
				{"BEGIN; NO STATEMENT %d"},
			} {
				n += 10
				conn, err := db.Conn(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, text := range texts {
					if strings.Contains(text, "%d") {
						text = fmt.Sprintf(text, n)
					}
					_, _ = conn.ExecContext(harness.Context(t), text) // some fail
				}
				for range 2 {
					harness.Query(t, conn, itemQuery)
				}
				for range 2 {
					harness.Same(t, fmt.Sprintf("others, in %q", texts), harness.Query(t, db, itemQuery), harness.Query(t, pgxDB, itemQuery))
				}
				// Whatever it is in, what is written from here on must become known.
				harness.Exec(t, conn, "UPDATE item SET n = $1 WHERE id = 1", n+5)
				for range 2 {
					harness.Same(t, fmt.Sprintf("behind %q", texts), harness.Query(t, db, itemQuery), harness.Query(t, pgxDB, itemQuery))
				}
				_, _ = conn.ExecContext(harness.Context(t), "COMMIT")
				for range 2 {
					want := harness.Query(t, pgxDB, itemQuery)
					harness.Same(t, fmt.Sprintf("at the end of %q", texts), harness.Query(t, db, itemQuery), want)
					harness.Same(t, fmt.Sprintf("itself, at the end of %q", texts), harness.Query(t, conn, itemQuery), want)
				}
				before := stats(t, db)
				harness.Query(t, conn, itemQuery)
				if c := since(before, stats(t, db)); c.L1Hits != 1 {
					t.Errorf("behind %q nothing is cached: %+v", texts, c)
				}
				conn.Close()
			}
		})
	}
}
