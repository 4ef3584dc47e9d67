package suite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coocood/freecache"
	rediscache "github.com/go-redis/cache/v9"
	"github.com/maypok86/otter/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"github.com/mlcache/mlcache/bench/internal/duel"
)

// Row is a way to read, and what it costs.
type Row struct {
	Name string
	duel.Cost
	Note string `json:",omitempty"`
}

// way is a Row to be measured.
type way struct {
	name, note string
	run        duel.Run
	close      func()
}

// Basics measures the four ways in which one row comes to its reader, and the
// floor below them.
func Basics(ctx context.Context, env *Env) ([]Row, error) {
	free := context.WithoutCancel(ctx) // as in versus
	l1, err := (hit{query: selectOne, args: []any{int64(77)}}).open(ctx, env)
	if err != nil {
		return nil, err
	}
	defer l1.Close()
	l2, err := env.cached(ctx, "redis", "mlcache_l1_size=0")
	if err != nil {
		return nil, err
	}
	defer l2.Close()
	if _, err := fillL2(ctx, env, l2); err != nil {
		return nil, err
	}
	miss, err := env.cached(ctx, "redis")
	if err != nil {
		return nil, err
	}
	defer miss.Close()
	noop, err := openFloor(ctx, env.direct, selectOne, int64(77))
	if err != nil {
		return nil, err
	}
	defer noop.Close()
	back, err := env.apart()
	if err != nil {
		return nil, err
	}
	defer back()
	return measure(ctx, env, []way{
		{name: "L1 hit", run: queryOne(free, l1.DB)},
		{name: "L2 hit", run: queryOne(free, l2.DB), note: "L1 off"},
		{name: "miss", run: queryNew(free, miss.DB), note: "looks into Redis, fills both levels"},
		{name: "pgx direct", run: queryOne(free, env.direct), note: "no cache"},
		{name: "no-op driver", run: queryOne(free, noop), note: "the floor of database/sql"},
	})
}

// Peers measures what other caches take for a hit. They are used as their
// manuals say, by a caller who makes the key, knows the row's type and
// invalidates by himself: none of them is a driver.
func Peers(ctx context.Context, env *Env) ([]Row, error) {
	free := context.WithoutCancel(ctx) // as in versus
	l1, err := (hit{query: selectOne, args: []any{int64(77)}}).open(ctx, env)
	if err != nil {
		return nil, err
	}
	defer l1.Close()
	value := item{ID: 77, Name: "item number 77", Price: 96.25, Active: true, Created: time.Unix(1767230220, 0)}
	ways := []way{{name: "mlcache, L1 hit through database/sql", run: queryOne(free, l1.DB)}}
	for _, make := range []func(context.Context, *Env, item) (way, error){rawFreecache, otterCache, goRedisCache, rueidisCache, goRedisGet} {
		w, err := make(free, env, value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.name, err)
		}
		if w.close != nil {
			defer w.close()
		}
		ways = append(ways, w)
	}
	return measure(ctx, env, ways)
}

func measure(ctx context.Context, env *Env, ways []way) ([]Row, error) {
	runs := make([]duel.Run, len(ways))
	for i, w := range ways {
		runs[i] = func(n int) error {
			if err := w.run(n); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			return nil
		}
	}
	costs, err := duel.RoundRobin(ctx, runs, env.Plan)
	if err != nil {
		return nil, err
	}
	rows := make([]Row, len(ways))
	for i, w := range ways {
		rows[i] = Row{Name: w.name, Cost: costs[i], Note: w.note}
	}
	return rows, nil
}

const peerKey = "item:77"

var errPeerMiss = errors.New("a miss")

// peerKey returns a new key in Redis that Close will drop.
func (e *Env) peerKey() string {
	_, namespace := e.dsn()
	return namespace + ":" + peerKey
}

func rawFreecache(_ context.Context, _ *Env, _ item) (way, error) {
	c := freecache.NewCache(64 << 20)
	key := []byte(peerKey)
	if err := c.Set(key, make([]byte, 200), 3600); err != nil {
		return way{}, err
	}
	return way{name: "freecache Get", note: "200 bytes, not decoded", run: func(n int) error {
		for range n {
			if _, err := c.Get(key); err != nil {
				return err
			}
		}
		return nil
	}}, nil
}

func otterCache(_ context.Context, _ *Env, value item) (way, error) {
	c, err := otter.New(&otter.Options[string, item]{MaximumSize: 100_000})
	if err != nil {
		return way{}, err
	}
	c.Set(peerKey, value)
	return way{name: "otter GetIfPresent", note: "a Go struct, in this process only", run: func(n int) error {
		for range n {
			if _, ok := c.GetIfPresent(peerKey); !ok {
				return errPeerMiss
			}
		}
		return nil
	}}, nil
}

func goRedisCache(ctx context.Context, env *Env, value item) (way, error) {
	key := env.peerKey()
	c := rediscache.New(&rediscache.Options{
		Redis: env.client, LocalCache: rediscache.NewTinyLFU(100_000, time.Hour),
	})
	if err := c.Set(&rediscache.Item{Ctx: ctx, Key: key, Value: value, TTL: time.Hour}); err != nil {
		return way{}, err
	}
	return way{name: "go-redis/cache, local hit", note: "decodes msgpack", run: func(n int) error {
		var got item
		for range n {
			if err := c.Get(ctx, key, &got); err != nil {
				return err
			}
		}
		return nil
	}}, nil
}

func rueidisCache(ctx context.Context, env *Env, _ item) (way, error) {
	opt, err := redis.ParseURL(env.Servers.Redis)
	if err != nil {
		return way{}, err
	}
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{opt.Addr}, Username: opt.Username, Password: opt.Password, SelectDB: opt.DB, TLSConfig: opt.TLSConfig,
	})
	if err != nil {
		return way{}, err
	}
	key := env.peerKey()
	if err := client.Do(ctx, client.B().Set().Key(key).Value(strings.Repeat("v", 200)).Build()).Error(); err != nil {
		client.Close()
		return way{}, err
	}
	return way{
		name: "rueidis client-side cache", note: "200 bytes, not decoded", close: client.Close,
		run: func(n int) error {
			for range n {
				if _, err := client.DoCache(ctx, client.B().Get().Key(key).Cache(), time.Hour).AsBytes(); err != nil {
					return err
				}
			}
			return nil
		},
	}, nil
}

func goRedisGet(ctx context.Context, env *Env, _ item) (way, error) {
	get, err := env.redisGet(ctx, env.peerKey(), 200)
	return way{name: "go-redis GET", note: "200 bytes, not decoded, over the network", run: get}, err
}
