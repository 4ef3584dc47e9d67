// Command scany uses scany over mlcache.
package main

import (
	"context"
	"fmt"

	"github.com/georgysavva/scany/v2/sqlscan"

	"github.com/mlcache/mlcache/examples/internal/example"
)

type book struct {
	ID    int64
	Title string
}

func main() {
	ctx := context.Background()
	db := example.Open()
	defer db.Close()
	_, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS scany_books (id bigint PRIMARY KEY, title text NOT NULL)")
	example.Must(err)
	_, err = db.ExecContext(ctx, `INSERT INTO scany_books VALUES (1, 'The Dispossessed'), (2, 'Lavinia')
		ON CONFLICT (id) DO UPDATE SET title = EXCLUDED.title`)
	example.Must(err)

	var books []book
	example.ReadOften(db, func() error {
		return sqlscan.Select(ctx, db, &books, "SELECT id, title FROM scany_books ORDER BY id")
	})
	fmt.Println(len(books), "books")

	// A write is seen at once.
	_, err = db.ExecContext(ctx, "UPDATE scany_books SET title = $1 WHERE id = $2", "The Lathe of Heaven", 2)
	example.Must(err)
	var b book
	example.Must(sqlscan.Get(ctx, db, &b, "SELECT id, title FROM scany_books WHERE id = $1", 2))
	fmt.Println(b.Title)
}
