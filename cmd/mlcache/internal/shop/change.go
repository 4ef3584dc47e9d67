package shop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Change is one write of a visitor or of the shopkeeper.
type Change struct {
	// Product is the product whose price changes or which is ordered.
	Product int64
	// Customer is who orders, when Order is true.
	Customer int64
	// Order: insert an order and touch its product, in one transaction.
	// Otherwise the product gets a new price, by a statement of its own.
	Order bool
}

const (
	repriceText = `UPDATE {s}.products SET price = price + 0.01, version = version + 1, updated_at = clock_timestamp() WHERE id = $1`
	orderText   = `INSERT INTO {s}.orders (customer_id, product_id, quantity, placed_at) VALUES ($1, $2, 1, clock_timestamp())`
	touchText   = `UPDATE {s}.products SET version = version + 1, updated_at = clock_timestamp() WHERE id = $1`
	buyersText  = `SELECT DISTINCT customer_id FROM {s}.orders WHERE product_id = $1`
)

// Apply makes the change. When it returns nil, the change is committed.
func (a *Asker) Apply(ctx context.Context, c Change) error {
	if !c.Order {
		return touched(a.db.ExecContext(ctx, a.shop.text(repriceText), c.Product))
	}
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := touched(tx.ExecContext(ctx, a.shop.text(orderText), c.Customer, c.Product)); err != nil {
		return err
	}
	if err := touched(tx.ExecContext(ctx, a.shop.text(touchText), c.Product)); err != nil {
		return err
	}
	return tx.Commit()
}

func touched(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		return errors.Join(fmt.Errorf("mlcache: a change touched %d rows", n), err)
	}
	return nil
}

// Affected lists every question whose answer the change alters or may alter. Ask
// it before the change is made.
func (a *Asker) Affected(ctx context.Context, c Change) ([]Question, error) {
	category := c.Product % int64(a.shop.Categories())
	questions := []Question{{ProductByID, c.Product}, {TopOfCategory, category}, {CategoryFigures, category}}
	rows, err := a.db.QueryContext(ctx, a.shop.text(buyersText), c.Product)
	if err != nil {
		return nil, err
	}
	_, buyers, err := read(rows)
	if err != nil {
		return nil, err
	}
	ordered := false
	for _, b := range buyers {
		customer, ok := b.(int64)
		if !ok {
			return nil, fmt.Errorf("mlcache: a customer's number came as %T", b)
		}
		ordered = ordered || customer == c.Customer
		questions = append(questions, Question{OrdersOfCustomer, customer})
	}
	if c.Order && !ordered {
		questions = append(questions, Question{OrdersOfCustomer, c.Customer})
	}
	return questions, nil
}
