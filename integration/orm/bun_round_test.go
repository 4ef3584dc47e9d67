package orm

import (
	"context"
	"database/sql"
	"encoding/json"
	"testing"

	"github.com/uptrace/bun"

	"github.com/mlcache/mlcache/integration/harness"
)

func bunRound(t testing.TB, db *sql.DB, n *notebook) {
	b := openBun(db)
	ctx := harness.Context(t)
	for _, model := range []any{(*bunUser)(nil), (*bunTag)(nil), (*bunProduct)(nil), (*bunProductTag)(nil), (*bunItem)(nil)} {
		_, err := b.NewCreateTable().Model(model).IfNotExists().Exec(ctx)
		n.do("create table", err)
	}
	_, err := b.ExecContext(ctx, "CREATE TYPE order_status AS ENUM ('open', 'paid')")
	n.do("type", err)
	_, err = b.NewCreateTable().Model((*bunOrder)(nil)).WithForeignKeys().Exec(ctx)
	n.do("create table", err)
	_, err = b.NewCreateIndex().Model((*bunOrder)(nil)).Index("orders_user").Column("user_id").Exec(ctx)
	n.do("create index", err)

	see := func(when string) {
		n.see(when+": users", func() (any, error) {
			var users []bunUser
			return &users, b.NewSelect().Model(&users).Relation("Orders.Items.Product").Order("u.id").Scan(ctx)
		})
		n.see(when+": products", func() (any, error) {
			var products []bunProduct
			return &products, b.NewSelect().Model(&products).Relation("Tags", func(q *bun.SelectQuery) *bun.SelectQuery { return q.Order("t.id") }).Order("p.id").Scan(ctx)
		})
		n.see(when+": page", func() (any, error) {
			var orders []bunOrder
			count, err := b.NewSelect().Model(&orders).Relation("User").Order("o.id").Limit(1).ScanAndCount(ctx)
			return []any{orders, count}, err
		})
	}
	exec := func(what string, q interface {
		Exec(context.Context, ...any) (sql.Result, error)
	}) {
		_, err := q.Exec(ctx)
		n.do(what, err)
	}
	see("empty")
	users := []bunUser{
		{Email: "a@example.com", Name: "A", CreatedAt: noon, UpdatedAt: noon},
		{Email: "b@example.com", Name: "B", CreatedAt: noon, UpdatedAt: noon, Settings: json.RawMessage(`{"x": 1}`)},
	}
	exec("users", b.NewInsert().Model(&users))
	exec("tags", b.NewInsert().Model(&[]bunTag{{Name: "new"}, {Name: "sale"}}))
	exec("products", b.NewInsert().Model(&[]bunProduct{
		{Sku: "A", Name: "Chair", Price: "10.5", Labels: []string{"x", "y"}, CreatedAt: noon}, {Sku: "B", Name: "Table", Price: "99.99", CreatedAt: noon},
	}))
	exec("product tags", b.NewInsert().Model(&[]bunProductTag{{ProductID: 1, TagID: 1}, {ProductID: 1, TagID: 2}, {ProductID: 2, TagID: 2}}))
	exec("orders", b.NewInsert().Model(&[]bunOrder{{UserID: 1, Total: "21", PlacedAt: noon}, {UserID: 2, Total: "5", PlacedAt: noon}}))
	exec("items", b.NewInsert().Model(&[]bunItem{{OrderID: 1, ProductID: 1, Quantity: 2, Price: "10.5"}}))
	see("created")
	users[0].Name = "Ay"
	exec("update", b.NewUpdate().Model(&users[0]).Column("name").WherePK())
	see("updated")
	exec("bulk update", b.NewUpdate().With("_data", b.NewValues(&[]bunTag{{ID: 1, Name: "newer"}, {ID: 2, Name: "outlet"}})).
		Model((*bunTag)(nil)).TableExpr("_data").Set("name = _data.name").Where("t.id = _data.id"))
	see("updated in bulk")
	exec("upsert", b.NewInsert().Model(&bunTag{ID: 2, Name: "final"}).On("CONFLICT (id) DO UPDATE").Set("name = EXCLUDED.name"))
	see("upserted")
	n.do("commit", b.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewInsert().Model(&bunOrder{UserID: 2, Total: "7", PlacedAt: noon}).Exec(ctx); err != nil {
			return err
		}
		_, err := tx.NewUpdate().Model((*bunOrder)(nil)).Set("status = ?", "paid").Where("user_id = ?", 2).Exec(ctx)
		return err
	}))
	see("committed")
	n.fail("roll back", b.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewDelete().Model((*bunItem)(nil)).Where("true").Exec(ctx); err != nil {
			return err
		}
		return errUndo
	}))
	see("rolled back")
	exec("delete for good", b.NewDelete().Model(&bunTag{ID: 1}).WherePK())
	exec("force delete", b.NewDelete().Model(&bunProduct{ID: 2}).WherePK().ForceDelete())
	see("deleted")
	exec("truncate", b.NewTruncateTable().Model((*bunItem)(nil)))
	_, err = b.NewAddColumn().Model((*bunTag)(nil)).ColumnExpr("weight int NOT NULL DEFAULT 1").Exec(ctx)
	n.do("add column", err)
	see("at the end")
}
