package suite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/bench/internal/duel"
	"github.com/mlcache/mlcache/bench/internal/floor"
)

func memoryCases() []Case {
	return []Case{
		{
			Name: "1,000,000 distinct keys into 64 MiB of L1: heap grows", Against: "-", Unit: MiB,
			Limit: bound(96), Aim: bound(72), Measure: distinctKeys,
		},
		{
			Name: "1,000,000 distinct texts, L1 off: heap grows", Against: "-", Unit: MiB,
			Limit: bound(48), Aim: bound(36), Measure: distinctTexts,
		},
		{
			Name: "garbage collector: bytes to scan with L1 full", Against: "the same with L1 empty", Unit: Ratio,
			Limit: bound(1.5), Aim: bound(1.1), Measure: collection,
		},
		{
			Name: "garbage collector: pause with L1 full", Against: "the same with L1 empty", Unit: Ratio,
			Limit: bound(1.5), Aim: bound(1.1), Measure: pauses,
		},
	}
}

// overFloor is mlcache over an origin that costs nothing, so that a million
// misses take seconds.
func overFloor(l1 int64) (*cachedDB, error) {
	created := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	origin := &floor.Connector{
		Columns: []string{"id", "name", "price", "active", "created"},
		Rows:    [][]driver.Value{{int64(1), "item number 1", 1.25, true, created}},
	}
	c, err := mlcache.NewConnector(origin, &mlcache.Config{
		L1Size: l1, L1TTL: time.Hour, L2TTL: time.Hour, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	return watch(sql.OpenDB(c), "")
}

func distinctKeys(ctx context.Context, env *Env) (Outcome, error) {
	return grows(env, 64<<20, func(db *cachedDB) duel.Run { return queryNew(ctx, db.DB) })
}

func distinctTexts(ctx context.Context, env *Env) (Outcome, error) {
	return grows(env, -1, func(db *cachedDB) duel.Run { return queryText(ctx, db.DB) })
}

// grows measures the live heap after many operations, less the one before.
func grows(env *Env, l1 int64, ask func(*cachedDB) duel.Run) (Outcome, error) {
	n := 1_000_000
	if env.Short {
		n = 100_000
	}
	before := liveHeap()
	db, err := overFloor(l1)
	if err != nil {
		return Outcome{}, err
	}
	defer db.Close()
	begun := time.Now()
	if err := ask(db)(n); err != nil {
		return Outcome{}, err
	}
	took := time.Since(begun)
	o := outcomeOf([]float64{(liveHeap() - before) / (1 << 20)})
	o.Note = fmt.Sprintf("after %d", n)
	o.Subject.Time = took / time.Duration(n)
	if s := db.handle.Stats(); s.Misses < uint64(n)*9/10 {
		return o, fmt.Errorf("only %d of %d queries were misses", s.Misses, n)
	}
	runtime.KeepAlive(db)
	return o, nil
}

// liveHeap counts the heap in bytes after collecting what is dead. Cleanups run
// after a collection and free more, so there are two.
func liveHeap() float64 {
	runtime.GC()
	time.Sleep(10 * time.Millisecond)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// collection compares how much of the heap a collection must look through: its
// work, and so its pauses, grow with that and with nothing else that a cache
// could grow. It is a count and not a time, so other programs do not disturb it.
func collection(ctx context.Context, env *Env) (Outcome, error) {
	db, err := overFloor(64 << 20)
	if err != nil {
		return Outcome{}, err
	}
	defer db.Close()
	// One entry, so that the arena exists in both.
	if err := queryNew(ctx, db.DB)(1); err != nil {
		return Outcome{}, err
	}
	time.Sleep(100 * time.Millisecond)
	before := scannable()
	n := 300_000 // more than fit
	if env.Short {
		n = 100_000
	}
	if err := queryNew(ctx, db.DB)(n); err != nil {
		return Outcome{}, err
	}
	after := scannable()
	o := outcomeOf([]float64{after / before})
	o.Note = fmt.Sprintf("%.1f MiB to scan after storing %d entries, %.1f MiB before",
		after/(1<<20), db.handle.Stats().L1.Sets, before/(1<<20))
	return o, nil
}

// pauses compares how long a collection stops the program. Each round has a cache
// of its own, first with one entry and then with more than it can keep.
func pauses(ctx context.Context, env *Env) (Outcome, error) {
	rounds, n := 5, 300_000
	if env.Short {
		rounds, n = 3, 100_000
	}
	var ratios []float64
	var empty, full time.Duration
	for range rounds {
		err := func() error {
			db, err := overFloor(64 << 20)
			if err != nil {
				return err
			}
			defer db.Close()
			if err := queryNew(ctx, db.DB)(1); err != nil {
				return err
			}
			time.Sleep(100 * time.Millisecond)
			empty = medianPause()
			if err := queryNew(ctx, db.DB)(n); err != nil {
				return err
			}
			full = medianPause()
			if sets := db.handle.Stats().L1.Sets; sets < uint64(n)*9/10 {
				return fmt.Errorf("only %d of %d entries were stored", sets, n)
			}
			ratios = append(ratios, float64(full)/float64(empty))
			return nil
		}()
		if err != nil {
			return Outcome{}, err
		}
	}
	o := outcomeOf(ratios)
	o.Subject.Time, o.Reference.Time = full, empty
	o.Note = fmt.Sprintf("medians of %d collections, after storing %d entries", collections, n)
	return o, nil
}

const collections = 100

// medianPause is how long a collection stops the program, of many.
func medianPause() time.Duration {
	runtime.GC()
	times := make([]float64, collections)
	var m runtime.MemStats
	for i := range times {
		runtime.GC()
		runtime.ReadMemStats(&m)
		times[i] = float64(m.PauseNs[(m.NumGC+255)%256])
	}
	return time.Duration(duel.Median(times))
}

// scannable is how many bytes a collection has to look through for pointers.
func scannable() float64 {
	runtime.GC()
	runtime.GC()
	sample := []metrics.Sample{{Name: "/gc/scan/total:bytes"}}
	metrics.Read(sample)
	return float64(sample[0].Value.Uint64())
}
