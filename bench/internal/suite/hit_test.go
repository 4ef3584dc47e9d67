package suite

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/mlcache/mlcache/bench/internal/duel"
	"github.com/mlcache/mlcache/bench/internal/servers"
)

// shared is the environment of all benchmarks; tests need none.
var shared struct {
	sync.Once
	env  *Env
	pair *servers.Pair
	err  error
}

func benchEnv(b *testing.B) *Env {
	b.Helper()
	shared.Do(func() {
		ctx := context.Background()
		shared.pair, shared.err = servers.Open(ctx, os.Getenv("MLCACHE_TEST_POSTGRES"), os.Getenv("MLCACHE_TEST_REDIS"))
		if shared.err == nil {
			shared.env, shared.err = NewEnv(ctx, shared.pair, duel.Plan{}, true)
		}
	})
	if shared.err != nil {
		b.Fatal(shared.err)
	}
	return shared.env
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.env != nil {
		if err := shared.env.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if shared.pair != nil {
		if err := shared.pair.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

var hitKinds = []struct {
	name string
	hit
}{
	{"1x5", hit{ask: queryOne, query: selectOne, args: []any{int64(77)}}},
	{"100x5", hit{ask: queryMany, query: select100, args: []any{int64(1000), int64(1100)}}},
}

// BenchmarkL1Hit is a hit in memory through database/sql, beside the floor and
// pgx.
func BenchmarkL1Hit(b *testing.B) {
	for _, kind := range hitKinds {
		b.Run(kind.name, func(b *testing.B) {
			env := benchEnv(b)
			ctx := context.Background() // see versus
			cached, err := kind.open(ctx, env)
			if err != nil {
				b.Fatal(err)
			}
			defer cached.Close()
			noop, err := openFloor(ctx, env.direct, kind.query, kind.args...)
			if err != nil {
				b.Fatal(err)
			}
			defer noop.Close()
			for _, side := range []struct {
				name string
				db   *sql.DB
			}{{"mlcache", cached.DB}, {"noop", noop}, {"pgx", env.direct}} {
				ask := kind.ask(ctx, side.db)
				b.Run(side.name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if err := ask(1); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}

// BenchmarkL1HitParallel is a hit in memory from many goroutines over eight
// connections.
func BenchmarkL1HitParallel(b *testing.B) {
	env := benchEnv(b)
	kind := hitKinds[0]
	cached, err := kind.open(context.Background(), env)
	if err != nil {
		b.Fatal(err)
	}
	defer cached.Close()
	noop, err := openFloor(context.Background(), env.direct, kind.query, kind.args...)
	if err != nil {
		b.Fatal(err)
	}
	defer noop.Close()
	for _, side := range []struct {
		name string
		db   *sql.DB
	}{{"mlcache", cached.DB}, {"noop", noop}} {
		side.db.SetMaxOpenConns(8)
		b.Run(side.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(32)
			ask := kind.ask(context.Background(), side.db)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := ask(1); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
