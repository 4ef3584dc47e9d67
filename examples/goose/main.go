// Command goose migrates a database over mlcache while the cache is warm.
package main

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/pressly/goose/v3"

	"github.com/mlcache/mlcache/examples/internal/example"
)

// migrations would be files in an embed.FS.
var migrations = fstest.MapFS{
	"1_books.sql": {Data: []byte(`-- +goose Up
CREATE TABLE goose_books (id bigint PRIMARY KEY, title text NOT NULL);
INSERT INTO goose_books VALUES (1, 'Lavinia');
-- +goose Down
DROP TABLE goose_books;
`)},
	"2_title.sql": {Data: []byte(`-- +goose Up
UPDATE goose_books SET title = 'The Lathe of Heaven';
-- +goose Down
SELECT 1;
`)},
}

func main() {
	ctx := context.Background()
	db := example.Open()
	defer db.Close()
	p, err := goose.NewProvider(goose.DialectPostgres, db, migrations)
	example.Must(err)
	_, err = p.DownTo(ctx, 0)
	example.Must(err)
	_, err = p.UpTo(ctx, 1)
	example.Must(err)

	var title string
	read := func() error {
		return db.QueryRowContext(ctx, "SELECT title FROM goose_books WHERE id = $1", 1).Scan(&title)
	}
	example.ReadOften(db, read)
	fmt.Println(title)

	// What a migration changes is seen at once.
	_, err = p.Up(ctx)
	example.Must(err)
	example.Must(read())
	fmt.Println(title)
}
