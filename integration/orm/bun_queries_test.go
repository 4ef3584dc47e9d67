package orm

import (
	"database/sql"
	"encoding/json"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/mlcache/mlcache/integration/harness"
)

var bunLibrary = library{"bun", bunQueries}

type bunUser struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID        int64           `bun:"id,pk,autoincrement"`
	Email     string          `bun:"email,notnull"`
	Name      string          `bun:"name,notnull"`
	Settings  json.RawMessage `bun:"settings,type:jsonb,nullzero,default:'{}'"`
	CreatedAt time.Time       `bun:"created_at,nullzero,default:now()"`
	UpdatedAt time.Time       `bun:"updated_at,nullzero,default:now()"`
	DeletedAt time.Time       `bun:"deleted_at,soft_delete,nullzero"`
	Orders    []*bunOrder     `bun:"rel:has-many,join:id=user_id"`
}

type bunOrder struct {
	bun.BaseModel `bun:"table:orders,alias:o"`

	ID       int64      `bun:"id,pk,autoincrement"`
	UserID   int64      `bun:"user_id"`
	User     *bunUser   `bun:"rel:belongs-to,join:user_id=id"`
	Status   string     `bun:"status,type:order_status,nullzero,default:'open'"`
	Total    string     `bun:"total,type:numeric"`
	PlacedAt time.Time  `bun:"placed_at,nullzero,default:now()"`
	Note     *string    `bun:"note"`
	Items    []*bunItem `bun:"rel:has-many,join:id=order_id"`
}

type bunItem struct {
	bun.BaseModel `bun:"table:items,alias:i"`

	ID        int64       `bun:"id,pk,autoincrement"`
	OrderID   int64       `bun:"order_id"`
	ProductID int64       `bun:"product_id"`
	Product   *bunProduct `bun:"rel:belongs-to,join:product_id=id"`
	Quantity  int         `bun:"quantity"`
	Price     string      `bun:"price,type:numeric"`
}

type bunProduct struct {
	bun.BaseModel `bun:"table:products,alias:p"`

	ID          int64           `bun:"id,pk,autoincrement"`
	Sku         string          `bun:"sku"`
	Name        string          `bun:"name"`
	Description string          `bun:"description"`
	Price       string          `bun:"price,type:numeric"`
	Attributes  json.RawMessage `bun:"attributes,type:jsonb,nullzero,default:'{}'"`
	Labels      []string        `bun:"labels,array"`
	CreatedAt   time.Time       `bun:"created_at,nullzero,default:now()"`
	DeletedAt   time.Time       `bun:"deleted_at,soft_delete,nullzero"`
	Tags        []*bunTag       `bun:"m2m:product_tags,join:Product=Tag"`
}

type bunTag struct {
	bun.BaseModel `bun:"table:tags,alias:t"`

	ID   int64  `bun:"id,pk,autoincrement"`
	Name string `bun:"name"`
}

type bunProductTag struct {
	bun.BaseModel `bun:"table:product_tags,alias:pt"`

	ProductID int64       `bun:"product_id,pk"`
	Product   *bunProduct `bun:"rel:belongs-to,join:product_id=id"`
	TagID     int64       `bun:"tag_id,pk"`
	Tag       *bunTag     `bun:"rel:belongs-to,join:tag_id=id"`
}

func openBun(db *sql.DB) *bun.DB {
	b := bun.NewDB(db, pgdialect.New())
	b.RegisterModel((*bunProductTag)(nil))
	return b
}

