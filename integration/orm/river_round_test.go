package orm

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"github.com/mlcache/mlcache/integration/harness"
)

// riverShip is a job: an order goes out.
type riverShip struct {
	Order int    `json:"order" river:"unique"`
	How   string `json:"how"`
}

func (riverShip) Kind() string { return "ship" }

// errLost is what a job reports that is given up.
var errLost = errors.New("lost on the way")

// riverWorker changes what the job is about and completes the job in the same
// transaction.
type riverWorker struct {
	river.WorkerDefaults[riverShip]
	db *sql.DB
}

func (w *riverWorker) Work(ctx context.Context, job *river.Job[riverShip]) error {
	switch job.Args.How {
	case "lose":
		return errLost
	case "cancel":
		return river.JobCancel(errLost)
	}
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit there is nothing left to undo
	if _, err := tx.ExecContext(ctx, "UPDATE shipment SET sent = sent + 1 WHERE id = $1", job.Args.Order); err != nil {
		return err
	}
	if _, err := river.JobCompleteTx[*riverdatabasesql.Driver](ctx, tx, job); err != nil {
		return err
	}
	return tx.Commit()
}

// riverJob is what two rounds have in common of a job: no times, no names of clients.
type riverJob struct {
	ID              int64
	Kind, State     string
	Args            string
	Attempt, Errors int
	Tags            []string
}

func riverJobOf(row *rivertype.JobRow) riverJob {
	return riverJob{row.ID, row.Kind, string(row.State), string(row.EncodedArgs), row.Attempt, len(row.Errors), row.Tags}
}

func riverRound(t testing.TB, db *sql.DB, n *notebook) {
	ctx := harness.Context(t)
	driver := riverdatabasesql.New(db)
	migrator, err := rivermigrate.New(driver, nil)
	n.do("migrator", err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	n.do("migrate", err)
	harness.Exec(t, db, "CREATE TABLE shipment (id int PRIMARY KEY, sent int NOT NULL)")
	harness.Exec(t, db, "INSERT INTO shipment SELECT i, 0 FROM generate_series(1, 20) i")

	client, err := river.NewClient(driver, &river.Config{Logger: slog.New(slog.DiscardHandler)})
	n.do("client", err)
	see := func(when string, ids ...int64) {
		n.see(when+": jobs", func() (any, error) {
			list, err := client.JobList(ctx, river.NewJobListParams().OrderBy(river.JobListOrderByID, river.SortOrderAsc))
			if err != nil {
				return nil, err
			}
			var jobs []riverJob
			for _, row := range list.Jobs {
				jobs = append(jobs, riverJobOf(row))
			}
			return jobs, nil
		})
		for _, id := range ids {
			n.see(when+": one", func() (any, error) {
				row, err := client.JobGet(ctx, id)
				if err != nil {
					return nil, err
				}
				return riverJobOf(row), nil
			})
		}
		n.see(when+": shipments", func() (any, error) {
			r := harness.TryQuery(ctx, db, "SELECT id, sent FROM shipment ORDER BY id")
			return r.String(), nil
		})
		n.see(when+": version", func() (any, error) {
			versions, err := migrator.ExistingVersions(ctx)
			return len(versions), err
		})
	}
	see("empty", 1)
	_, err = client.Insert(ctx, riverShip{Order: 1}, &river.InsertOpts{Tags: []string{"first"}})
	n.do("insert", err)
	see("one", 1)
	for range 2 {
		result, err := client.Insert(ctx, riverShip{Order: 2, How: "by air"}, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true}})
		n.do("insert unique", err)
		n.note("skipped", result.UniqueSkippedAsDuplicate)
	}
	_, err = client.InsertMany(ctx, []river.InsertManyParams{
		{Args: riverShip{Order: 3, How: "lose"}, InsertOpts: &river.InsertOpts{MaxAttempts: 1}},
		{Args: riverShip{Order: 4, How: "cancel"}},
		{Args: riverShip{Order: 5}, InsertOpts: &river.InsertOpts{ScheduledAt: time.Now().Add(24 * time.Hour)}},
	})
	n.do("insert many", err)
	see("many", 1)
	insertTx := func(order int, end func(*sql.Tx) error) {
		tx, err := db.BeginTx(ctx, nil)
		n.do("begin", err)
		harness.Exec(t, tx, "UPDATE shipment SET sent = -1 WHERE id = $1", order)
		_, err = client.InsertTx(ctx, tx, riverShip{Order: order}, nil)
		n.do("insert in a transaction", err)
		n.do("end", end(tx))
	}
	insertTx(6, (*sql.Tx).Commit)
	see("committed")
	insertTx(7, (*sql.Tx).Rollback)
	see("rolled back")
	fast := make([]river.InsertManyParams, 10)
	for i := range fast {
		fast[i].Args = riverShip{Order: 11 + i}
	}
	count, err := client.InsertManyFast(ctx, fast)
	n.do("insert fast", err)
	n.note("inserted", count)
	_, err = client.JobCancel(ctx, 1)
	n.do("cancel", err)
	see("before work", 1, 2)

	workRiver(t, db, n, 4+len(fast)) // the first is cancelled, the fifth is for tomorrow
	see("worked", 1, 2, 3)
	_, err = client.JobRetry(ctx, 1)
	n.do("retry", err)
	_, err = client.JobDelete(ctx, 2)
	n.do("delete", err)
	see("at the end", 1, 2)

	// What the clock wrote goes, and what the clients wrote of themselves.
	for _, s := range []string{
		"TRUNCATE river_leader, river_queue, river_client, river_client_queue",
		"UPDATE river_migration SET created_at = 'epoch'",
		`UPDATE river_job SET created_at = 'epoch', scheduled_at = 'epoch', attempted_at = NULL, attempted_by = NULL, errors = NULL,
			metadata = '{}', finalized_at = CASE WHEN finalized_at IS NOT NULL THEN timestamptz 'epoch' END`,
	} {
		harness.Exec(t, db, s)
	}
}

// workRiver works the jobs that are due until so many have come to an end.
func workRiver(t testing.TB, db *sql.DB, n *notebook, due int) {
	ctx := harness.Context(t)
	workers := river.NewWorkers()
	river.AddWorker(workers, &riverWorker{db: db})
	client, err := river.NewClient(riverdatabasesql.New(db), &river.Config{
		Logger:            slog.New(slog.DiscardHandler),
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}},
		Workers:           workers,
		FetchPollInterval: 100 * time.Millisecond,
	})
	n.do("working client", err)
	ended, cancel := client.Subscribe(river.EventKindJobCompleted, river.EventKindJobFailed, river.EventKindJobCancelled)
	defer cancel()
	n.do("start", client.Start(ctx))
	for range due {
		select {
		case <-ended:
		case <-ctx.Done():
			t.Fatal("the jobs do not come to an end")
		}
	}
	n.do("stop", client.Stop(ctx))
}
