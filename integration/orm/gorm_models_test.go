package orm

import (
	"database/sql"
	"encoding/json"
	"testing"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

type gormUser struct {
	ID        int64 `gorm:"primaryKey"`
	Email     string
	Name      string
	Settings  json.RawMessage `gorm:"type:jsonb;default:'{}'"`
	CreatedAt time.Time
	UpdatedAt time.Time
	DeletedAt gorm.DeletedAt
	Orders    []gormOrder `gorm:"foreignKey:UserID"`
}

type gormProduct struct {
	ID          int64 `gorm:"primaryKey"`
	Sku         string
	Name        string
	Description string
	Price       string          `gorm:"type:numeric(12,2)"`
	Attributes  json.RawMessage `gorm:"type:jsonb;default:'{}'"`
	CreatedAt   time.Time
	DeletedAt   gorm.DeletedAt
	Tags        []gormTag `gorm:"many2many:product_tags;joinForeignKey:product_id;joinReferences:tag_id"`
}

type gormTag struct {
	ID   int64 `gorm:"primaryKey"`
	Name string
}

type gormOrder struct {
	ID       int64 `gorm:"primaryKey"`
	UserID   int64
	User     *gormUser `gorm:"foreignKey:UserID"`
	Status   string    `gorm:"type:order_status;default:open"`
	Total    string    `gorm:"type:numeric(12,2)"`
	PlacedAt time.Time `gorm:"default:now()"`
	Note     *string
	Items    []gormItem `gorm:"foreignKey:OrderID"`
}

type gormItem struct {
	ID        int64 `gorm:"primaryKey"`
	OrderID   int64
	ProductID int64
	Product   *gormProduct `gorm:"foreignKey:ProductID"`
	Quantity  int
	Price     string `gorm:"type:numeric(12,2)"`
}

func (gormUser) TableName() string    { return "users" }
func (gormProduct) TableName() string { return "products" }
func (gormTag) TableName() string     { return "tags" }
func (gormOrder) TableName() string   { return "orders" }
func (gormItem) TableName() string    { return "items" }

func openGorm(t testing.TB, db *sql.DB) *gorm.DB {
	t.Helper()
	g, err := gorm.Open(postgres.New(postgres.Config{Conn: db}), &gorm.Config{
		Logger: logger.Discard,
		// A clock that does not move, so that two rounds store the same.
		NowFunc: func() time.Time { return time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}
