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
