package integration

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/invalidation"
)

const (
	ladderTable = "CREATE TABLE ladder (id int PRIMARY KEY, step int, padding text); INSERT INTO ladder VALUES (1, 0, repeat('x', 4000))"
	ladderQuery = "SELECT step, padding FROM ladder WHERE id = 1"
)

// ladder is a row that other processes change, without this one having heard of it yet.
type ladder struct {
	t         testing.TB
	dsn       string
	namespace string
	client    *redis.Client
	versions  *invalidation.Versions // another process's
	pgx       *sql.DB
	highest   int
}

func newLadder(t testing.TB) *ladder {
	t.Helper()
	l := &ladder{t: t, namespace: harness.NewNamespace(t)}
	plain := harness.NewDatabase(t, warmup, ladderTable)
	// Of what others do this process hears by messages, and else after twenty seconds.
	l.dsn = harness.With(withPatientRedis(t, plain), "mlcache_namespace", l.namespace, "mlcache_max_staleness", "1m")
	l.pgx = harness.Open(t, "pgx", plain)
	opt, err := redis.ParseURL(harness.RedisURL())
	if err != nil {
		t.Fatal(err)
	}
	l.client = redis.NewClient(opt)
	if l.versions, err = invalidation.Open(invalidation.Config{Client: l.client, Namespace: l.namespace, FenceLease: time.Minute}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.versions.Close(); l.client.Close() })
	return l
}

func (l *ladder) pool(keysAndValues ...string) *sql.DB {
	l.t.Helper()
	db := harness.Open(l.t, "mlcache", harness.With(l.dsn, keysAndValues...))
	untilServing(l.t, db)
	return db
}

// read reads, and fails the test if anybody has read a later step before.
func (l *ladder) read(ctx context.Context, db *sql.DB) int {
	l.t.Helper()
	var step int
	var padding string
	if err := db.QueryRowContext(ctx, ladderQuery).Scan(&step, &padding); err != nil {
		l.t.Fatal(err)
	}
	if step < l.highest {
		l.t.Fatalf("step %d after step %d", step, l.highest)
	}
	l.highest = max(l.highest, step)
	return step
}

// climb changes the row as another process does, up to where the database shows the change and Redis has yet to tell of it.
func (l *ladder) climb() (told func()) {
	l.t.Helper()
	// The fence stands in Redis. Its release, of which all hear, does not come before the end of the test.
	f, err := l.versions.Fence(harness.Context(l.t), []string{"public.ladder"}, invalidation.FenceOptions{Wait: true})
	if err != nil {
		l.t.Fatal(err)
	}
	told = func() { _ = f.Release(context.Background(), invalidation.Committed) }
	l.t.Cleanup(told)
	harness.Exec(l.t, l.pgx, "UPDATE ladder SET step = step + 1")
	return told
}

// entries are the answers in Redis.
func (l *ladder) entries() map[string]string {
	l.t.Helper()
	found := map[string]string{}
	ctx := harness.Context(l.t)
	for keys := l.client.Scan(ctx, 0, l.namespace+":e:*", 1000).Iterator(); keys.Next(ctx); {
		if raw, err := l.client.Get(ctx, keys.Val()).Result(); err == nil {
			found[keys.Val()] = raw
		}
	}
	return found
}

// evict takes all answers out of Redis, as it may do by itself.
func (l *ladder) evict() {
	l.t.Helper()
	for key := range l.entries() {
		if err := l.client.Del(harness.Context(l.t), key).Err(); err != nil {
			l.t.Fatal(err)
		}
	}
}

// stored waits until an answer to the question is in Redis that is none of those that were there before.
func (l *ladder) stored(before map[string]string) {
	l.t.Helper()
	harness.Eventually(l.t, settling, "the answer is in Redis", func() bool {
		for key, raw := range l.entries() {
			if strings.Contains(raw, strings.Repeat("x", 4000)) && before[key] != raw {
				return true
			}
		}
		return false
	})
}

