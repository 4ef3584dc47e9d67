package suite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/bench/internal/chart"
	"github.com/mlcache/mlcache/bench/internal/duel"
)

// growRows asks for longer and longer results.
func growRows(ctx context.Context, e *Env) (*chart.Chart, error) {
	sizes := []int{1, 10, 100, 1000, 10_000}
	ask := func(db *sql.DB) (runs []duel.Run) {
		for _, n := range sizes {
			runs = append(runs, func(times int) error {
				for range times {
					last, err := readAll(ctx, db, select100, int64(1000), int64(1000+n))
					if err != nil {
						return err
					}
					if last.ID != int64(1000+n) {
						return fmt.Errorf("the last of %d rows is %d", n, last.ID)
					}
				}
				return nil
			})
		}
		return runs
	}
	hits := func(s mlcache.Stats) uint64 { return s.L1Hits + s.L2Hits }
	direct := ask(e.direct)
	cached, err := e.cachedCurves(ctx, ask, direct, []cachedWay{
		{"hit in memory, or in Redis what is too long for memory", []string{"redis"}, hits},
		{"hit in Redis", []string{"redis", "mlcache_l1_size=0"}, hits},
	})
	if err != nil {
		return nil, err
	}
	defer cached.close()
	floor := curve{name: "no-op driver", against: direct}
	for _, n := range sizes {
		noop, err := openFloor(ctx, e.direct, select100, int64(1000), int64(1000+n))
		if err != nil {
			return nil, err
		}
		defer noop.Close()
		floor.runs = append(floor.runs, func(times int) error {
			for range times {
				if _, err := readAll(ctx, noop, select100, int64(1000), int64(1000+n)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	c, err := e.measure(ctx, &chart.Chart{
		Name: "rows", Title: "n rows of 5 columns",
		X: "rows", Y: "time, by pgx's for as many rows",
	}, 4, sizes, append(cached.curves, floor)...)
	if err != nil {
		return nil, err
	}
	return c, passed(cached.checks)
}

// growConnections has more and more goroutines ask at once, each with a connection
// of its own.
func growConnections(ctx context.Context, e *Env) (*chart.Chart, error) {
	sizes := []int{1, 4, 16, 64, 256}
	most := sizes[len(sizes)-1]
	db, err := hit{ask: queryOne, query: selectOne, args: []any{int64(77)}}.open(ctx, e)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	noop, err := openFloor(ctx, e.direct, selectOne, int64(77))
	if err != nil {
		return nil, err
	}
	defer noop.Close()
	direct, err := e.openDirect()
	if err != nil {
		return nil, err
	}
	defer direct.Close()
	var curves []curve
	for _, way := range []struct {
		name string
		db   *sql.DB
	}{{"hit in memory", db.DB}, {"no-op driver", noop}, {"pgx direct", direct}} {
		way.db.SetMaxIdleConns(most)
		cv := curve{name: way.name}
		for _, n := range sizes {
			cv.runs = append(cv.runs, parallel(n, queryOne(ctx, way.db)))
		}
		curves = append(curves, cv)
	}
	// A slice is long enough for each goroutine to ask more than once.
	c, err := e.measure(ctx, &chart.Chart{
		Name: "connections", Title: "One row, for n connections at once, on 2 processors",
		X: "connections", Y: "time for a query, by that with 1 connection",
	}, 20, sizes, curves...)
	if err != nil {
		return nil, err
	}
	return c, passed([]func() (string, error){db.share("L1 hits", l1Hits)})
}
