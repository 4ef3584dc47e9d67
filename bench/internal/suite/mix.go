package suite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"sync/atomic"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/bench/internal/duel"
)

func mixCases() []Case {
	const updateItem = `UPDATE mlcache_bench.items SET price = price + 1 WHERE id = $1`
	return []Case{
		{
			Name: "95:5 Zipf mix, writes to another table, 16 goroutines", Against: "pgx direct", Unit: Throughput,
			Limit: bound(3.5), Aim: bound(6), Measure: versus(Throughput, 200, mix(update)),
		},
		{
			Name: "95:5 Zipf mix, writes to the table that is read", Against: "pgx direct", Unit: Throughput,
			Limit: bound(0.7), Aim: bound(1), Measure: versus(Throughput, 200, mix(updateItem)),
		},
		{
			Name: "50:50 mix on one table by one, which switches itself off", Against: "the same without that", Unit: Throughput,
			Limit: bound(1), Aim: bound(1.2), Measure: versus(Throughput, 200, halves(1, updateItem, unswitched)),
		},
		{
			Name: "50:50 mix on one table by two, which switches itself off", Against: "the same without that", Unit: Throughput,
			Limit: bound(0.8), Aim: bound(1), Measure: versus(Throughput, 200, halves(2, updateItem, unswitched)),
		},
		{
			Name: "50:50 mix on one table by two, which switches itself off", Against: "pgx direct", Unit: Throughput,
			Limit: bound(0.2), Aim: bound(0.5), Measure: versus(Throughput, 200, halves(2, updateItem, func(_ context.Context, env *Env) (*sql.DB, error) { return env.openDirect() })),
		},
	}
}

const (
	mixKeys       = 10_000
	mixGoroutines = 16
	mixSkew       = 1.1
)

// unswitched is mlcache without the switching.
func unswitched(ctx context.Context, env *Env) (*sql.DB, error) {
	db, err := env.cached(ctx, patientRedis(env), "mlcache_written_often=cache")
	if err != nil {
		return nil, err
	}
	return db.DB, nil
}

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
			subject:   parallel(mixGoroutines, mixed(ctx, db.DB, write, 20)),
			reference: parallel(mixGoroutines, mixed(ctx, direct, write, 20)),
			check: func() (string, error) {
				all, hits := db.reads(func(s mlcache.Stats) uint64 { return s.L1Hits + s.L2Hits })
				_, passed := db.reads(bypasses)
				note := fmt.Sprintf("%.0f%% hits, %.0f%% passed through", percent(hits, all), percent(passed, all))
				if write == update && percent(hits, all) < 50 {
					return note, fmt.Errorf("only %s: %+v", note, db.handle.Stats())
				}
				return note, nil
			},
			close: func() { db.Close(); direct.Close() },
		}, nil
	}
}

// halves reads and writes one table, one as often as the other, over mlcache as it
// is by default and over what other opens. The goroutines are few: the more there are, the more often
// some write is under way, and reads go past the cache as fenced on both sides.
func halves(goroutines int, write string, other func(context.Context, *Env) (*sql.DB, error)) func(context.Context, *Env) (*contest, error) {
	return func(ctx context.Context, env *Env) (*contest, error) {
		db, err := env.cached(ctx, patientRedis(env))
		if err != nil {
			return nil, err
		}
		reference, err := other(ctx, env)
		if err != nil {
			db.Close()
			return nil, err
		}
		db.SetMaxOpenConns(goroutines)
		reference.SetMaxOpenConns(goroutines)
		return &contest{
			subject:   parallel(goroutines, mixed(ctx, db.DB, write, 2)),
			reference: parallel(goroutines, mixed(ctx, reference, write, 2)),
			check: func() (string, error) {
				all, hits := db.reads(func(s mlcache.Stats) uint64 { return s.L1Hits + s.L2Hits })
				_, often := db.reads(func(s mlcache.Stats) uint64 { return s.Reasons[mlcache.ReasonChurn] })
				_, fenced := db.reads(func(s mlcache.Stats) uint64 { return s.Reasons[mlcache.ReasonFenced] })
				note := fmt.Sprintf("%.0f%% hits, %.0f%% past it as written_often, %.0f%% as fenced", percent(hits, all), percent(often, all), percent(fenced, all))
				// reference is pgx, or else mlcache that does not switch.
				if h, err := mlcache.From(reference); err == nil {
					s := h.Stats()
					note += fmt.Sprintf(" (%.0f%% without)", percent(s.Reasons[mlcache.ReasonFenced], s.L1Hits+s.L2Hits+s.Misses+s.Bypasses))
				}
				if often == 0 {
					return note, errors.New("it has not switched itself off")
				}
				return note, nil
			},
			close: func() { db.Close(); reference.Close() },
		}, nil
	}
}

// patientRedis is the benchmark's Redis with time-outs that a busy machine does not
// reach: a Redis that is taken for away measures something else.
func patientRedis(env *Env) string {
	separator := "?"
	if strings.Contains(env.Servers.Redis, "?") {
		separator = "&"
	}
	return "mlcache_redis=" + env.Servers.Redis + separator + "dial_timeout=10s&read_timeout=10s&write_timeout=10s&pool_timeout=10s"
}

func percent(part, all uint64) float64 { return 100 * float64(part) / float64(max(all, 1)) }

// mixed writes one time in oneIn.
func mixed(ctx context.Context, db *sql.DB, write string, oneIn int) duel.Run {
	random := rand.New(rand.NewSource(1))
	zipf := rand.NewZipf(random, mixSkew, 1, mixKeys-1)
	ids := make([]any, 1<<16)
	writes := make([]bool, len(ids))
	for i := range ids {
		// Spread, so that popular items do not share pages.
		ids[i] = int64(zipf.Uint64()*7919%mixKeys) + 1
		writes[i] = random.Intn(oneIn) == 0
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
