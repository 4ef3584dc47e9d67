// Command river works jobs of River over mlcache. The queue's own tables are
// written all the time, so nothing of them is kept; what the jobs are about is, and
// a job's change is seen at once.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/mlcache/mlcache/examples/internal/example"
)

type retitle struct {
	Book  int    `json:"book"`
	Title string `json:"title"`
}

func (retitle) Kind() string { return "retitle" }

type retitler struct {
	river.WorkerDefaults[retitle]
	db *sql.DB
}

func (w *retitler) Work(ctx context.Context, job *river.Job[retitle]) error {
	_, err := w.db.ExecContext(ctx, "UPDATE river_books SET title = $1 WHERE id = $2", job.Args.Title, job.Args.Book)
	return err
}

func main() {
	ctx := context.Background()
	db := example.Open()
	defer db.Close()
	driver := riverdatabasesql.New(db)
	migrator, err := rivermigrate.New(driver, nil)
	example.Must(err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	example.Must(err)
	for _, statement := range []string{
		"DROP TABLE IF EXISTS river_books",
		"CREATE TABLE river_books (id int PRIMARY KEY, title text NOT NULL)",
		"INSERT INTO river_books VALUES (1, 'Lavinia')",
	} {
		_, err := db.ExecContext(ctx, statement)
		example.Must(err)
	}

	workers := river.NewWorkers()
	river.AddWorker(workers, &retitler{db: db})
	client, err := river.NewClient(driver, &river.Config{
		Logger:  slog.New(slog.DiscardHandler),
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 2}},
		Workers: workers,
	})
	example.Must(err)
	completed, cancel := client.Subscribe(river.EventKindJobCompleted)
	defer cancel()
	example.Must(client.Start(ctx))

	var title string
	read := func() error {
		return db.QueryRowContext(ctx, "SELECT title FROM river_books WHERE id = $1", 1).Scan(&title)
	}
	example.ReadOften(db, read)
	fmt.Println(title)

	_, err = client.Insert(ctx, retitle{Book: 1, Title: "The Lathe of Heaven"}, nil)
	example.Must(err)
	<-completed
	example.Must(read())
	fmt.Println(title)
	example.Must(client.Stop(ctx))
}
