// Command ent uses ent's SQL driver over mlcache. A client that ent has generated
// takes the same driver: NewClient(ent.Driver(drv)).
package main

import (
	"context"
	"fmt"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"github.com/mlcache/mlcache/examples/internal/example"
)

func main() {
	ctx := context.Background()
	db := example.Open()
	defer db.Close()
	drv := entsql.OpenDB(dialect.Postgres, db)
	_, err := drv.DB().ExecContext(ctx, "CREATE TABLE IF NOT EXISTS ent_books (id bigint PRIMARY KEY, title text NOT NULL)")
	example.Must(err)
	b := entsql.Dialect(dialect.Postgres)
	insert, args := b.Insert("ent_books").Columns("id", "title").Values(1, "The Dispossessed").Values(2, "Lavinia").
		OnConflict(entsql.ConflictColumns("id"), entsql.ResolveWithNewValues()).Query()
	example.Must(drv.Exec(ctx, insert, args, nil))

	var books []struct {
		ID    int64
		Title string
	}
	read := func(id ...any) error {
		t := b.Table("ent_books")
		query, args := b.Select(t.C("id"), t.C("title")).From(t).Where(entsql.In(t.C("id"), id...)).OrderBy(t.C("id")).Query()
		var rows entsql.Rows
		if err := drv.Query(ctx, query, args, &rows); err != nil {
			return err
		}
		defer rows.Close()
		books = books[:0]
		return entsql.ScanSlice(rows, &books)
	}
	example.ReadOften(db, func() error { return read(1, 2) })
	fmt.Println(len(books), "books")

	// A write is seen at once.
	update, args := b.Update("ent_books").Set("title", "The Lathe of Heaven").Where(entsql.EQ("id", 2)).Query()
	example.Must(drv.Exec(ctx, update, args, nil))
	example.Must(read(2))
	fmt.Println(books[0].Title)
}
