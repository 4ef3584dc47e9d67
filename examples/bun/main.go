// Command bun uses bun over mlcache.
package main

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/mlcache/mlcache/examples/internal/example"
)

// Book is a row of bun_books.
type Book struct {
	bun.BaseModel `bun:"table:bun_books,alias:b"`

	ID    int64  `bun:"id,pk,autoincrement"`
	Title string `bun:"title,notnull"`
}

func main() {
	ctx := context.Background()
	db := example.Open()
	defer db.Close()
	b := bun.NewDB(db, pgdialect.New())
	_, err := b.NewCreateTable().Model((*Book)(nil)).IfNotExists().Exec(ctx)
	example.Must(err)
	_, err = b.NewInsert().Model(&[]Book{{ID: 1, Title: "The Dispossessed"}, {ID: 2, Title: "Lavinia"}}).
		On("CONFLICT (id) DO UPDATE").Set("title = EXCLUDED.title").Exec(ctx)
	example.Must(err)

	var books []Book
	example.ReadOften(db, func() error {
		return b.NewSelect().Model(&books).Order("id").Scan(ctx)
	})
	fmt.Println(len(books), "books")

	// A write is seen at once, also when a transaction made it.
	example.Must(b.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewUpdate().Model(&Book{ID: 2, Title: "The Lathe of Heaven"}).WherePK().Exec(ctx)
		return err
	}))
	book := Book{ID: 2}
	example.Must(b.NewSelect().Model(&book).WherePK().Scan(ctx))
	fmt.Println(book.Title)
}
