package orm

import (
	"database/sql"
	"testing"

	"github.com/georgysavva/scany/v2/sqlscan"

	"github.com/mlcache/mlcache/integration/harness"
)

var scanyLibrary = library{"scany", scanyQueries}

func scanyQueries(t testing.TB, db *sql.DB) []query {
	ctx := harness.Context(t)
	type line struct {
		ID    int64
		Email string
		Total string
		Owner struct{ Name string }
	}
	return []query{
		{"get", func() error {
			return sqlscan.Get(ctx, db, new(sqlxUser), "SELECT * FROM users WHERE id = $1", 3)
		}},
		{"select", func() error {
			return sqlscan.Select(ctx, db, new([]sqlxOrder), "SELECT * FROM orders WHERE total > $1 ORDER BY id", 100)
		}},
		{"nested struct", func() error {
			return sqlscan.Select(ctx, db, new([]line), `SELECT o.id, u.email, o.total, u.name AS "owner.name"
				FROM orders o JOIN users u ON u.id = o.user_id ORDER BY o.id`)
		}},
		{"scalar", func() error { return sqlscan.Get(ctx, db, new(int), "SELECT count(*) FROM items") }},
		{"map", func() error {
			return sqlscan.Select(ctx, db, new([]map[string]any), "SELECT id, name FROM tags ORDER BY id")
		}},
		{"rows", func() error {
			rows, err := db.QueryContext(ctx, "SELECT id, user_id, status, total, placed_at, note FROM orders WHERE user_id = $1", 3)
			if err != nil {
				return err
			}
			return sqlscan.ScanAll(new([]sqlxOrder), rows)
		}},
	}
}