func bunQueries(t testing.TB, db *sql.DB) []query {
	b := openBun(db)
	ctx := harness.Context(t)
	since := time.Date(2025, 1, 20, 0, 0, 0, 0, time.UTC)
	into := func(q *bun.SelectQuery) func() error { return func() error { return q.Scan(ctx) } }
	maps := func(q *bun.SelectQuery) func() error {
		return func() error {
			var rows []map[string]any
			return q.Scan(ctx, &rows)
		}
	}
	users := func() *bun.SelectQuery { return b.NewSelect().Model(new([]bunUser)) }
	orders := func() *bun.SelectQuery { return b.NewSelect().Model(new([]bunOrder)) }
	products := func() *bun.SelectQuery { return b.NewSelect().Model(new([]bunProduct)) }
	return []query{
		{"by key", into(b.NewSelect().Model(&bunUser{ID: 3}).WherePK())},
		{"where", into(users().Where("email = ?", "user4@example.com"))},
		{"in list", into(users().Where("id IN ?", bun.Tuple([]int64{1, 2, 3, 5})))},
		{"in text list", into(users().Where("?TableAlias.name IN ?", bun.Tuple([]string{"User 1", "User 2"})))},
		{"groups", into(users().WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
			return q.Where("id < ?", 3).WhereOr("name LIKE ?", "User 1%")
		}))},
		{"page", into(orders().Where("status != ?", "cancelled").OrderExpr("placed_at DESC, id DESC").Limit(10).Offset(20))},
		{"time", into(orders().Where("placed_at >= ? AND placed_at < ?", since, since.AddDate(0, 0, 7)))},
		{"count", func() error { _, err := users().Where("id > ?", 4).Count(ctx); return err }},
		{"exists", func() error { _, err := users().Where("id = ?", 4).Exists(ctx); return err }},
		{"scan and count", func() error { _, err := orders().Order("id").Limit(5).ScanAndCount(ctx); return err }},
		{"with deleted", into(users().WhereAllWithDeleted().Order("id"))},
		{"only deleted", into(users().WhereDeleted())},
		{"columns", into(users().Column("id", "email").Order("email"))},
		{"excluded columns", into(users().ExcludeColumn("settings"))},
		{"distinct", maps(b.NewSelect().TableExpr("orders").Distinct().Column("status").Order("status"))},
		{"distinct on", into(orders().DistinctOn("?TableAlias.user_id").OrderExpr("user_id, placed_at DESC"))},
		{"has many", into(users().Relation("Orders").Order("u.id"))},
		{"belongs to", into(orders().Relation("User").OrderExpr("o.id").Limit(4))},
		{"nested", into(orders().Relation("Items.Product").Limit(8))},
		{"nested with condition", into(users().Relation("Orders", func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("status = ?", "paid") }))},
		{"many to many", into(products().Relation("Tags").Limit(5))},
		{"join", maps(b.NewSelect().TableExpr("orders AS o").ColumnExpr("o.id, u.email").Join("JOIN users AS u ON u.id = o.user_id").Where("o.total > ?", 100))},
		{"with", maps(b.NewSelect().With("big", b.NewSelect().TableExpr("orders").Column("user_id").Where("total > ?", 300)).TableExpr("big").ColumnExpr("user_id, count(*) AS n").Group("user_id").Order("user_id"))},
		{"recursive", maps(b.NewSelect().WithRecursive("n", b.NewSelect().ColumnExpr("1 AS i").UnionAll(b.NewSelect().TableExpr("n").ColumnExpr("i + 1").Where("i < 5"))).TableExpr("n").Column("i"))},
		{"union", maps(b.NewSelect().TableExpr("users").Column("name").Union(b.NewSelect().TableExpr("products").Column("name")))},
		{"sub-query", into(users().Where("id IN (?)", b.NewSelect().TableExpr("orders").Column("user_id").Where("total > ?", 300)))},
		{"where exists", into(users().Where("EXISTS (?)", b.NewSelect().TableExpr("orders").ColumnExpr("1").Where("orders.user_id = u.id")))},
		{"from sub-query", maps(b.NewSelect().TableExpr("(?) AS t", b.NewSelect().TableExpr("orders").ColumnExpr("user_id, count(*) AS n").Group("user_id")).ColumnExpr("t.*").Where("t.n > 2"))},
		{"group and having", maps(b.NewSelect().TableExpr("orders").ColumnExpr("user_id, sum(total)").Group("user_id").Having("count(*) > ?", 3).Order("user_id"))},
		{"filter", maps(b.NewSelect().TableExpr("orders").ColumnExpr("count(*) FILTER (WHERE status = ?) AS paid", "paid"))},
		{"window", maps(b.NewSelect().TableExpr("orders").ColumnExpr("id, rank() OVER (PARTITION BY user_id ORDER BY total) AS rank, lag(total) OVER (ORDER BY id) AS before").Order("id"))},
		{"date_trunc", maps(b.NewSelect().TableExpr("orders").ColumnExpr("date_trunc('month', placed_at) AS month, sum(total)").GroupExpr("month").OrderExpr("month"))},
		{"json field", into(users().Where("settings->>'theme' = ?", "dark"))},
		{"json path", into(users().Where("jsonb_path_exists(settings, ?)", "$.langs[*] ? (@ == \"de\")"))},
		{"json key", into(users().Where("settings \\? ?", "level"))},
		{"array", into(products().Where("labels && ?", pgdialect.Array([]string{"label1"})))},
		{"any", into(products().Where("id = ANY(?)", pgdialect.Array([]int64{1, 2, 3})))},
		{"full-text", into(products().Where("search @@ websearch_to_tsquery('english', ?)", "red chair"))},
		{"values", into(users().With("v", b.NewValues(&[]bunTag{{ID: 1, Name: "a"}, {ID: 2, Name: "b"}})).Where("u.id IN (SELECT id FROM v)"))},
		{"raw", func() error {
			var rows []bunOrder
			return b.NewRaw("SELECT * FROM ? WHERE total > ?", bun.Ident("orders"), 200).Scan(ctx, &rows)
		}},
		{"quoted time", maps(b.NewSelect().TableExpr("orders").ColumnExpr("placed_at AT TIME ZONE 'Europe/Berlin' AS local").OrderExpr("id").Limit(3))},
		{"greatest", maps(b.NewSelect().TableExpr("items").ColumnExpr("order_id, greatest(max(quantity), 2) AS q, array_agg(product_id ORDER BY product_id) AS products, string_agg(price::text, ',' ORDER BY id) AS prices").Group("order_id").Order("order_id"))},
		{"json aggregate", maps(b.NewSelect().TableExpr("items").ColumnExpr("order_id, jsonb_agg(jsonb_build_object('q', quantity) ORDER BY id) AS items").Group("order_id").Order("order_id"))},
		{"recent orders", into(orders().Where("placed_at > now() - interval '1 day'"))},
	}
}
