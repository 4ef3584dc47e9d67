package test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mlcache/mlcache"
)

// history watches one counter: no read may be older than the bound allows.
type history struct {
	mu     sync.Mutex
	values []int64
	times  []time.Time // at which the write of the value had returned
}

func (h *history) wrote(n int64, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.values, h.times = append(h.values, n), append(h.times, at)
}

// floor is the highest value that was written before at.
func (h *history) floor(at time.Time) (n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.values {
		if !h.times[i].After(at) {
			n = max(n, h.values[i])
		}
	}
	return n
}

// watched lets the processes write and read one counter until the time has come,
// and checks each read: against writes in the same process without any delay,
// against others' with the bound. A write of which Redis could not be told may stay
// unknown to others for as long as Redis answers them and not the writer, which is
// what the promise leaves out.
func watched(t *testing.T, d *counterDB, processes []*process, bound time.Duration, until func() bool) (reads int64) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	var all history
	own := make([]history, len(processes))
	var count atomic.Int64
	var group sync.WaitGroup
	for i, p := range processes {
		group.Go(func() {
			for !until() {
				var n int64
				untold := func() uint64 { s := p.h.Stats(); return s.FenceErrors + s.LateReleases }
				before := untold()
				err := p.db.QueryRowContext(ctx, "UPDATE t SET n = n + 1 WHERE k = $1 RETURNING n", 0).Scan(&n)
				if err != nil {
					t.Errorf("write: %v", err)
					return
				}
				now := time.Now()
				if untold() == before {
					all.wrote(n, now)
				}
				own[i].wrote(n, now)
				time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
			}
		})
		for range 2 {
			group.Go(func() {
				for !until() {
					start := time.Now()
					others, mine := all.floor(start.Add(-bound)), own[i].floor(start)
					var n int64
					if err := p.db.QueryRowContext(ctx, counterQuery, 0).Scan(&n); err != nil {
						t.Errorf("read: %v", err)
						return
					}
					if n < others {
						t.Errorf("process %d: read %d; %d had been written %v before", i, n, others, bound)
						return
					}
					if n < mine {
						t.Errorf("process %d: read %d after its own write of %d", i, n, mine)
						return
					}
					count.Add(1)
					time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
				}
			})
		}
	}
	group.Wait()
	return count.Load()
}

func TestReadsOfTwoProcessesAreWithinTheBound(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name        string
		consistency mlcache.Consistency
		bound       time.Duration
	}{{"strict", mlcache.Strict, 0}, {"bounded", mlcache.Bounded, 150 * time.Millisecond}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := runRedis(t)
			d := newCounterDB()
			d.catalog = true
			cfg := mlcache.Config{Namespace: driverNamespace(), Consistency: tc.consistency, MaxStaleness: 150 * time.Millisecond}
			processes := []*process{startProcess(t, d.origin, server, patient, cfg), startProcess(t, d.origin, server, patient, cfg)}
			start := time.Now()
			reads := watched(t, d, processes, tc.bound, func() bool { return time.Since(start) > 1500*time.Millisecond })
			for _, p := range processes {
				s := p.h.Stats()
				t.Logf("%d reads; hits %d + %d, misses %d, %v", reads, s.L1Hits, s.L2Hits, s.Misses, s.Reasons)
			}
		})
	}
}

// Doors shut and jam, Redis is emptied, stops and starts again. No query fails,
// nothing older than the bound is read, and in the end the cache serves again.
func TestReadsStayWithinTheBoundWhateverHappensToRedis(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name        string
		consistency mlcache.Consistency
		bound       time.Duration
	}{
		{"bounded", mlcache.Bounded, 150 * time.Millisecond},
		// A write of which Redis cannot be told becomes known to others when it can.
		{"strict", mlcache.Strict, time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := runRedis(t)
			d := newCounterDB()
			d.catalog = true
			cfg := mlcache.Config{Namespace: driverNamespace(), Consistency: tc.consistency, MaxStaleness: 150 * time.Millisecond}
			processes := []*process{startProcess(t, d.origin, server, "", cfg), startProcess(t, d.origin, server, "", cfg)}
			var over atomic.Bool
			go func() {
				defer over.Store(true)
				pause := func() { time.Sleep(250 * time.Millisecond) }
				for _, p := range processes {
					pause()
					p.door.setShut(true)
					pause()
					p.door.setShut(false)
					pause()
					p.door.setHeld(true)
					pause()
					p.door.setHeld(false)
				}
				pause()
				server.FlushAll()
				pause()
				server.Close()
				pause()
				if err := server.Restart(); err != nil {
					t.Error(err)
				}
				pause()
			}()
			watched(t, d, processes, tc.bound, over.Load)
			end := d.counters[0].Load()
			for i, p := range processes {
				waitFor(t, "the end of what Redis missed", func() bool { return scanInt(t.Context(), t, p.db, counterQuery, 0) == end })
				before := p.h.Stats()
				waitFor(t, "a hit", func() bool {
					scanInt(t.Context(), t, p.db, counterQuery, 0)
					s := p.h.Stats()
					return s.L1Hits+s.L2Hits > before.L1Hits+before.L2Hits
				})
				s := p.h.Stats()
				t.Logf("process %d: hits %d + %d, misses %d, %v", i, s.L1Hits, s.L2Hits, s.Misses, s.Reasons)
			}
		})
	}
}