// Whatever pool of a process has seen a change of another process first, and in whatever way, no other pool answers the same
// question with less, though this process has yet to hear of the change.
func TestNoPoolGoesBackToAnOlderAnswer(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(t *testing.T, l *ladder){
		"one asks for a fresh answer": func(t *testing.T, l *ladder) {
			a, b := l.pool(), l.pool()
			l.warm(a, b)
			l.climb()
			l.read(mlcache.WithRefresh(harness.Context(t)), a)
			l.read(harness.Context(t), b)
		},
		"one has no memory": func(t *testing.T, l *ladder) {
			a, b := l.pool("mlcache_l1_size", "0"), l.pool()
			l.warm(b)
			l.stored(nil)
			l.climb()
			l.evict()
			l.read(harness.Context(t), a)
			l.read(harness.Context(t), b)
		},
		"one has a memory of another size": func(t *testing.T, l *ladder) {
			a, b := l.pool("mlcache_l1_size", "8MiB"), l.pool()
			l.warm(b)
			l.stored(nil)
			l.climb()
			l.evict()
			l.read(harness.Context(t), a)
			l.read(harness.Context(t), b)
		},
		"one keeps answers for a shorter time": func(t *testing.T, l *ladder) {
			a, b := l.pool("mlcache_l1_ttl", "1s"), l.pool()
			l.warm(b)
			l.stored(nil)
			l.climb()
			l.evict()
			l.read(harness.Context(t), a)
			l.read(harness.Context(t), b)
		},
		"one is made by the program": func(t *testing.T, l *ladder) {
			cfg, err := mlcache.ParseConfig(l.dsn)
			if err != nil {
				t.Fatal(err)
			}
			config, err := pgx.ParseConfig(cfg.DSN)
			if err != nil {
				t.Fatal(err)
			}
			connector, err := mlcache.NewConnector(stdlib.GetConnector(*config), cfg)
			if err != nil {
				t.Fatal(err)
			}
			a, b := sql.OpenDB(connector), l.pool()
			t.Cleanup(func() { a.Close() })
			untilServing(t, a)
			l.warm(b)
			l.stored(nil)
			l.climb()
			l.evict()
			l.read(harness.Context(t), a)
			l.read(harness.Context(t), b)
		},
		"one may not keep the answer": func(t *testing.T, l *ladder) {
			a, b := l.pool("mlcache_max_bytes", "1KiB"), l.pool()
			l.warm(b)
			l.climb()
			l.evict()
			l.read(mlcache.WithRefresh(harness.Context(t)), a)
			l.read(harness.Context(t), b)
		},
		"one goes past the cache": func(t *testing.T, l *ladder) {
			a, b := l.pool(), l.pool("mlcache_l1_size", "32MiB")
			passed := func() uint64 { return stats(t, a).Reasons[mlcache.ReasonChurn] }
			for seen := false; !seen; {
				for before := passed(); passed() == before; {
					harness.Exec(t, a, "UPDATE ladder SET step = step + 1")
					l.read(harness.Context(t), a)
				}
				l.read(harness.Context(t), b)
				told := l.climb()
				before := passed()
				l.read(harness.Context(t), a)
				l.read(harness.Context(t), b)
				seen = passed() > before
				told()
			}
		},
		"Redis has what was there before": func(t *testing.T, l *ladder) {
			a := l.pool("mlcache_l1_size", "0")
			l.warm(a)
			l.stored(nil)
			old := l.entries()
			l.climb()
			l.read(mlcache.WithRefresh(harness.Context(t)), a)
			l.stored(old)
			for key, raw := range old {
				if err := l.client.Set(harness.Context(t), key, raw, time.Minute).Err(); err != nil {
					t.Fatal(err)
				}
			}
			l.read(harness.Context(t), a)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLadder(t)
			run(t, l)
			if l.highest == 0 {
				t.Error("nobody has seen the change")
			}
		})
	}
}

func (l *ladder) warm(pools ...*sql.DB) {
	l.t.Helper()
	for _, db := range pools {
		untilHit(l.t, db, ladderQuery)
	}
}

// An answer that a query under WithRefresh has brought is not replaced by that of a query that had begun before it.
func TestARefreshIsNotUndoneByAnEarlierQuery(t *testing.T) {
	t.Parallel()
	for name, with := range map[string]func(testing.TB, string, ...string) string{
		"memory": func(t testing.TB, dsn string, _ ...string) string {
			return harness.With(dsn, "mlcache_namespace", harness.NewNamespace(t))
		},
		"Redis": withPatientRedis,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain := harness.NewDatabase(t, warmup, "CREATE TABLE gate (n int)", "CREATE TABLE slow (step int)", "INSERT INTO slow VALUES (0)",
				// It waits at the gate when the row has been read.
				"CREATE FUNCTION wait(step int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN IF step = 0 THEN PERFORM 1 FROM gate; END IF; RETURN step; END'")
			pgx := harness.Open(t, "pgx", plain)
			db := harness.Open(t, "mlcache", with(t, plain))
			untilServing(t, db)
			const query = "SELECT wait(step) FROM slow"
			ctx := harness.Context(t)
			gate, err := pgx.Begin()
			if err != nil {
				t.Fatal(err)
			}
			defer gate.Rollback()
			harness.Exec(t, gate, "LOCK TABLE gate")
			early := make(chan int, 1)
			go func() {
				var step int
				if err := db.QueryRowContext(mlcache.WithTables(ctx, "slow"), query).Scan(&step); err != nil {
					t.Error(err)
				}
				early <- step
			}()
			harness.Eventually(t, settling, "the early query waits", func() bool {
				var n int
				err := pgx.QueryRow("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'gate'::regclass").Scan(&n)
				return err == nil && n > 0
			})
			harness.Exec(t, pgx, "UPDATE slow SET step = 1")
			read := func(ctx context.Context) (step int) {
				if err := db.QueryRowContext(mlcache.WithTables(ctx, "slow"), query).Scan(&step); err != nil {
					t.Fatal(err)
				}
				return step
			}
			if step := read(mlcache.WithRefresh(ctx)); step != 1 {
				t.Fatalf("a fresh answer is step %d", step)
			}
			if err := gate.Rollback(); err != nil {
				t.Fatal(err)
			}
			if step := <-early; step != 0 {
				t.Fatalf("the early query has seen step %d", step)
			}
			if s := stats(t, db); s.Misses < 3 {
				t.Errorf("these answers are not cached: %v", s.Reasons)
			}
			if step := read(ctx); step != 1 {
				t.Errorf("step %d after a refresh brought step 1", step)
			}
		})
	}
}
