package suite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/bench/internal/duel"
	"github.com/mlcache/mlcache/bench/internal/servers"
)

// Env is what cases run in.
type Env struct {
	Servers *servers.Pair
	Plan    duel.Plan
	// Short makes do with a part of the work where a case is not a duel.
	Short bool

	client     *redis.Client
	direct     *sql.DB
	namespaces []string
}

const items = 100_000

// idleConns is how many connections are kept open: as many as any case uses.
const idleConns = 16

// The tables of the benchmark, in a schema of its own. items has the five types
// that most columns have; stock is written.
const createTables = `
DROP SCHEMA IF EXISTS mlcache_bench CASCADE;
CREATE SCHEMA mlcache_bench;
CREATE TABLE mlcache_bench.items (
	id bigint PRIMARY KEY,
	name text NOT NULL,
	price double precision NOT NULL,
	active boolean NOT NULL,
	created timestamptz NOT NULL
) WITH (fillfactor = 80);
INSERT INTO mlcache_bench.items
SELECT i, 'item number ' || i, i * 1.25, i % 7 <> 0, timestamptz '2026-01-01 00:00:00Z' + i * interval '1 minute'
FROM generate_series(1, 100000) AS i;
CREATE TABLE mlcache_bench.stock (id bigint PRIMARY KEY, amount bigint NOT NULL) WITH (fillfactor = 50);
INSERT INTO mlcache_bench.stock SELECT i, 0 FROM generate_series(1, 1000) AS i;
ANALYZE mlcache_bench.items, mlcache_bench.stock;
`

const dropTables = `DROP SCHEMA IF EXISTS mlcache_bench CASCADE`

// NewEnv fills the servers with what the cases need.
func NewEnv(ctx context.Context, s *servers.Pair, plan duel.Plan, short bool) (*Env, error) {
	opt, err := redis.ParseURL(s.Redis)
	if err != nil {
		return nil, err
	}
	e := &Env{Servers: s, Plan: plan, Short: short, client: redis.NewClient(opt)}
	if err := e.waitForRedis(ctx); err != nil {
		return nil, err
	}
	if e.direct, err = e.openDirect(); err != nil {
		return nil, err
	}
	for _, statement := range strings.Split(strings.TrimSuffix(strings.TrimSpace(createTables), ";"), ";\n") {
		if _, err := e.direct.ExecContext(ctx, statement); err != nil {
			return nil, fmt.Errorf("mlcache: cannot make the tables of the benchmark: %w", err)
		}
	}
	return e, nil
}

