// Command sqlx uses sqlx over mlcache.
package main

import (
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/mlcache/mlcache/examples/internal/example"
)

type book struct {
	ID    int64  `db:"id"`
	Title string `db:"title"`
}

func main() {
	// sqlx knows the placeholders of the drivers whose names it knows.
	sqlx.BindDriver("mlcache", sqlx.DOLLAR)
	db := example.Open()
	defer db.Close()
	x := sqlx.NewDb(db, "mlcache") // or sqlx.Open("mlcache", dsn)
	x.MustExec("CREATE TABLE IF NOT EXISTS sqlx_books (id bigint PRIMARY KEY, title text NOT NULL)")
	_, err := x.NamedExec("INSERT INTO sqlx_books (id, title) VALUES (:id, :title) ON CONFLICT (id) DO UPDATE SET title = EXCLUDED.title",
		[]book{{1, "The Dispossessed"}, {2, "Lavinia"}})
	example.Must(err)

	var books []book
	query, args, err := sqlx.In("SELECT id, title FROM sqlx_books WHERE id IN (?) ORDER BY id", []int{1, 2})
	example.Must(err)
	example.ReadOften(db, func() error {
		books = nil
		return x.Select(&books, x.Rebind(query), args...)
	})
	fmt.Println(len(books), "books")

	// A write is seen at once.
	x.MustExec("UPDATE sqlx_books SET title = $1 WHERE id = $2", "The Lathe of Heaven", 2)
	var b book
	example.Must(x.Get(&b, "SELECT id, title FROM sqlx_books WHERE id = $1", 2))
	fmt.Println(b.Title)
}
