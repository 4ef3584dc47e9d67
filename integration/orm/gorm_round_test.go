package orm

import (
	"database/sql"
	"encoding/json"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

func gormRound(t testing.TB, db *sql.DB, n *notebook) {
	g := openGorm(t, db)
	n.do("type", g.Exec("CREATE TYPE order_status AS ENUM ('open', 'paid')").Error)
	models := []any{&gormUser{}, &gormTag{}, &gormProduct{}, &gormOrder{}, &gormItem{}}
	n.do("migrate", g.AutoMigrate(models...))
	n.do("migrate again", g.AutoMigrate(models...))

	see := func(when string) {
		n.see(when+": users", func() (any, error) {
			var users []gormUser
			return &users, g.Preload("Orders.Items.Product.Tags").Order("id").Find(&users).Error
		})
		n.see(when+": joined", func() (any, error) {
			var orders []gormOrder
			return &orders, g.Joins("User").Order("orders.id").Find(&orders).Error
		})
		n.see(when+": count", func() (any, error) {
			var count int64
			return &count, g.Model(&gormItem{}).Where("quantity > ?", 1).Count(&count).Error
		})
		n.see(when+": one", func() (any, error) {
			var u gormUser
			return &u, g.First(&u, "email = ?", "b@example.com").Error
		})
	}
	see("empty")
	tags := []gormTag{{ID: 1, Name: "new"}, {ID: 2, Name: "sale"}}
	products := []gormProduct{
		{Sku: "A", Name: "Chair", Price: "10.50", Attributes: json.RawMessage(`{"color": "red"}`), Tags: tags},
		{Sku: "B", Name: "Table", Price: "99.99", Tags: tags[:1]},
	}
	n.do("products", g.Create(&products).Error)
	users := []gormUser{
		{Email: "a@example.com", Name: "A", Orders: []gormOrder{{Total: "21.00", PlacedAt: noon, Items: []gormItem{{ProductID: 1, Quantity: 2, Price: "10.50"}}}}},
		{Email: "b@example.com", Name: "B"},
		{Email: "c@example.com", Name: "C"},
	}
	n.do("users", g.CreateInBatches(&users, 2).Error)
	see("created")
	n.do("save", g.Model(&users[1]).Updates(map[string]any{"name": "Bee", "settings": json.RawMessage(`{"theme": "dark"}`)}).Error)
	see("updated")
	n.do("expression", g.Model(&gormItem{}).Where("order_id = ?", 1).UpdateColumn("quantity", gorm.Expr("quantity + ?", 3)).Error)
	n.do("append", g.Model(&products[1]).Association("Tags").Append(&tags[1]))
	see("associated")
	n.do("upsert", g.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.AssignmentColumns([]string{"name"})}).
		Create(&gormTag{ID: 2, Name: "outlet"}).Error)
	see("upserted")
	n.do("commit", g.Transaction(func(tx *gorm.DB) error {
		if err := tx.Create(&gormOrder{UserID: 2, Total: "5.00", PlacedAt: noon}).Error; err != nil {
			return err
		}
		// A nested transaction is a savepoint.
		_ = tx.Transaction(func(tx *gorm.DB) error {
			if err := tx.Delete(&gormItem{}, 1).Error; err != nil {
				return err
			}
			return errUndo
		})
		return tx.Model(&gormOrder{}).Where("user_id = ?", 2).Update("status", "paid").Error
	}))
	see("committed")
	n.fail("roll back", g.Transaction(func(tx *gorm.DB) error {
		if err := tx.Where("1 = 1").Delete(&gormItem{}).Error; err != nil {
			return err
		}
		return errUndo
	}))
	see("rolled back")
	n.do("soft delete", g.Delete(&users[2]).Error)
	see("soft deleted")
	n.do("delete", g.Unscoped().Delete(&users[2]).Error)
	n.fail("a check of the database", g.Create(&gormItem{OrderID: 999, ProductID: 1, Price: "1"}).Error)
	n.do("returning", g.Clauses(clause.Returning{}).Where("name = ?", "new").Model(&[]gormTag{}).Update("name", "old").Error)
	see("at the end")
}
