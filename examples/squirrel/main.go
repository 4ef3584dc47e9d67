// Command squirrel uses squirrel over mlcache.
package main

import (
	"fmt"

	sq "github.com/Masterminds/squirrel"

	"github.com/mlcache/mlcache/examples/internal/example"
)

func main() {
	db := example.Open()
	defer db.Close()
	_, err := db.Exec("CREATE TABLE IF NOT EXISTS squirrel_books (id bigint PRIMARY KEY, title text NOT NULL)")
	example.Must(err)
	b := sq.StatementBuilder.PlaceholderFormat(sq.Dollar).RunWith(db)
	_, err = b.Insert("squirrel_books").Columns("id", "title").Values(1, "The Dispossessed").Values(2, "Lavinia").
		Suffix("ON CONFLICT (id) DO UPDATE SET title = EXCLUDED.title").Exec()
	example.Must(err)

	var title string
	read := func() error {
		return b.Select("title").From("squirrel_books").Where(sq.Eq{"id": 2}).QueryRow().Scan(&title)
	}
	example.ReadOften(db, read)
	fmt.Println(title)

	// A write is seen at once.
	_, err = b.Update("squirrel_books").Set("title", "The Lathe of Heaven").Where(sq.Eq{"id": 2}).Exec()
	example.Must(err)
	example.Must(read())
	fmt.Println(title)
}
