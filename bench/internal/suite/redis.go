package suite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mlcache/mlcache/bench/internal/duel"
)

func redisCases() []Case {
	return []Case{
		{
			Name: "L2 hit (L1 off), 1 row", Against: "go-redis GET of that size", Unit: Ratio,
			Limit: bound(1.35), Aim: bound(1.15), Measure: versus(Ratio, 1, l2Hit),
		},
		{
			Name: "strict hit", Against: "go-redis HMGET", Unit: Ratio,
			Limit: bound(1.25), Aim: bound(1.08), Measure: versus(Ratio, 1, strictHit),
		},
	}
}

func l2Hit(ctx context.Context, env *Env) (*contest, error) {
	db, err := env.cached(ctx, "redis", "mlcache_l1_size=0")
	if err != nil {
		return nil, err
	}
	size, err := fillL2(ctx, env, db)
	if err != nil {
		db.Close()
		return nil, err
	}
	get, err := env.redisGet(ctx, db.namespace+":reference", size)
	if err != nil {
		db.Close()
		return nil, err
	}
	check := db.share("L2 hits", l2Hits)
	return &contest{
		subject:   queryOne(ctx, db.DB),
		reference: get,
		check: func() (string, error) {
			note, err := check()
			return fmt.Sprintf("%s, %d bytes", note, size), err
		},
		close: func() { db.Close() },
		waits: true,
	}, nil
}

// fillL2 brings the answer of queryOne into L2 and returns the entry's size.
func fillL2(ctx context.Context, env *Env, db *cachedDB) (int, error) {
	if err := same(ctx, db.DB, env.direct, selectOne, int64(77)); err != nil {
		return 0, err
	}
	for range 100 {
		keys, err := env.client.Keys(ctx, db.namespace+":e:*").Result()
		if err != nil {
			return 0, err
		}
		if len(keys) == 1 {
			n, err := env.client.StrLen(ctx, keys[0]).Result()
			return int(n), err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return 0, errors.New("the entry did not come into L2")
}

// redisGet returns a GET of a value of size bytes, or of nothing for a negative
// size.
func (e *Env) redisGet(ctx context.Context, key string, size int) (duel.Run, error) {
	if size >= 0 {
		if err := e.client.Set(ctx, key, strings.Repeat("v", size), time.Hour).Err(); err != nil {
			return nil, err
		}
	}
	return func(n int) error {
		for range n {
			if _, err := e.client.Get(ctx, key).Bytes(); err != nil && size >= 0 {
				return err
			}
		}
		return nil
	}, nil
}

func strictHit(ctx context.Context, env *Env) (*contest, error) {
	db, err := env.cached(ctx, "redis", "mlcache_consistency=strict")
	if err != nil {
		return nil, err
	}
	for range 2 {
		if err := same(ctx, db.DB, env.direct, selectOne, int64(77)); err != nil {
			db.Close()
			return nil, err
		}
	}
	// As many versions, of the size of a nonce, as the statement depends on.
	key := db.namespace + ":versions"
	if err := env.client.HSet(ctx, key, "epoch", strings.Repeat("0", 16), "mlcache_bench.items", strings.Repeat("1", 16)).Err(); err != nil {
		db.Close()
		return nil, err
	}
	return &contest{
		subject: queryOne(ctx, db.DB),
		reference: func(n int) error {
			for range n {
				if err := env.client.HMGet(ctx, key, "epoch", "mlcache_bench.items").Err(); err != nil {
					return err
				}
			}
			return nil
		},
		check: db.share("L1 hits", l1Hits),
		close: func() { db.Close() },
		waits: true,
	}, nil
}