// waitForRedis waits until Redis is so old that a new namespace needs no
// quarantine: fences in flight could only have been lost by a younger one.
func (e *Env) waitForRedis(ctx context.Context) error {
	const lease = 5 // the seconds that a fence lasts
	for {
		info, err := e.client.Info(ctx, "server").Result()
		if err != nil {
			return err
		}
		_, rest, _ := strings.Cut(info, "uptime_in_seconds:")
		text, _, _ := strings.Cut(rest, "\r")
		up, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("mlcache: redis does not tell how long it has been up: %w", err)
		}
		if up > lease {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Close drops the tables and the Redis keys of the benchmark.
func (e *Env) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := e.direct.ExecContext(ctx, dropTables)
	for _, ns := range e.namespaces {
		for _, pattern := range []string{ns + ":*", "{" + ns + "}:*"} {
			for it := e.client.Scan(ctx, 0, pattern, 1000).Iterator(); it.Next(ctx); {
				e.client.Unlink(ctx, it.Val())
			}
		}
	}
	e.direct.Close()
	e.client.Close()
	return err
}

// Versions returns the versions of the servers.
func (e *Env) Versions(ctx context.Context) (postgres, redis string, err error) {
	if err := e.direct.QueryRowContext(ctx, "SHOW server_version").Scan(&postgres); err != nil {
		return "", "", err
	}
	info, err := e.client.Info(ctx, "server").Result()
	if err != nil {
		return "", "", err
	}
	_, rest, _ := strings.Cut(info, "redis_version:")
	redis, _, _ = strings.Cut(rest, "\r")
	return postgres, redis, nil
}

// apart keeps this process and the servers on different processors until back is
// called, where that is possible.
func (e *Env) apart() (back func(), err error) {
	restore, err := e.Servers.Apart()
	if err != nil || restore == nil {
		return func() {}, err
	}
	procs := runtime.GOMAXPROCS(1) // as Go chooses for one processor
	return func() {
		runtime.GOMAXPROCS(procs)
		if err := restore(); err != nil {
			panic(err) // all that is measured after it would be wrong
		}
	}, nil
}

// openDirect opens the database through pgx alone, with as many idle connections
// as any case uses.
func (e *Env) openDirect() (*sql.DB, error) {
	db, err := sql.Open("pgx", e.Servers.Postgres)
	if err == nil {
		db.SetMaxIdleConns(idleConns)
	}
	return db, err
}

// cached opens the database through mlcache, in a namespace of its own. settings
// are more keys of the DSN, as "key=value"; "redis" stands for the Redis of the
// benchmark. The database is ready to cache.
func (e *Env) cached(ctx context.Context, settings ...string) (*cachedDB, error) {
	dsn, namespace := e.dsn(settings...)
	db, err := sql.Open(mlcache.DriverName, dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxIdleConns(idleConns)
	cached, err := watch(db, namespace)
	if err != nil {
		return nil, err
	}
	if err := cached.ready(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return cached, nil
}

// ready asks until an answer has come from the cache: a driver may pass queries
// through until it knows the schema, and store nothing until Redis is sure.
func (db *cachedDB) ready(ctx context.Context) error {
	deadline := time.Now().Add(15 * time.Second)
	for s := db.handle.Stats(); s.L1Hits+s.L2Hits == 0; s = db.handle.Stats() {
		if time.Now().After(deadline) {
			return fmt.Errorf("nothing is cached: %+v", db.handle.Stats())
		}
		if err := queryOne(ctx, db.DB)(1); err != nil {
			return err
		}
	}
	db.markWarm()
	return nil
}

func (e *Env) dsn(settings ...string) (dsn, namespace string) {
	namespace = "bench-" + strings.ToLower(rand.Text()[:12])
	e.namespaces = append(e.namespaces, namespace)
	own := [][2]string{{"mlcache_namespace", namespace}, {"mlcache_l1_ttl", "1h"}, {"mlcache_l2_ttl", "1h"}}
	for _, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		if key == "redis" {
			key, value = "mlcache_redis", e.Servers.Redis
		}
		own = append(own, [2]string{key, value})
	}
	dsn = e.Servers.Postgres
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		separator := "?"
		if strings.Contains(dsn, "?") {
			separator = "&"
		}
		for _, kv := range own {
			dsn += separator + kv[0] + "=" + url.QueryEscape(kv[1])
			separator = "&"
		}
		return dsn, namespace
	}
	for _, kv := range own {
		dsn += " " + kv[0] + "='" + strings.ReplaceAll(strings.ReplaceAll(kv[1], `\`, `\\`), `'`, `\'`) + "'"
	}
	return dsn, namespace
}

// cachedDB is a *sql.DB on mlcache.
type cachedDB struct {
	*sql.DB
	handle    *mlcache.Handle
	namespace string
	// warmed are the counts before the measuring began.
	warmed mlcache.Stats
}

// markWarm begins to count anew.
func (db *cachedDB) markWarm() { db.warmed = db.handle.Stats() }

// reads returns how many queries there were since markWarm, and how many of
// them count says.
func (db *cachedDB) reads(count func(mlcache.Stats) uint64) (all, some uint64) {
	s := db.handle.Stats()
	every := func(s mlcache.Stats) uint64 { return s.L1Hits + s.L2Hits + s.Misses + s.Bypasses }
	return every(s) - every(db.warmed), count(s) - count(db.warmed)
}

func watch(db *sql.DB, namespace string) (*cachedDB, error) {
	h, err := mlcache.From(db)
	if err != nil {
		db.Close()
		return nil, err
	}
	return &cachedDB{DB: db, handle: h, namespace: namespace}, nil
}

// share checks that of all queries at least nine tenths were of the wanted kind,
// and notes the share. Since the clock runs and other programs do too, a few may
// be of another kind.
func (db *cachedDB) share(what string, count func(mlcache.Stats) uint64) func() (string, error) {
	return func() (string, error) {
		all, some := db.reads(count)
		part := float64(some) / float64(max(all, 1))
		note := fmt.Sprintf("%.2f%% %s", 100*part, what)
		if part < 0.9 {
			return note, fmt.Errorf("only %s of %d queries: %+v", note, all, db.handle.Stats())
		}
		return note, nil
	}
}

func l1Hits(s mlcache.Stats) uint64   { return s.L1Hits }
func l2Hits(s mlcache.Stats) uint64   { return s.L2Hits }
func misses(s mlcache.Stats) uint64   { return s.Misses }
func bypasses(s mlcache.Stats) uint64 { return s.Bypasses }

// once counts the operations that must not be repeated, in both sides together.
var once atomic.Int64

// Cases returns the table of limits, in its order.
func Cases() []Case {
	return slices.Concat(hitCases(), redisCases(), missCases(), writeCases(), mixCases(), firstCases(), importCases(), memoryCases())
}
