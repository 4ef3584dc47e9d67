package suite

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand"
	"sync/atomic"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/bench/internal/duel"
)

func mixCases() []Case {
	const updateItem = `UPDATE mlcache_bench.items SET price = price + 1 WHERE id = $1`
	return []Case{
		{
			Name: "95:5 Zipf mix, writes to another table, 16 goroutines", Against: "pgx direct", Unit: Throughput,
			Limit: bound(3.5), Aim: bound(6), Measure: versus(Throughput, 20, mix(update)),
		},
		{
			Name: "95:5 Zipf mix, writes to the table that is read", Against: "pgx direct", Unit: Throughput,
			Limit: bound(0.7), Aim: bound(1), Measure: versus(Throughput, 20, mix(updateItem)),
		},
	}
}

const (
	mixKeys       = 10_000
	mixGoroutines = 16
	mixSkew       = 1.1
)

// mix reads items by a Zipf distribution and writes one time in twenty. Both
// sides do the same things in the same order.
func mix(write string) func(context.Context, *Env) (*contest, error) {
	return func(ctx context.Context, env *Env) (*contest, error) {
		db, err := env.cached(ctx, "redis")
		if err != nil {
			return nil, err
		}
		direct, err := env.openDirect()
		if err != nil {
			db.Close()
			return nil, err
		}
		db.SetMaxOpenConns(mixGoroutines)
		direct.SetMaxOpenConns(mixGoroutines)
		// As after some time of work: what is read most is known.
		for id := int64(1); id <= mixKeys; id++ {
			var got item
			if err := db.QueryRowContext(ctx, selectOne, id).Scan(got.dest()...); err != nil {
				db.Close()
				direct.Close()
				return nil, err
			}
		}
		db.markWarm()
		return &contest{
			subject:   parallel(mixGoroutines, mixed(ctx, db.DB, write)),
			reference: parallel(mixGoroutines, mixed(ctx, direct, write)),
			check: func() (string, error) {
				all, hits := db.reads(func(s mlcache.Stats) uint64 { return s.L1Hits + s.L2Hits })
				_, passed := db.reads(bypasses)
				return fmt.Sprintf("%.0f%% hits, %.0f%% passed through", percent(hits, all), percent(passed, all)), nil
			},
			close: func() { db.Close(); direct.Close() },
		}, nil
	}
}

func percent(part, all uint64) float64 { return 100 * float64(part) / float64(max(all, 1)) }

func mixed(ctx context.Context, db *sql.DB, write string) duel.Run {
	random := rand.New(rand.NewSource(1))
	zipf := rand.NewZipf(random, mixSkew, 1, mixKeys-1)
	ids := make([]any, 1<<16)
	writes := make([]bool, len(ids))
	for i := range ids {
		// Spread, so that popular items do not share pages.
		ids[i] = int64(zipf.Uint64()*7919%mixKeys) + 1
		writes[i] = random.Intn(20) == 0
	}
	var next atomic.Uint64
	return func(n int) error {
		var got item
		dest := got.dest()
		for range n {
			i := next.Add(1) % uint64(len(ids))
			var err error
			if writes[i] {
				id := ids[i]
				if write == update {
					id = ids[i].(int64)%1000 + 1
				}
				_, err = db.ExecContext(ctx, write, id)
			} else {
				err = db.QueryRowContext(ctx, selectOne, ids[i]).Scan(dest...)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}
