package orm

import (
	"database/sql"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

var gormLibrary = library{"gorm", gormQueries}

// active and newest are scopes, as programs share them between queries.
func active(g *gorm.DB) *gorm.DB { return g.Where("status <> ?", "cancelled") }
func newest(g *gorm.DB) *gorm.DB { return g.Order("placed_at DESC, id DESC") }

func gormQueries(t testing.TB, db *sql.DB) []query {
	g := openGorm(t, db)
	since := time.Date(2025, 1, 20, 0, 0, 0, 0, time.UTC)
	find := func(dest any, f func(*gorm.DB) *gorm.DB) func() error {
		return func() error { return f(g).Find(dest).Error }
	}
	scan := func(f func(*gorm.DB) *gorm.DB) func() error {
		return func() error {
			var rows []map[string]any
			return f(g).Find(&rows).Error
		}
	}
	return []query{
		{"first by key", func() error { return g.First(new(gormUser), 3).Error }},
		{"take", func() error { return g.Take(new(gormUser)).Error }},
		{"last", func() error { return g.Last(new(gormOrder)).Error }},
		{"by struct", find(new([]gormUser), func(g *gorm.DB) *gorm.DB { return g.Where(&gormUser{Email: "user4@example.com"}) })},
		{"by map", find(new([]gormOrder), func(g *gorm.DB) *gorm.DB { return g.Where(map[string]any{"user_id": 3, "status": "paid"}) })},
		{"in list", find(new([]gormUser), func(g *gorm.DB) *gorm.DB { return g.Where("id IN ?", []int64{1, 2, 3, 5, 8}) })},
		{"in keys", find(new([]gormUser), func(g *gorm.DB) *gorm.DB { return g.Where([]int64{2, 4, 6}) })},
		{"not in", find(new([]gormUser), func(g *gorm.DB) *gorm.DB { return g.Not(map[string]any{"name": []string{"User 1", "User 2"}}) })},
		{"or", find(new([]gormUser), func(g *gorm.DB) *gorm.DB { return g.Where("id < ?", 3).Or("name LIKE ?", "User 1%") })},
		{"between", find(new([]gormOrder), func(g *gorm.DB) *gorm.DB { return g.Where("placed_at BETWEEN ? AND ?", since, since.AddDate(0, 0, 7)) })},
		{"page", find(new([]gormOrder), func(g *gorm.DB) *gorm.DB { return g.Scopes(active, newest).Limit(10).Offset(20) })},
		{"page by key", find(new([]gormOrder), func(g *gorm.DB) *gorm.DB {
			return g.Where("(placed_at, id) < (?, ?)", since, 50).Order("placed_at DESC, id DESC").Limit(5)
		})},
		{"without soft delete", find(new([]gormUser), func(g *gorm.DB) *gorm.DB { return g.Unscoped().Order("id") })},
		{"selected columns", find(new([]gormUser), func(g *gorm.DB) *gorm.DB { return g.Select("id", "email").Order("email") })},
		{"omitted columns", find(new([]gormUser), func(g *gorm.DB) *gorm.DB { return g.Omit("settings") })},
		{"distinct", find(new([]string), func(g *gorm.DB) *gorm.DB {
			return g.Model(&gormOrder{}).Distinct().Select("status").Order("status")
		})},
		{"pluck", func() error { return g.Model(&gormUser{}).Order("id").Pluck("email", new([]string)).Error }},
		{"count", func() error { return g.Model(&gormUser{}).Where("id > ?", 4).Count(new(int64)).Error }},
		{"count distinct", func() error { return g.Model(&gormOrder{}).Distinct("user_id").Count(new(int64)).Error }},
		{"preload", find(new([]gormUser), func(g *gorm.DB) *gorm.DB { return g.Preload("Orders").Order("id") })},
		{"nested preload", find(new([]gormOrder), func(g *gorm.DB) *gorm.DB { return g.Preload("Items.Product.Tags").Preload("User").Limit(8) })},
		{"preload with condition", find(new([]gormUser), func(g *gorm.DB) *gorm.DB { return g.Preload("Orders", "status = ?", "paid") })},
		{"preload everything", find(new([]gormOrder), func(g *gorm.DB) *gorm.DB { return g.Preload(clause.Associations).Limit(3) })},
		{"many to many", find(new([]gormProduct), func(g *gorm.DB) *gorm.DB { return g.Preload("Tags").Limit(5) })},
		{"joins", find(new([]gormOrder), func(g *gorm.DB) *gorm.DB { return g.Joins("User").Order("orders.id").Limit(4) })},
		{"inner joins", find(new([]gormItem), func(g *gorm.DB) *gorm.DB { return g.InnerJoins("Product").Where("quantity > ?", 3) })},
		{"joins by hand", scan(func(g *gorm.DB) *gorm.DB {
			return g.Table("orders AS o").Select("o.id, u.email").Joins("JOIN users u ON u.id = o.user_id AND u.deleted_at IS NULL").Where("o.total > ?", 100)
		})},
		{"association", func() error { return g.Model(&gormProduct{ID: 3}).Association("Tags").Find(new([]gormTag)) }},
		{"association count", func() error {
			g.Model(&gormUser{ID: 3}).Association("Orders").Count()
			return nil
		}},
		{"sub-query", find(new([]gormUser), func(g *gorm.DB) *gorm.DB {
			return g.Where("id IN (?)", g.Session(&gorm.Session{NewDB: true}).Model(&gormOrder{}).Select("user_id").Where("total > ?", 300))
		})},
		{"from sub-query", scan(func(g *gorm.DB) *gorm.DB {
			sub := g.Model(&gormOrder{}).Select("user_id, count(*) AS n").Group("user_id")
			return g.Session(&gorm.Session{NewDB: true}).Table("(?) AS t", sub).Where("t.n > ?", 2).Order("user_id")
		})},
		{"exists", find(new([]gormUser), func(g *gorm.DB) *gorm.DB {
			return g.Where("EXISTS (?)", g.Session(&gorm.Session{NewDB: true}).Table("orders").Select("1").Where("orders.user_id = users.id"))
		})},
		{"group and having", scan(func(g *gorm.DB) *gorm.DB {
			return g.Model(&gormOrder{}).Select("user_id, sum(total) AS sum, avg(total)::numeric(12,2) AS avg").Group("user_id").Having("count(*) > ?", 3).Order("user_id")
		})},
		{"filter", scan(func(g *gorm.DB) *gorm.DB {
			return g.Model(&gormOrder{}).Select("count(*) FILTER (WHERE status = ?) AS paid, count(*) AS n", "paid")
		})},
		{"date_trunc", scan(func(g *gorm.DB) *gorm.DB {
			return g.Model(&gormOrder{}).Select("date_trunc('week', placed_at) AS week, count(*) AS n").Group("week").Order("week")
		})},
		{"window", scan(func(g *gorm.DB) *gorm.DB {
			return g.Model(&gormOrder{}).Select("id, row_number() OVER (PARTITION BY user_id ORDER BY placed_at) AS n").Order("id")
		})},
		{"coalesce", scan(func(g *gorm.DB) *gorm.DB {
			return g.Model(&gormOrder{}).Select("id, coalesce(note, '-') AS note").Order("id")
		})},
		{"json field", find(new([]gormUser), func(g *gorm.DB) *gorm.DB { return g.Where("settings->>'theme' = ?", "dark") })},
		{"json contains", find(new([]gormProduct), func(g *gorm.DB) *gorm.DB { return g.Where("attributes @> ?", `{"color": "red"}`) })},
		{"full-text", find(new([]gormProduct), func(g *gorm.DB) *gorm.DB {
			return g.Where("search @@ plainto_tsquery('english', ?)", "chair").Order(clause.Expr{SQL: "ts_rank(search, plainto_tsquery('english', ?)) DESC, id", Vars: []any{"chair"}})
		})},
		{"ilike", find(new([]gormProduct), func(g *gorm.DB) *gorm.DB { return g.Where("name ILIKE ?", "%LAMP%") })},
		{"order by case", find(new([]gormOrder), func(g *gorm.DB) *gorm.DB {
			return g.Order("CASE status WHEN 'open' THEN 0 WHEN 'paid' THEN 1 ELSE 2 END, id")
		})},
		{"raw", func() error {
			return g.Raw("SELECT u.id, count(o.id) AS n FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE u.deleted_at IS NULL GROUP BY u.id ORDER BY u.id").Scan(new([]map[string]any)).Error
		}},
		{"batches", func() error {
			return g.Order("id").FindInBatches(new([]gormProduct), 10, func(*gorm.DB, int) error { return nil }).Error
		}},
		{"row", func() error {
			return g.Model(&gormUser{}).Select("max(id)").Row().Scan(new(int64))
		}},
		{"prepared", func() error {
			return g.Session(&gorm.Session{PrepareStmt: true}).Where("id = ?", 5).Find(new([]gormUser)).Error
		}},
		{"first or init", func() error {
			return g.Where(gormTag{Name: "sale"}).FirstOrInit(new(gormTag)).Error
		}},
		{"recent orders", find(new([]gormOrder), func(g *gorm.DB) *gorm.DB { return g.Where("placed_at > now() - interval '1 day'") })},
	}
}
