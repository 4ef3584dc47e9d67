package orm

import (
	"database/sql"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"entgo.io/ent/dialect/sql/sqljson"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/integration/orm/ent"
	"github.com/mlcache/mlcache/integration/orm/ent/order"
	"github.com/mlcache/mlcache/integration/orm/ent/tag"
	"github.com/mlcache/mlcache/integration/orm/ent/user"
)

var entLibrary = library{"ent", entQueries}

func openEnt(db *sql.DB) *ent.Client {
	return ent.NewClient(ent.Driver(entsql.OpenDB(dialect.Postgres, db)))
}

func entQueries(t testing.TB, db *sql.DB) []query {
	c := openEnt(db)
	ctx := harness.Context(t)
	since := time.Date(2025, 1, 20, 0, 0, 0, 0, time.UTC)
	users := func(q *ent.UserQuery) func() error { return func() error { _, err := q.All(ctx); return err } }
	orders := func(q *ent.OrderQuery) func() error { return func() error { _, err := q.All(ctx); return err } }
	return []query{
		{"get", func() error { _, err := c.User.Get(ctx, 3); return err }},
		{"only", func() error { _, err := c.User.Query().Where(user.Email("user4@example.com")).Only(ctx); return err }},
		{"first", func() error { _, err := c.Order.Query().Order(ent.Desc(order.FieldPlacedAt)).First(ctx); return err }},
		{"in list", users(c.User.Query().Where(user.IDIn(1, 2, 3, 5)))},
		{"and or not", users(c.User.Query().Where(user.Or(user.IDLT(3), user.And(user.NameHasPrefix("User 1"), user.Not(user.ID(12))))))},
		{"contains fold", users(c.User.Query().Where(user.NameContainsFold("USER 1")))},
		{"null", users(c.User.Query().Where(user.DeletedAtIsNil()))},
		{"page", orders(c.Order.Query().Where(order.StatusNEQ(order.StatusCancelled)).Order(ent.Desc(order.FieldPlacedAt, order.FieldID)).Limit(10).Offset(20))},
		{"time", orders(c.Order.Query().Where(order.PlacedAtGTE(since), order.PlacedAtLT(since.AddDate(0, 0, 7))))},
		{"edges", users(c.User.Query().WithOrders().Order(ent.Asc(user.FieldID)))},
		{"nested edges", users(c.User.Query().WithOrders(func(q *ent.OrderQuery) { q.Where(order.TotalGT(100)).WithTags() }).Limit(5))},
		{"edge back", orders(c.Order.Query().WithUser().Limit(5))},
		{"many to many", orders(c.Order.Query().WithTags().Limit(5))},
		{"has edge", users(c.User.Query().Where(user.HasOrders()))},
		{"has edge with", users(c.User.Query().Where(user.HasOrdersWith(order.StatusEQ(order.StatusPaid))))},
		{"has edge through table", orders(c.Order.Query().Where(order.HasTagsWith(tag.Name("sale"))))},
		{"traversal", func() error {
			_, err := c.User.Query().Where(user.ID(3)).QueryOrders().QueryTags().All(ctx)
			return err
		}},
		{"order by neighbours", users(c.User.Query().Order(user.ByOrdersCount(entsql.OrderDesc()), user.ByID()))},
		{"count", func() error { _, err := c.User.Query().Where(user.IDGT(4)).Count(ctx); return err }},
		{"exist", func() error { _, err := c.User.Query().Where(user.ID(4)).Exist(ctx); return err }},
		{"ids", func() error { _, err := c.Order.Query().Where(order.UserID(3)).IDs(ctx); return err }},
		{"select", func() error {
			_, err := c.User.Query().Order(ent.Asc(user.FieldID)).Select(user.FieldName).Strings(ctx)
			return err
		}},
		{"unique", func() error {
			_, err := c.Order.Query().Unique(true).Select(order.FieldStatus).Strings(ctx)
			return err
		}},
		{"group by", func() error {
			var rows []struct {
				Status string  `json:"status"`
				Sum    float64 `json:"sum"`
				Count  int     `json:"count"`
			}
			return c.Order.Query().GroupBy(order.FieldStatus).Aggregate(ent.Sum(order.FieldTotal), ent.Count()).Scan(ctx, &rows)
		}},
		{"json path", users(c.User.Query().Where(func(s *entsql.Selector) {
			s.Where(sqljson.ValueEQ(user.FieldSettings, "dark", sqljson.Path("theme")))
		}))},
		{"json contains", users(c.User.Query().Where(func(s *entsql.Selector) {
			s.Where(sqljson.ValueContains(user.FieldSettings, "en", sqljson.Path("langs")))
		}))},
	}
}
