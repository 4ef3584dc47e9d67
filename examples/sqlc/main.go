// Command sqlc uses code of the shape that sqlc generates for database/sql over
// mlcache: Queries stands for the generated package.
package main

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/mlcache/mlcache/examples/internal/example"
)

// Queries has a method for each named query.
type Queries struct{ db *sql.DB }

// Book is a row of sqlc_books.
type Book struct {
	ID    int64
	Title string
}

const getBook = `-- name: GetBook :one
SELECT id, title FROM sqlc_books
WHERE id = $1 LIMIT 1
`

// GetBook returns the book, or sql.ErrNoRows.
func (q *Queries) GetBook(ctx context.Context, id int64) (Book, error) {
	row := q.db.QueryRowContext(ctx, getBook, id)
	var i Book
	err := row.Scan(&i.ID, &i.Title)
	return i, err
}

const saveBook = `-- name: SaveBook :exec
INSERT INTO sqlc_books (id, title) VALUES ($1, $2)
ON CONFLICT (id) DO UPDATE SET title = EXCLUDED.title
`

// SaveBook inserts or updates.
func (q *Queries) SaveBook(ctx context.Context, arg Book) error {
	_, err := q.db.ExecContext(ctx, saveBook, arg.ID, arg.Title)
	return err
}

func main() {
	ctx := context.Background()
	db := example.Open()
	defer db.Close()
	_, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS sqlc_books (id bigint PRIMARY KEY, title text NOT NULL)")
	example.Must(err)
	q := &Queries{db}
	example.Must(q.SaveBook(ctx, Book{1, "Lavinia"}))

	var book Book
	example.ReadOften(db, func() (err error) {
		book, err = q.GetBook(ctx, 1)
		return err
	})
	fmt.Println(book.Title)

	// A write is seen at once.
	example.Must(q.SaveBook(ctx, Book{1, "The Lathe of Heaven"}))
	book, err = q.GetBook(ctx, 1)
	example.Must(err)
	fmt.Println(book.Title)
}
