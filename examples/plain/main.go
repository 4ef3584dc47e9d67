// A small shop over database/sql. It knows nothing of a cache.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	_ "github.com/mlcache/mlcache" // was: _ "github.com/jackc/pgx/v5/stdlib"
)

const driver = "mlcache" // was: "pgx"

const schema = `
DROP TABLE IF EXISTS line, purchase, item;
CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL, price numeric(8,2) NOT NULL, stock int NOT NULL CHECK (stock >= 0), added date);
CREATE TABLE purchase (id int PRIMARY KEY, customer text NOT NULL, at timestamptz NOT NULL);
CREATE TABLE line (purchase int REFERENCES purchase ON DELETE CASCADE, item int REFERENCES item, quantity int NOT NULL);
INSERT INTO item VALUES (1, 'lamp', 39.90, 5, '2024-02-29'), (2, 'chair', 120, 2, NULL), (3, 'desk', 310.5, 0, '2025-01-01')`

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// shelf prints what can be bought.
func shelf(ctx context.Context, db *sql.DB) {
	rows, err := db.QueryContext(ctx, "SELECT name, price, stock, added FROM item WHERE stock >= $1 ORDER BY name", 1)
	must(err)
	defer rows.Close()
	for rows.Next() {
		var name, price string
		var stock int
		var added sql.NullTime
		must(rows.Scan(&name, &price, &stock, &added))
		fmt.Printf("%-6s %8s %3d %v %s\n", name, price, stock, added.Valid, added.Time.Format(time.DateOnly))
	}
	must(rows.Err())
}

// buy takes goods from the shelf, or leaves everything as it was.
func buy(ctx context.Context, db *sql.DB, purchase int, customer string, items map[int]int) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, "INSERT INTO purchase VALUES ($1, $2, '2026-05-01 12:00+02')", purchase, customer); err != nil {
		return err
	}
	for item, quantity := range items {
		if _, err := tx.ExecContext(ctx, "INSERT INTO line VALUES ($1, $2, $3)", purchase, item, quantity); err != nil {
			return err
		}
		var left int
		err := tx.QueryRowContext(ctx, "UPDATE item SET stock = stock - $1 WHERE id = $2 RETURNING stock", quantity, item).Scan(&left)
		if err != nil {
			return fmt.Errorf("item %d: %w", item, err)
		}
	}
	return tx.Commit()
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db, err := sql.Open(driver, os.Getenv("DATABASE_URL"))
	must(err)
	defer db.Close()
	_, err = db.ExecContext(ctx, schema)
	must(err)

	total, err := db.PrepareContext(ctx, `SELECT p.customer, p.at AT TIME ZONE 'UTC', sum(l.quantity * i.price)
		FROM purchase p JOIN line l ON l.purchase = p.id JOIN item i ON i.id = l.item WHERE p.id = $1 GROUP BY 1, 2`)
	must(err)
	defer total.Close()
	for round, order := range []map[int]int{{1: 1}, {1: 2, 2: 1}, {2: 5}, {3: 1}} {
		fmt.Println("order", round, buy(ctx, db, round, fmt.Sprint("customer ", round), order))
		for range 3 { // a busy page
			shelf(ctx, db)
			var customer, sum string
			var at time.Time
			switch err := total.QueryRowContext(ctx, round).Scan(&customer, &at, &sum); {
			case errors.Is(err, sql.ErrNoRows):
				fmt.Println("nothing bought")
			default:
				must(err)
				fmt.Println(customer, at.Format(time.RFC3339), sum)
			}
		}
	}
	_, err = db.ExecContext(ctx, "DELETE FROM purchase WHERE id = 0") // and its lines, by the foreign key
	must(err)
	var lines int
	must(db.QueryRowContext(ctx, "SELECT count(*) FROM line").Scan(&lines))
	fmt.Println(lines, "lines left")
}
