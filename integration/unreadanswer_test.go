package integration

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// deaf is a connection that is lost with the answer to what is sent next with this text in it, when the server has carried
// that out.
type deaf struct {
	net.Conn
	to   *atomic.Pointer[string]
	sent *atomic.Bool
}

func (c deaf) Write(b []byte) (int, error) {
	if to := c.to.Load(); to != nil && bytes.Contains(b, []byte(*to)) {
		c.to.Store(nil)
		c.sent.Store(true)
	}
	return c.Conn.Write(b)
}

func (c deaf) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.sent.CompareAndSwap(true, false) {
		c.Close()
		return 0, io.EOF
	}
	return n, err
}

// unreadable is int4 with values that cannot be read.
type unreadable struct{ pgtype.Int4Codec }

func (unreadable) PlanScan(*pgtype.Map, uint32, int16, any) pgtype.ScanPlan { return unreadablePlan{} }

type unreadablePlan struct{}

func (unreadablePlan) Scan([]byte, any) error { return errors.New("cannot be read") }

const unreadTables = warmup + "; CREATE TABLE item (n int PRIMARY KEY)"

// The connection is lost with the answer to a write that has been committed. pgx may say then that it was never sent.
func TestAWriteWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	const executes = "E\x00\x00\x00\x09\x00" // the message with which the extended protocol has a statement carried out
	const query = "SELECT n FROM item ORDER BY n"
	harness.InEveryExecMode(t, harness.NewDatabase(t, unreadTables), func(t *testing.T, dsn string) {
		config, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		var to atomic.Pointer[string]
		config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			return deaf{conn, &to, new(atomic.Bool)}, err
		}
		namespace := harness.NewNamespace(t)
		db, direct := openOver(t, stdlib.GetConnector(*config), namespace), harness.Open(t, "pgx", dsn)
		reader := harness.Open(t, "mlcache", harness.With(dsn, "mlcache_namespace", namespace))
		harness.Exec(t, direct, "TRUNCATE item")
		for n, w := range []struct {
			name, to string
			write    func(ctx context.Context, c *sql.Conn, n int) error
		}{
			{"Exec", "INSERT", func(ctx context.Context, c *sql.Conn, n int) error {
				_, err := c.ExecContext(ctx, fmt.Sprintf("INSERT INTO item VALUES (%d)", n))
				return err
			}},
			{"Exec with an argument", executes, func(ctx context.Context, c *sql.Conn, n int) error {
				_, err := c.ExecContext(ctx, "INSERT INTO item VALUES ($1)", n)
				return err
			}},
			{"Query", executes, func(ctx context.Context, c *sql.Conn, n int) error {
				return c.QueryRowContext(ctx, fmt.Sprintf("INSERT INTO item VALUES (%d) RETURNING n", n)).Scan(new(int))
			}},
			{"Query with an argument", executes, func(ctx context.Context, c *sql.Conn, n int) error {
				return c.QueryRowContext(ctx, "INSERT INTO item VALUES ($1) RETURNING n", n).Scan(new(int))
			}},
			{"Commit", "commit", func(ctx context.Context, c *sql.Conn, n int) error {
				tx, err := c.BeginTx(ctx, nil)
				if err != nil {
					t.Fatal(err)
				}
				harness.Exec(t, tx, fmt.Sprintf("INSERT INTO item VALUES (%d)", n))
				return tx.Commit()
			}},
			{"COMMIT", "COMMIT", func(ctx context.Context, c *sql.Conn, n int) error {
				harness.Exec(t, c, "BEGIN")
				harness.Exec(t, c, fmt.Sprintf("INSERT INTO item VALUES (%d)", n))
				_, err := c.ExecContext(ctx, "COMMIT")
				return err
			}},
		} {
			if w.to == executes && strings.HasSuffix(t.Name(), "simple_protocol") {
				w.to = "INSERT"
			}
			untilServing(t, db)
			untilHit(t, reader, query)
			conn, err := db.Conn(harness.Context(t))
			if err != nil {
				t.Fatal(err)
			}
			harness.Exec(t, conn, "SELECT 1")
			to.Store(&w.to)
			if err = w.write(harness.Context(t), conn, n); err == nil {
				t.Fatalf("%s: no error", w.name)
			}
			conn.Close()
			want := harness.Query(t, direct, query)
			if len(want.Rows) != n+1 {
				t.Fatalf("%s: not committed, %v", w.name, err)
			}
			harness.Same(t, w.name+", "+err.Error(), harness.Query(t, reader, query), want)
		}
	})
}

// A write returns a row that cannot be read. It has been committed all the same.
func TestAWriteWhoseRowCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, mode := range []mlcache.Mode{"", mlcache.ModeOff} {
		t.Run("mode "+string(mode), func(t *testing.T) {
			t.Parallel()
			harness.InEveryExecMode(t, harness.NewDatabase(t, unreadTables), func(t *testing.T, dsn string) {
				config, err := pgx.ParseConfig(dsn)
				if err != nil {
					t.Fatal(err)
				}
				namespace := harness.NewNamespace(t)
				connector, err := mlcache.NewConnector(stdlib.GetConnector(*config, stdlib.OptionAfterConnect(func(_ context.Context, c *pgx.Conn) error {
					c.TypeMap().RegisterType(&pgtype.Type{Name: "int4", OID: pgtype.Int4OID, Codec: unreadable{}})
					return nil
				})), &mlcache.Config{Namespace: namespace, Mode: mode})
				if err != nil {
					t.Fatal(err)
				}
				writer := sql.OpenDB(connector)
				defer writer.Close()
				reader, direct := harness.Open(t, "mlcache", harness.With(dsn, "mlcache_namespace", namespace)), harness.Open(t, "pgx", dsn)
				untilServing(t, reader)
				const query = "SELECT n FROM item ORDER BY n"
				for _, text := range []string{
					"INSERT INTO item SELECT coalesce(max(n), 0) + 1 FROM item RETURNING n",
					"INSERT INTO item SELECT coalesce(max(n), 0) + x FROM item, generate_series(1, 3) x GROUP BY x RETURNING n",
				} {
					untilHit(t, reader, query)
					if err := writer.QueryRowContext(harness.Context(t), text).Scan(new(any)); err == nil || !strings.Contains(err.Error(), "cannot be read") {
						t.Fatal(err)
					}
					harness.Same(t, text, harness.Query(t, reader, query), harness.Query(t, direct, query))
				}
			})
		})
	}
}
