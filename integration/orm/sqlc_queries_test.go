package orm

import (
	"database/sql"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/integration/orm/sqlc"
)

var sqlcLibrary = library{"sqlc", sqlcQueries}

func sqlcQueries(t testing.TB, db *sql.DB) []query {
	q := sqlc.New(db)
	ctx := harness.Context(t)
	since := time.Date(2025, 1, 20, 0, 0, 0, 0, time.UTC)
	return []query{
		{"GetUser", func() error { _, err := q.GetUser(ctx, 3); return err }},
		{"ListOrders", func() error {
			_, err := q.ListOrders(ctx, sqlc.ListOrdersParams{UserID: 3, Limit: 3, Offset: 1})
			return err
		}},
		{"OrdersBetween", func() error { _, err := q.OrdersBetween(ctx, since, since.AddDate(0, 0, 7)); return err }},
		{"OrdersByIDs", func() error { _, err := q.OrdersByIDs(ctx, []int64{1, 2, 3}); return err }},
		{"UserTotals", func() error { _, err := q.UserTotals(ctx); return err }},
		{"CountOrders", func() error { _, err := q.CountOrders(ctx, "paid"); return err }},
		{"SearchOrders", func() error {
			_, err := q.SearchOrders(ctx, sqlc.SearchOrdersParams{Status: sql.NullString{String: "paid", Valid: true}})
			return err
		}},
	}
}
