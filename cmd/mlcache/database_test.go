package main

import (
	"context"
	"database/sql"
	"net/url"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/cmd/mlcache/internal/servers"
)

// TestCommandsOnADatabase runs explain --dsn and invalidate beside an application
// that reads through the cache, while somebody else writes past it.
func TestCommandsOnADatabase(t *testing.T) {
	ctx := t.Context()
	pg, err := servers.Postgres(ctx, servers.Options{Sources: []servers.Source{servers.Binary, servers.Container, servers.Packages}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Close() })
	rd, err := servers.Redis(ctx, servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rd.Close() })
	dsn := pg.URL + "&mlcache_max_staleness=200ms&mlcache_redis=" + url.QueryEscape(rd.URL)

	past, err := sql.Open("pgx", pg.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = past.Close() })
	if _, err := past.ExecContext(ctx, "CREATE TABLE orders AS SELECT 1 AS n; CREATE VIEW open_orders AS SELECT n FROM orders"); err != nil {
		t.Fatal(err)
	}

	t.Run("explain", func(t *testing.T) {
		code, out, errOut := command(t, "", "explain", "--dsn", dsn, "SELECT n FROM open_orders")
		if code != exitOK || errOut != "" || !strings.Contains(out, "public.orders") || !strings.Contains(out, "view public.open_orders") {
			t.Errorf("exit code %d\n%s%s", code, out, errOut)
		}
		code, _, errOut = command(t, "", "explain", "--dsn", strings.Replace(dsn, "mlcache:", "mlcache:x", 1), "SELECT 1")
		if code != exitFailed || errOut == "" {
			t.Errorf("with a wrong password: exit code %d, %q", code, errOut)
		}
	})

	t.Run("top", func(t *testing.T) { showsTop(t, dsn) })

	t.Run("invalidate", func(t *testing.T) {
		app, err := sql.Open("mlcache", dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = app.Close() }()
		handle, err := mlcache.From(app)
		if err != nil {
			t.Fatal(err)
		}
		read := func() (n int) {
			t.Helper()
			if err := app.QueryRowContext(ctx, "SELECT n FROM orders").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		for i, args := range [][]string{
			{"--dsn", dsn, "orders"},
			{"--dsn", dsn, "public.orders"},
			{"--dsn", dsn, "open_orders"}, // the view stands for its table
			{"--dsn", dsn, "--all"},
			{"--redis", rd.URL, "orders"},
			{"--redis", rd.URL, "--namespace", "mlcache", "public.orders"},
			{"--redis", rd.URL, "--all"},
		} {
			warm(t, handle, read)
			if _, err := past.ExecContext(context.Background(), "UPDATE orders SET n = n + 1"); err != nil {
				t.Fatal(err)
			}
			if n := read(); n != i+1 {
				t.Fatalf("%d: the cache held nothing to drop, or noticed a write past it", n)
			}
			if code, out, errOut := command(t, "", append([]string{"invalidate"}, args...)...); code != exitOK || out+errOut != "" {
				t.Fatalf("%q: exit code %d, %s%s", args, code, out, errOut)
			}
			time.Sleep(200 * time.Millisecond) // the bound
			if n := read(); n != i+2 {
				t.Errorf("after invalidate %q the old answer %d is served past the bound", args, n)
			}
		}
		code, out, errOut := command(t, "", "invalidate", "--redis", rd.URL, "--json", "orders")
		if code != exitOK || out != `{"namespace":"mlcache","all":false,"tables":["orders"]}`+"\n" {
			t.Errorf("exit code %d, %s%s", code, out, errOut)
		}
		code, out, errOut = command(t, "", "invalidate", "--redis", "redis://127.0.0.1:1", "--all")
		if code != exitFailed || out != "" || !strings.Contains(errOut, "Redis could not be told") {
			t.Errorf("without a Redis: exit code %d, %s%s", code, out, errOut)
		}
		code, out, errOut = command(t, "", "invalidate", "--dsn", strings.Replace(dsn, "mlcache:", "mlcache:x", 1), "open_orders")
		if code != exitFailed || out != "" || errOut == "" {
			t.Errorf("without the database: exit code %d, %s%s", code, out, errOut)
		}
	})
}

// warm reads until an answer comes from memory that is older than the bound: in a
// young namespace answers end with it, and nothing would have to be dropped.
func warm(t *testing.T, handle *mlcache.Handle, read func() int) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); {
		read()
		time.Sleep(250 * time.Millisecond)
		before := handle.Stats().L1Hits
		if read(); handle.Stats().L1Hits > before {
			return
		}
	}
	t.Fatal("nothing is answered from memory")
}
