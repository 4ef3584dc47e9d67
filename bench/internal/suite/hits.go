package suite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/coocood/freecache"

	"github.com/mlcache/mlcache/bench/internal/duel"
	"github.com/mlcache/mlcache/cache"
)

func hitCases() []Case {
	one := hit{ask: queryOne, query: selectOne, args: []any{int64(77)}}
	many := hit{ask: queryMany, query: select100, args: []any{int64(1000), int64(1100)}}
	inTurn := hit{ask: queryInTurn, query: selectOne, args: []any{int64(77)}, warm: true}
	return []Case{
		{
			Name: "L1 hit, QueryRow, 1 row x 5 columns", Against: "no-op driver", Unit: Ratio,
			Limit: Bound{2.0, 6}, Aim: Bound{1.5, 3}, Measure: versus(Ratio, 0.5, one.overFloor),
		},
		{
			Name: "the same, with a context that can end", Against: "no-op driver", Unit: Ratio,
			Limit: Bound{2.0, 6}, Aim: Bound{1.5, 3}, Measure: versus(Ratio, 0.5, one.inRequest),
		},
		{
			// The floor hands out one and the same answer, which stays in the processor's caches.
			Name: "the same, 1,000 answers in turn", Against: "no-op driver", Unit: Ratio,
			Limit: Bound{2.0, 6}, Aim: Bound{1.5, 3}, Measure: versus(Ratio, 0.5, inTurn.overFloor),
		},
		{
			Name: "L1 hit, QueryRow, 1 row x 5 columns", Against: "pgx direct", Unit: Ratio,
			Limit: bound(1.0 / 15), Aim: bound(1.0 / 25), Measure: versus(Ratio, 1, one.overPgx),
		},
		{
			Name: "L1 hit, 100 rows x 5 columns", Against: "no-op driver", Unit: Ratio,
			Limit: bound(2.0), Aim: bound(1.3), Measure: versus(Ratio, 0.5, many.overFloor),
		},
		{
			Name: "L1 hit, 100 rows x 5 columns", Against: "pgx direct", Unit: Ratio,
			Limit: bound(1.0 / 5), Aim: bound(1.0 / 9), Measure: versus(Ratio, 1, many.overPgx),
		},
		{
			Name: "L1 hit, 64 goroutines, 8 connections", Against: "no-op driver", Unit: Ratio,
			Limit: bound(2.0), Aim: bound(1.3), Measure: versus(Ratio, 4, one.manyGoroutines),
		},
		{
			Name: "package cache: L1 hit of 200 bytes", Against: "freecache Get", Unit: Ratio,
			Limit: bound(1.5), Aim: Bound{1.2, 0}, Measure: versus(Ratio, 0.5, cacheAlone),
		},
	}
}

// hit is a query that is answered from L1 over and over.
type hit struct {
	ask   func(context.Context, *sql.DB) duel.Run
	query string
	args  []any
	// warm: ask goes through answersInTurn answers, which are to be in L1 before.
	warm bool
}

// open returns a database that has the answer in L1.
func (h hit) open(ctx context.Context, env *Env) (*cachedDB, error) {
	db, err := env.cached(ctx, "redis")
	if err != nil {
		return nil, err
	}
	for range 2 {
		if err := same(ctx, db.DB, env.direct, h.query, h.args...); err != nil {
			db.Close()
			return nil, err
		}
	}
	if h.warm {
		if err := h.ask(ctx, db.DB)(answersInTurn); err != nil {
			db.Close()
			return nil, err
		}
	}
	db.markWarm()
	return db, nil
}

func (h hit) overFloor(ctx context.Context, env *Env) (*contest, error) {
	db, err := h.open(ctx, env)
	if err != nil {
		return nil, err
	}
	noop, err := openFloor(ctx, env.direct, h.query, h.args...)
	if err != nil {
		db.Close()
		return nil, err
	}
	return &contest{
		subject:   h.ask(ctx, db.DB),
		reference: h.ask(ctx, noop),
		check:     db.share("L1 hits", l1Hits),
		close:     func() { db.Close(); noop.Close() },
	}, nil
}

// inRequest is overFloor with a context such as a server's request has.
func (h hit) inRequest(ctx context.Context, env *Env) (*contest, error) {
	ctx, cancel := context.WithCancel(ctx)
	c, err := h.overFloor(ctx, env)
	if err != nil {
		cancel()
		return nil, err
	}
	closeAll := c.close
	c.close = func() { cancel(); closeAll() }
	return c, nil
}

func (h hit) overPgx(ctx context.Context, env *Env) (*contest, error) {
	db, err := h.open(ctx, env)
	if err != nil {
		return nil, err
	}
	return &contest{
		subject:   h.ask(ctx, db.DB),
		reference: h.ask(ctx, env.direct),
		check:     db.share("L1 hits", l1Hits),
		close:     func() { db.Close() },
	}, nil
}

func (h hit) manyGoroutines(ctx context.Context, env *Env) (*contest, error) {
	db, err := h.open(ctx, env)
	if err != nil {
		return nil, err
	}
	noop, err := openFloor(ctx, env.direct, h.query, h.args...)
	if err != nil {
		db.Close()
		return nil, err
	}
	db.SetMaxOpenConns(8)
	noop.SetMaxOpenConns(8)
	return &contest{
		subject:   parallel(64, h.ask(ctx, db.DB)),
		reference: parallel(64, h.ask(ctx, noop)),
		check:     db.share("L1 hits", l1Hits),
		close:     func() { db.Close(); noop.Close() },
	}, nil
}

// cacheAlone is the first level without a driver around it.
func cacheAlone(ctx context.Context, _ *Env) (*contest, error) {
	const size = 64 << 20
	key := bytes.Repeat([]byte("k"), 100)
	stamps := []uint64{1, 2, 3}
	h := &cache.Header{Stamps: stamps, Deadline: time.Now().Add(time.Hour).UnixMilli()}
	empty, err := cache.AppendEntry(nil, h, nil)
	if err != nil {
		return nil, err
	}
	entry, err := cache.AppendEntry(nil, h, bytes.Repeat([]byte("v"), 200-len(empty)))
	if err != nil {
		return nil, err
	}
	raw := freecache.NewCache(size)
	if err := raw.Set(key, entry, 3600); err != nil {
		return nil, err
	}
	l1 := cache.NewMemory(size)
	if err := l1.Set(ctx, key, entry, time.Hour); err != nil {
		return nil, err
	}
	time.Sleep(200 * time.Millisecond) // the arena is made in the background
	return &contest{
		subject: func(n int) error {
			for range n {
				got, ok := l1.Lookup(key, nil)
				if !ok {
					return errors.New("a miss")
				}
				if _, ok := cache.Match(got, stamps, time.Now().UnixMilli()); !ok {
					return errors.New("no match")
				}
			}
			return nil
		},
		reference: func(n int) error {
			for range n {
				if _, err := raw.Get(key); err != nil {
					return err
				}
			}
			return nil
		},
		close: func() { l1.Close() },
	}, nil
}