// A Redis that swallows everything and says nothing holds nobody up for long.
func TestSilentRedisKeepsReadsPrompt(t *testing.T) {
	t.Parallel()
	for _, consistency := range []mlcache.Consistency{mlcache.Bounded, mlcache.Strict} {
		server := runRedis(t)
		d := newCounterDB()
		d.catalog = true
		p := startProcess(t, d.origin, server, "", mlcache.Config{
			Namespace: driverNamespace(), Consistency: consistency, MaxStaleness: 100 * time.Millisecond,
		})
		scanInt(t.Context(), t, p.db, counterQuery, 0)
		p.door.setHeld(true)
		start := time.Now()
		const reads = 100
		var slow int
		for i := range reads {
			one := time.Now()
			scanInt(t.Context(), t, p.db, counterQuery, i%4)
			if time.Since(one) > 50*time.Millisecond {
				slow++
			}
		}
		if took := time.Since(start); took > 10*time.Second || slow > 30 {
			t.Errorf("%s: %d reads took %v, %d of them were slow", consistency, reads, took, slow)
		} else {
			t.Logf("%s: %d reads took %v, %d of them were slow", consistency, reads, took, slow)
		}
		if _, err := p.db.Exec("UPDATE t SET n = n + 1 WHERE k = $1", 0); err != nil {
			t.Error(err)
		}
		if n := scanInt(t.Context(), t, p.db, counterQuery, 0); n != 1 {
			t.Errorf("%s: own write: read %d", consistency, n)
		}
		p.door.setHeld(false)
		before := p.h.Stats()
		waitFor(t, "a hit", func() bool {
			scanInt(t.Context(), t, p.db, counterQuery, 0)
			s := p.h.Stats()
			return s.L1Hits+s.L2Hits > before.L1Hits+before.L2Hits
		})
	}
}

// A statement with little time must not spend it on a Redis that is silent.
func TestSilentRedisLeavesTimeForTheDatabase(t *testing.T) {
	t.Parallel()
	for _, consistency := range []mlcache.Consistency{mlcache.Bounded, mlcache.Strict} {
		server := runRedis(t)
		d := newCounterDB()
		d.catalog = true
		p := startProcess(t, d.origin, server, "?read_timeout=2s", mlcache.Config{Namespace: driverNamespace(), Consistency: consistency})
		scanInt(t.Context(), t, p.db, counterQuery, 0)
		p.door.setHeld(true)
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			var n int64
			if err := p.db.QueryRowContext(ctx, counterQuery, 1).Scan(&n); err != nil {
				t.Errorf("%s: read: %v", consistency, err)
			}
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), 500*time.Millisecond)
			if _, err := p.db.ExecContext(ctx, "UPDATE t SET n = n + 1 WHERE k = $1", 1); err != nil {
				t.Errorf("%s: write: %v", consistency, err)
			}
			cancel()
		}
	}
}

// With fail-writes, a write of which Redis cannot be told does not reach the
// database, and reads go on.
func TestFailWritesRefusesWhatRedisCannotBeToldOf(t *testing.T) {
	t.Parallel()
	server := runRedis(t)
	d := newCounterDB()
	d.catalog = true
	p := startProcess(t, d.origin, server, "", mlcache.Config{Namespace: driverNamespace(), OnRedisDown: mlcache.FailWrites})
	ctx := t.Context()
	const update = "UPDATE t SET n = n + 1 WHERE k = $1"
	tx, err := p.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(update, 0); err != nil {
		t.Fatal(err)
	}
	p.door.setShut(true)
	before := d.count("UPDATE")
	for range 3 {
		if _, err := p.db.Exec(update, 0); !errors.Is(err, mlcache.ErrRedisDown) {
			t.Errorf("Exec: %v", err)
		}
		if _, err := queryInts(ctx, p.db, update+" RETURNING n", 0); !errors.Is(err, mlcache.ErrRedisDown) {
			t.Errorf("Query: %v", err)
		}
		scanInt(ctx, t, p.db, counterQuery, 0)
	}
	if n := d.count("UPDATE") - before; n != 0 {
		t.Errorf("the database saw %d writes", n)
	}
	if err := tx.Commit(); !errors.Is(err, mlcache.ErrRedisDown) {
		t.Errorf("Commit: %v", err)
	}
	if c, r := d.commits.Load(), d.rollbacks.Load(); c != 0 || r != 1 {
		t.Errorf("%d commits and %d rollbacks", c, r)
	}
	p.door.setShut(false)
	waitFor(t, "a write", func() bool {
		_, err := p.db.Exec(update, 0)
		return err == nil
	})
	if n, want := scanInt(ctx, t, p.db, counterQuery, 0), d.counters[0].Load(); n != want {
		t.Errorf("read %d, the database has %d", n, want)
	}
}
