package suite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mlcache/mlcache/bench/internal/duel"
	"github.com/mlcache/mlcache/bench/internal/floor"
)

// item is a row of five columns.
type item struct {
	ID      int64
	Name    string
	Price   float64
	Active  bool
	Created time.Time
}

func (i *item) dest() []any { return []any{&i.ID, &i.Name, &i.Price, &i.Active, &i.Created} }

const (
	selectOne = `SELECT id, name, price, active, created FROM mlcache_bench.items WHERE id = $1`
	select100 = `SELECT id, name, price, active, created FROM mlcache_bench.items WHERE id > $1 AND id <= $2 ORDER BY id`
	// The second argument makes each question a new one.
	selectNew = `SELECT id, name, price, active, created FROM mlcache_bench.items WHERE id = $1 AND $2::bigint <> 0`
	// As a text without arguments that was never seen before.
	selectText = `SELECT id, name, price, active, created FROM mlcache_bench.items WHERE id = %d AND %d <> 0`

	update = `UPDATE mlcache_bench.stock SET amount = amount + 1 WHERE id = $1`
)

// queryOne asks for one row, always the same, as programs usually do.
func queryOne(ctx context.Context, db *sql.DB) duel.Run {
	args := []any{int64(77)}
	return func(n int) error {
		for range n {
			var (
				id      int64
				name    string
				price   float64
				active  bool
				created time.Time
			)
			if err := db.QueryRowContext(ctx, selectOne, args...).Scan(&id, &name, &price, &active, &created); err != nil {
				return err
			}
		}
		return nil
	}
}

// answersInTurn are far more than a connection keeps at hand.
const answersInTurn = 1000

// queryInTurn asks for one row after the other, of so many.
func queryInTurn(ctx context.Context, db *sql.DB) duel.Run {
	args := make([][]any, answersInTurn)
	for i := range args {
		args[i] = []any{int64(1000 + i)}
	}
	next := 0
	return func(n int) error {
		var got item
		dest := got.dest()
		for range n {
			next = (next + 1) % len(args)
			if err := db.QueryRowContext(ctx, selectOne, args[next]...).Scan(dest...); err != nil {
				return err
			}
		}
		return nil
	}
}

// queryMany asks for 100 rows.
func queryMany(ctx context.Context, db *sql.DB) duel.Run {
	args := []any{int64(1000), int64(1100)}
	return func(n int) error {
		for range n {
			if _, err := readAll(ctx, db, select100, args...); err != nil {
				return err
			}
		}
		return nil
	}
}

func readAll(ctx context.Context, db *sql.DB, query string, args ...any) (last item, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return last, err
	}
	defer rows.Close()
	dest := last.dest()
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return last, err
		}
	}
	return last, rows.Err()
}

// queryNew asks a question that was not asked before.
func queryNew(ctx context.Context, db *sql.DB) duel.Run {
	return func(n int) error {
		var got item
		dest := got.dest()
		for range n {
			k := once.Add(1)
			if err := db.QueryRowContext(ctx, selectNew, k%items+1, k).Scan(dest...); err != nil {
				return err
			}
		}
		return nil
	}
}

// queryText asks with a text that was not used before.
func queryText(ctx context.Context, db *sql.DB) duel.Run {
	return func(n int) error {
		var got item
		dest := got.dest()
		for range n {
			k := once.Add(1)
			if err := db.QueryRowContext(ctx, fmt.Sprintf(selectText, k%items+1, k)).Scan(dest...); err != nil {
				return err
			}
		}
		return nil
	}
}

// queryNow asks what cannot be cached.
func queryNow(ctx context.Context, db *sql.DB) duel.Run {
	return func(n int) error {
		var now time.Time
		for range n {
			if err := db.QueryRowContext(ctx, "SELECT now()").Scan(&now); err != nil {
				return err
			}
		}
		return nil
	}
}

// updateOne changes one row, outside of a transaction.
func updateOne(ctx context.Context, db *sql.DB) duel.Run {
	return func(n int) error {
		for range n {
			if _, err := db.ExecContext(ctx, update, once.Add(1)%1000+1); err != nil {
				return err
			}
		}
		return nil
	}
}

// both does two things after each other.
func both(first, second duel.Run) duel.Run {
	return func(n int) error {
		for range n {
			if err := first(1); err != nil {
				return err
			}
			if err := second(1); err != nil {
				return err
			}
		}
		return nil
	}
}

// parallel shares the operations among goroutines. run does one at a time, for
// whoever comes.
func parallel(goroutines int, run duel.Run) duel.Run {
	return func(n int) error {
		var wg sync.WaitGroup
		var left atomic.Int64
		left.Store(int64(n))
		errs := make(chan error, goroutines)
		for range goroutines {
			wg.Go(func() {
				for left.Add(-1) >= 0 {
					if err := run(1); err != nil {
						errs <- err
						return
					}
				}
			})
		}
		wg.Wait()
		close(errs)
		return <-errs
	}
}

// openFloor opens a *sql.DB whose driver costs nothing and gives the answer that
// db gives.
func openFloor(ctx context.Context, db *sql.DB, query string, args ...any) (*sql.DB, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	c := &floor.Connector{}
	if c.Columns, err = rows.Columns(); err != nil {
		return nil, err
	}
	for rows.Next() {
		row := make([]any, len(c.Columns))
		dest := make([]any, len(row))
		for i := range row {
			dest[i] = &row[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		values := make([]driver.Value, len(row))
		for i, v := range row {
			values[i] = v
		}
		c.Rows = append(c.Rows, values)
	}
	floorDB := sql.OpenDB(c)
	floorDB.SetMaxIdleConns(idleConns)
	return floorDB, rows.Err()
}

// same checks that two databases give the same answer.
func same(ctx context.Context, a, b *sql.DB, query string, args ...any) error {
	x, err := readAll(ctx, a, query, args...)
	if err != nil {
		return err
	}
	y, err := readAll(ctx, b, query, args...)
	if err != nil {
		return err
	}
	if x != y {
		return fmt.Errorf("answers differ: %v and %v", x, y)
	}
	return nil
}
