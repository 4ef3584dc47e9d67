package integration

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache"
)

// hidden is a pgx connection of another type, as those of tracing wrappers are:
// mlcache must not reach past it.
type hidden struct{ *stdlib.Conn }

// hiding makes hidden connections.
type hiding struct{ driver.Connector }

func (h hiding) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := h.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return hidden{c.(*stdlib.Conn)}, nil
}

// openWrapped opens a DSN with mlcache's keys over a pgx that is hidden.
func openWrapped(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	cfg, err := mlcache.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	pgxConfig, err := pgx.ParseConfig(cfg.DSN)
	if err != nil {
		t.Fatal(err)
	}
	c, err := mlcache.NewConnector(hiding{stdlib.GetConnector(*pgxConfig)}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() { db.Close() })
	return db
}
