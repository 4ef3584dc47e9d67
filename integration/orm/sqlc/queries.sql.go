package sqlc

import (
	"context"
	"database/sql"
	"strings"
	"time"
)

const getUser = `-- name: GetUser :one
SELECT id, email, name, settings, created_at, updated_at, deleted_at FROM users
WHERE id = $1 AND deleted_at IS NULL LIMIT 1
`

// GetUser returns the user, or sql.ErrNoRows.
func (q *Queries) GetUser(ctx context.Context, id int64) (User, error) {
	row := q.db.QueryRowContext(ctx, getUser, id)
	var i User
	err := row.Scan(&i.ID, &i.Email, &i.Name, &i.Settings, &i.CreatedAt, &i.UpdatedAt, &i.DeletedAt)
	return i, err
}

const listOrders = `-- name: ListOrders :many
SELECT id, user_id, status, total, placed_at, note FROM orders
WHERE user_id = $1
ORDER BY placed_at DESC, id DESC
LIMIT $2 OFFSET $3
`

// ListOrdersParams are the parameters of ListOrders.
type ListOrdersParams struct {
	UserID int64
	Limit  int32
	Offset int32
}

// ListOrders returns a page of a user's orders.
func (q *Queries) ListOrders(ctx context.Context, arg ListOrdersParams) ([]Order, error) {
	return q.orders(ctx, listOrders, arg.UserID, arg.Limit, arg.Offset)
}

const ordersBetween = `-- name: OrdersBetween :many
SELECT id, user_id, status, total, placed_at, note FROM orders
WHERE placed_at >= $1 AND placed_at < $2
ORDER BY id
`

// OrdersBetween returns the orders of a time.
func (q *Queries) OrdersBetween(ctx context.Context, from, to time.Time) ([]Order, error) {
	return q.orders(ctx, ordersBetween, from, to)
}

const ordersByIDs = `-- name: OrdersByIDs :many
SELECT id, user_id, status, total, placed_at, note FROM orders
WHERE id IN (/*SLICE:ids*/?)
ORDER BY id
`

// OrdersByIDs writes a placeholder for each id, as sqlc.slice does.
func (q *Queries) OrdersByIDs(ctx context.Context, ids []int64) ([]Order, error) {
	args := make([]any, len(ids))
	marks := make([]string, len(ids))
	for i, id := range ids {
		args[i] = id
		marks[i] = "$" + string(rune('1'+i))
	}
	return q.orders(ctx, strings.Replace(ordersByIDs, "/*SLICE:ids*/?", strings.Join(marks, ","), 1), args...)
}

const searchOrders = `-- name: SearchOrders :many
SELECT id, user_id, status, total, placed_at, note FROM orders
WHERE ($1::text IS NULL OR status::text = $1::text)
  AND (user_id = $2 OR $2 IS NULL)
ORDER BY id
`

// SearchOrdersParams are the parameters of SearchOrders; null means any.
type SearchOrdersParams struct {
	Status sql.NullString
	UserID sql.NullInt64
}

// SearchOrders returns the orders that fit.
func (q *Queries) SearchOrders(ctx context.Context, arg SearchOrdersParams) ([]Order, error) {
	return q.orders(ctx, searchOrders, arg.Status, arg.UserID)
}

func (q *Queries) orders(ctx context.Context, query string, args ...any) ([]Order, error) {
	rows, err := q.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var items []Order
	for rows.Next() {
		var i Order
		if err := rows.Scan(&i.ID, &i.UserID, &i.Status, &i.Total, &i.PlacedAt, &i.Note); err != nil {
			return nil, err
		}
		items = append(items, i)
	}
	if err := rows.Close(); err != nil {
		return nil, err
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return items, nil
}

const userTotals = `-- name: UserTotals :many
SELECT u.id, u.name, count(o.id) AS orders, coalesce(sum(o.total), 0)::text AS total,
       count(*) FILTER (WHERE o.status = 'paid') AS paid,
       rank() OVER (ORDER BY sum(o.total) DESC NULLS LAST) AS rank
FROM users u
LEFT JOIN orders o ON o.user_id = u.id
WHERE u.deleted_at IS NULL
GROUP BY u.id
ORDER BY u.id
`

// UserTotalsRow is a row of UserTotals.
type UserTotalsRow struct {
	ID     int64
	Name   string
	Orders int64
	Total  string
	Paid   int64
	Rank   int64
}

// UserTotals returns what each user has spent.
func (q *Queries) UserTotals(ctx context.Context) ([]UserTotalsRow, error) {
	rows, err := q.db.QueryContext(ctx, userTotals)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var items []UserTotalsRow
	for rows.Next() {
		var i UserTotalsRow
		if err := rows.Scan(&i.ID, &i.Name, &i.Orders, &i.Total, &i.Paid, &i.Rank); err != nil {
			return nil, err
		}
		items = append(items, i)
	}
	return items, rows.Err()
}

const countOrders = `-- name: CountOrders :one
SELECT count(*) FROM orders WHERE status = $1
`

// CountOrders counts the orders in a state.
func (q *Queries) CountOrders(ctx context.Context, status string) (int64, error) {
	var n int64
	err := q.db.QueryRowContext(ctx, countOrders, status).Scan(&n)
	return n, err
}

const createUser = `-- name: CreateUser :one
INSERT INTO users (email, name, created_at, updated_at) VALUES ($1, $2, $3, $3)
RETURNING id, email, name, settings, created_at, updated_at, deleted_at
`

// CreateUser returns the new row.
func (q *Queries) CreateUser(ctx context.Context, email, name string, at time.Time) (User, error) {
	row := q.db.QueryRowContext(ctx, createUser, email, name, at)
	var i User
	err := row.Scan(&i.ID, &i.Email, &i.Name, &i.Settings, &i.CreatedAt, &i.UpdatedAt, &i.DeletedAt)
	return i, err
}

const createOrder = `-- name: CreateOrder :one
INSERT INTO orders (user_id, total, placed_at, note) VALUES ($1, $2, $3, $4) RETURNING id
`

// CreateOrder returns the new row's id.
func (q *Queries) CreateOrder(ctx context.Context, userID int64, total string, at time.Time, note sql.NullString) (int64, error) {
	var id int64
	err := q.db.QueryRowContext(ctx, createOrder, userID, total, at, note).Scan(&id)
	return id, err
}

const setStatus = `-- name: SetStatus :execrows
UPDATE orders SET status = $2 WHERE id = $1
`

// SetStatus returns the number of rows that it changed.
func (q *Queries) SetStatus(ctx context.Context, id int64, status string) (int64, error) {
	result, err := q.db.ExecContext(ctx, setStatus, id, status)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

const deleteOrders = `-- name: DeleteOrders :exec
DELETE FROM orders WHERE user_id = $1
`

// DeleteOrders removes a user's orders.
func (q *Queries) DeleteOrders(ctx context.Context, userID int64) error {
	_, err := q.db.ExecContext(ctx, deleteOrders, userID)
	return err
}
