package orm

import (
	"context"
	"database/sql"
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/integration/orm/ent"
	"github.com/mlcache/mlcache/integration/orm/ent/order"
	"github.com/mlcache/mlcache/integration/orm/ent/tag"
	"github.com/mlcache/mlcache/integration/orm/ent/user"
)

func entRound(t testing.TB, db *sql.DB, n *notebook) {
	c := openEnt(db)
	ctx := harness.Context(t)
	n.do("migrate", c.Schema.Create(ctx))
	n.do("migrate again", c.Schema.Create(ctx))
	see := func(when string) {
		n.see(when+": users", func() (any, error) {
			return c.User.Query().WithOrders(func(q *ent.OrderQuery) {
				q.Order(order.ByID()).WithTags(func(q *ent.TagQuery) { q.Order(tag.ByID()) })
			}).Order(user.ByID()).All(ctx)
		})
		n.see(when+": tagged", func() (any, error) {
			return c.User.Query().Where(user.HasOrdersWith(order.HasTagsWith(tag.Name("new")))).Count(ctx)
		})
		n.see(when+": one", func() (any, error) { return c.User.Query().Where(user.Email("b@example.com")).Only(ctx) })
	}
	see("empty")
	tags, err := c.Tag.CreateBulk(c.Tag.Create().SetName("new"), c.Tag.Create().SetName("sale")).Save(ctx)
	n.do("tags", err)
	users, err := c.User.CreateBulk(
		c.User.Create().SetEmail("a@example.com").SetName("A").SetCreatedAt(noon),
		c.User.Create().SetEmail("b@example.com").SetName("B").SetCreatedAt(noon).SetSettings(map[string]any{"x": 1}),
	).Save(ctx)
	n.do("users", err)
	see("users")
	_, err = c.Order.Create().SetUser(users[0]).SetTotal(12.5).SetPlacedAt(noon).AddTags(tags...).Save(ctx)
	n.do("order", err)
	see("ordered")
	n.do("update", users[1].Update().SetName("Bee").Exec(ctx))
	see("updated")
	n.do("update edges", c.Order.Update().Where(order.UserID(users[0].ID)).RemoveTags(tags[0]).AddTotal(1).Exec(ctx))
	see("edges")
	inTx := func(end func(*ent.Tx) error) {
		tx, err := c.Tx(ctx)
		n.do("begin", err)
		n.do("order", tx.Order.Create().SetUserID(users[1].ID).SetTotal(3).SetPlacedAt(noon).AddTags(tags[0]).Exec(ctx))
		n.do("status", tx.Order.Update().SetStatus(order.StatusPaid).Exec(ctx))
		n.see("inside", func() (any, error) { return tx.Order.Query().Order(order.ByID()).All(ctx) })
		n.do("end", end(tx))
	}
	inTx((*ent.Tx).Commit)
	see("committed")
	inTx((*ent.Tx).Rollback)
	see("rolled back")
	_, err = c.Order.Delete().Where(order.HasUserWith(user.ID(users[1].ID))).Exec(ctx)
	n.do("delete", err)
	see("deleted")
	n.fail("a constraint", c.User.Create().SetEmail("a@example.com").SetName("again").Exec(context.WithoutCancel(ctx)))
	see("at the end")
}
