package sqlc

import (
	"database/sql"
	"encoding/json"
	"time"
)

// User is a row of users.
type User struct {
	ID        int64
	Email     string
	Name      string
	Settings  json.RawMessage
	CreatedAt time.Time
	UpdatedAt time.Time
	DeletedAt sql.NullTime
}

// Order is a row of orders.
type Order struct {
	ID       int64
	UserID   int64
	Status   string
	Total    string
	PlacedAt time.Time
	Note     sql.NullString
}
