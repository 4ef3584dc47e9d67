package shop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Change is one write: of the shopkeeper, who gives a product a new price by one
// statement, or of a visitor, who orders two products in one transaction.
type Change struct {
	// Product gets a new price if Customer is zero. Otherwise it is ordered, and
	// so is the next one.
	Product int64
	// Customer is who orders; zero for a new price.
	Customer int64
}

const (
	repriceText = `UPDATE {s}.products SET price = price + 0.01, version = version + 1, updated_at = clock_timestamp() WHERE id = $1`
	orderText   = `INSERT INTO {s}.orders (customer_id, product_id, quantity, placed_at) VALUES ($1, $2, 1, clock_timestamp())`
	buyersText  = `SELECT DISTINCT customer_id FROM {s}.orders WHERE product_id = $1`
)

// Apply makes the change. When it returns nil, the change is committed.
func (a *Asker) Apply(ctx context.Context, c Change) error {
	if c.Customer == 0 {
		return touched(a.db.ExecContext(ctx, a.shop.text(repriceText), c.Product))
	}
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, product := range []int64{c.Product, c.Product%int64(a.shop.Products) + 1} {
		if err := touched(tx.ExecContext(ctx, a.shop.text(orderText), c.Customer, product)); err != nil {
			return err
		}
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
	if c.Customer != 0 {
		return []Question{{OrdersOfCustomer, c.Customer}}, nil
	}
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
	for _, b := range buyers {
		customer, ok := b.(int64)
		if !ok {
			return nil, fmt.Errorf("mlcache: a customer's number came as %T", b)
		}
		questions = append(questions, Question{OrdersOfCustomer, customer})
	}
	return questions, nil
}
