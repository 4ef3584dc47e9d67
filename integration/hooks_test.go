package integration

import (
	"context"
	"database/sql"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

type tenantKey struct{}

// A hook of the origin makes each checkout another tenant's, by the caller's
// context, past everything that mlcache can see.
func TestHooksThatChooseATenantByContext(t *testing.T) {
	// Not beside tests that make roles: those belong to the whole server, and a
	// change of them is one of every database's schema.
	dsn := harness.NewDatabase(t, tenantTables)
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	choose := func(ctx context.Context, c *pgx.Conn) error {
		schema, _ := ctx.Value(tenantKey{}).(string)
		if schema == "" {
			schema = "public"
		}
		_, err := c.Exec(ctx, "SET search_path = "+schema)
		return err
	}
	origin := stdlib.GetConnector(*config, stdlib.OptionAfterConnect(choose), stdlib.OptionResetSession(choose))
	connector, err := mlcache.NewConnector(origin, &mlcache.Config{Redis: harness.RedisURL(), Namespace: harness.NewNamespace(t)})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	handle, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	ctx := harness.Context(t)
	for range 5 {
		for tenant, want := range map[string]string{"one": "item of one", "two": "item of two"} {
			var got string
			if err := db.QueryRowContext(context.WithValue(ctx, tenantKey{}, tenant), "SELECT v FROM items").Scan(&got); err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Fatalf("tenant %s sees %q", tenant, got)
			}
		}
	}
	if s := handle.Stats(); s.L1Hits != 8 {
		t.Errorf("%d hits, want 8: %v", s.L1Hits, s.Reasons)
	}
}

// A connector without hooks is as lazy as a DSN: a hit needs no connection.
func TestAPlainPgxConnectorIsLazy(t *testing.T) {
	t.Parallel()
	log := harness.NewStatementLog(t, harness.NewDatabase(t, tenantTables))
	config, err := pgx.ParseConfig(log.DSN())
	if err != nil {
		t.Fatal(err)
	}
	connector, err := mlcache.NewConnector(stdlib.GetConnector(*config), nil)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	harness.Ready(t, db)
	see(harness.Context(t), t, db, "SELECT v FROM plain", "plain")
	log.Break()
	before := log.Connections()
	for range 3 {
		see(harness.Context(t), t, db, "SELECT v FROM plain", "plain")
	}
	if n := log.Connections() - before; n != 0 {
		t.Errorf("three hits opened %d connections", n)
	}
}
