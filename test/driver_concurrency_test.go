package test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mlcache/mlcache"
)

// counterDB is a database of a few counters. Each write adds one to a counter,
// and a read gives its value.
type counterDB struct {
	*origin
	counters [4]atomic.Int64
	slow     time.Duration // what a statement takes, on each side of its effect
}

func newCounterDB() *counterDB {
	d := &counterDB{}
	d.origin = newOrigin(func(query string, args []driver.NamedValue) (*result, error) {
		var k int
		if len(args) > 0 {
			k = int(args[0].Value.(int64))
		}
		time.Sleep(d.slow)
		defer time.Sleep(d.slow)
		if query[0] == 'S' {
			return intResult(d.counters[k].Load()), nil
		}
		return intResult(d.counters[k].Add(1)), nil
	})
	return d
}

// Own writes: once a write has returned, no read that starts later in the process
// gives an older answer, whichever connection, pool or way of writing.
func TestOwnWritesAreSeenByManyAtOnce(t *testing.T) {
	t.Parallel()
	redis := runRedis(t)
	for name, cfg := range map[string]*mlcache.Config{
		"memory": {},
		"redis":  {Redis: redis.url()},
		"strict": {Redis: redis.url(), Consistency: mlcache.Strict},
		"L2":     {Redis: redis.url(), L1Size: -1},
		"tiny":   {MaxRows: 1, MaxStaleness: 20 * time.Millisecond, Redis: redis.url()},
	} {
		for _, catalog := range []bool{false, true} {
			if !catalog && cfg.Redis != "" {
				continue // Redis makes no difference to what is cached
			}
			t.Run(fmt.Sprint(name, " catalog ", catalog), func(t *testing.T) {
				cfg := *cfg
				cfg.Namespace = driverNamespace()
				d := newCounterDB()
				d.catalog = catalog
				d.slow = 200 * time.Microsecond
				first, h := openDriver(t, d.origin, &cfg)
				second, _ := openDriver(t, d.origin, &cfg)
				// The stand-in for Redis is slow, and a busy machine makes it slower.
				var pause time.Duration
				if cfg.Redis != "" {
					pause = 50 * time.Millisecond
				}
				ownWrites(t, d, []*sql.DB{first, second}, pause, func() bool {
					s := h.Stats()
					return s.L1Hits+s.L2Hits > 100
				})
				s := h.Stats()
				if cfg.Redis == "" && s.L1Hits == 0 {
					t.Errorf("no hit at all: %+v", s)
				}
				t.Logf("hits %d + %d, misses %d, shared %d, bypasses %d %v", s.L1Hits, s.L2Hits, s.Misses, s.Shared, s.Bypasses, s.Reasons)
			})
		}
	}
}

// ownWrites lets many read and some write. Readers pause for up to pause after each
// read, writers longer, so that something can be kept in between. It ends soon after
// enough says so, and not late if it never does.
func ownWrites(t *testing.T, d *counterDB, dbs []*sql.DB, pause time.Duration, enough func() bool) {
	const workers = 64
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	start := time.Now()
	more := func() bool {
		at := time.Since(start)
		return at < 300*time.Millisecond || at < 2*time.Second && !enough()
	}
	// written is the highest value that a write is known to have brought about.
	var written [4]atomic.Int64
	raise := func(k int, n int64) {
		for old := written[k].Load(); n > old && !written[k].CompareAndSwap(old, n); old = written[k].Load() {
		}
	}
	var reads, writes atomic.Int64
	var group sync.WaitGroup
	for w := range workers {
		rng := rand.New(rand.NewPCG(uint64(w), 1))
		group.Go(func() {
			for more() {
				k, db := rng.IntN(4), dbs[rng.IntN(len(dbs))]
				var n int64
				var err error
				if w >= 4 {
					floor := written[k].Load()
					err = db.QueryRowContext(ctx, "SELECT n FROM t WHERE k = $1", k).Scan(&n)
					if err == nil && n < floor {
						t.Errorf("counter %d: read %d after a write of %d had returned", k, n, floor)
						return
					}
					reads.Add(1)
					time.Sleep(time.Duration(rng.Int64N(int64(pause) + 1)))
				} else {
					n, err = write(ctx, db, rng.IntN(4), k)
					if err == nil {
						raise(k, n)
					}
					writes.Add(1)
					time.Sleep(time.Duration(rng.Int64N(int64(20*time.Millisecond + 6*pause))))
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	for k := range written {
		if n := scanInt(ctx, t, dbs[0], "SELECT n FROM t WHERE k = $1", k); n != d.counters[k].Load() {
			t.Errorf("counter %d: read %d at the end, the database has %d", k, n, d.counters[k].Load())
		}
	}
	t.Logf("%d reads, %d writes", reads.Load(), writes.Load())
}

// write adds one to a counter in one of the ways there are, and returns a value
// that the counter has had since.
func write(ctx context.Context, db *sql.DB, way, k int) (n int64, err error) {
	const returning = "UPDATE t SET n = n + 1 WHERE k = $1 RETURNING n"
	switch way {
	case 0:
		err = db.QueryRowContext(ctx, returning, k).Scan(&n)
		return n, err
	case 1:
		stmt, err := db.PrepareContext(ctx, returning)
		if err != nil {
			return 0, err
		}
		defer stmt.Close()
		err = stmt.QueryRowContext(ctx, k).Scan(&n)
		return n, err
	case 2:
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return 0, err
		}
		defer tx.Rollback()
		if err := tx.QueryRowContext(ctx, returning, k).Scan(&n); err != nil {
			return 0, err
		}
		return n, tx.Commit()
	default:
		_, err := db.ExecContext(ctx, "UPDATE t SET n = n + 1 WHERE k = $1", k)
		return 0, err
	}
}
