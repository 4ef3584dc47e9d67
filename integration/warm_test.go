package integration

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

const (
	countryTable = `CREATE TABLE country (id int PRIMARY KEY, name text);
	INSERT INTO country SELECT i, 'country ' || i FROM generate_series(1, 100) i`
	countryQuery = "SELECT name FROM country WHERE id = $1"
)

// The statements of a list are asked, so many at once, and their answers are hits from
// the first time on; what is not cached is not sent.
func TestWarmFromAList(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, countryTable)
	log := harness.NewStatementLog(t, dsn)
	db := harness.Open(t, "mlcache", withPatientRedis(t, log.DSN()))
	untilServing(t, db)
	queries := []mlcache.Query{{SQL: "SELECT count(*) FROM country"}}
	for id := range 40 {
		queries = append(queries, mlcache.Query{SQL: countryQuery, Args: []any{id}})
	}
	conns, asked := log.Connections(), log.Count("FROM country")
	var last mlcache.WarmProgress
	err := handle(t, db).WarmUp(harness.Context(t), mlcache.Warmup{Queries: queries, Parallel: 3, Progress: func(p mlcache.WarmProgress) {
		if p.Done != last.Done+1 || p.Total != len(queries) || p.Failed > 0 {
			t.Errorf("from %+v to %+v", last, p)
		}
		last = p
	}})
	if err != nil || last.Done != len(queries) {
		t.Errorf("%v, %+v", err, last)
	}
	if n := log.Connections() - conns; n > 3 {
		t.Errorf("%d connections, want at most 3", n)
	}
	if n := log.Count("FROM country") - asked; n != len(queries) {
		t.Errorf("%d queries, want %d", n, len(queries))
	}
	before, asked := stats(t, db), log.Count("FROM country")
	for _, q := range queries {
		harness.Query(t, db, q.SQL, q.Args...)
	}
	if c := since(before, stats(t, db)); c.L1Hits != uint64(len(queries)) || log.Count("FROM country") != asked {
		t.Errorf("after warming: %+v", c)
	}

	err = handle(t, db).Prefetch(harness.Context(t), mlcache.Query{SQL: "DELETE FROM country RETURNING id"}, mlcache.Query{SQL: "SELECT now()"},
		mlcache.Query{SQL: "SELECT nothing FROM country"}, mlcache.Query{SQL: "SELECT max(id) FROM country"})
	if err == nil || !strings.Contains(err.Error(), "query 1: its answer is not cached") || !strings.Contains(err.Error(), "query 2: ") ||
		!strings.Contains(err.Error(), "query 3: ") || strings.Contains(err.Error(), "query 4") {
		t.Errorf("what cannot be cached: %v", err)
	}
	if log.Count("DELETE") > 0 {
		t.Error("a statement that writes was sent")
	}
	before = stats(t, db)
	harness.Query(t, db, "SELECT max(id) FROM country")
	if c := since(before, stats(t, db)); c.L1Hits != 1 {
		t.Errorf("the query after those that failed: %+v", c)
	}
}

// A new process has in memory what the last one was asked for most, without a question
// to the database; what was written meanwhile it does not give.
func TestWarmFromTheLastRun(t *testing.T) {
	t.Parallel()
	for name, more := range map[string][]string{"plain": nil, "sealed": {"mlcache_key_file", keyFile(t, newKey())}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := harness.NewDatabase(t, warmup, countryTable)
			log := harness.NewStatementLog(t, dsn)
			cached := withPatientRedis(t, log.DSN(), append(more, "mlcache_warm_keys", "10")...)
			namespace := cached[strings.Index(cached, "mlcache_namespace=")+len("mlcache_namespace="):]
			namespace, _, _ = strings.Cut(namespace, "&")
			first, err := sql.Open("mlcache", cached)
			if err != nil {
				t.Fatal(err)
			}
			defer first.Close()
			untilServing(t, first)
			ask := func(db *sql.DB, id int) harness.Result { t.Helper(); return harness.Query(t, db, countryQuery, id) }
			want := make(map[int]harness.Result)
			for id := 1; id <= 60; id++ {
				want[id] = ask(first, id)
			}
			for range 200 {
				for id := 1; id <= 5; id++ {
					ask(first, id)
				}
			}
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			options, err := redis.ParseURL(harness.RedisURL())
			if err != nil {
				t.Fatal(err)
			}
			client := redis.NewClient(options)
			defer client.Close()
			if n, err := client.ZCard(t.Context(), namespace+":r:hot").Result(); n == 0 || n > 10 || err != nil {
				t.Errorf("%d keys are remembered, %v", n, err)
			}

			second := harness.Open(t, "mlcache", cached)
			var at mlcache.WarmProgress
			if err := handle(t, second).WarmUp(harness.Context(t), mlcache.Warmup{LastRun: true, Progress: func(p mlcache.WarmProgress) { at = p }}); err != nil {
				t.Fatal(err)
			}
			if at.Done < 5 || at.Done != at.Total {
				t.Errorf("progress %+v", at)
			}
			asked := log.Count(countryQuery)
			for id := 1; id <= 5; id++ {
				harness.Same(t, "a warm answer", ask(second, id), want[id])
			}
			if s := stats(t, second); s.L1Hits < 4 || s.L2Hits > 1 || log.Count(countryQuery) != asked {
				t.Errorf("%d hits in memory, %d in Redis, %d queries", s.L1Hits, s.L2Hits, log.Count(countryQuery)-asked)
			}

			// A third process takes them into memory, and a fourth one writes.
			third := harness.StartProcess(t, "mlcache", cached)
			_ = third
			db := harness.Open(t, "mlcache", cached)
			if err := handle(t, db).WarmUp(harness.Context(t), mlcache.Warmup{LastRun: true}); err != nil {
				t.Fatal(err)
			}
			third.Exec("UPDATE country SET name = 'new' WHERE id <= 5")
			pgx := harness.Open(t, "pgx", dsn)
			harness.Eventually(t, 15*time.Second, "the new answer", func() bool {
				return ask(db, 1).String() == harness.Query(t, pgx, countryQuery, 1).String()
			})
			for id := 2; id <= 5; id++ {
				harness.Same(t, "after a write", ask(db, id), harness.Query(t, pgx, countryQuery, id))
			}
		})
	}
}

// Of what the database has been asked most, what has no values is asked again.
func TestWarmFromStatements(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, countryTable, "CREATE SCHEMA ext; CREATE EXTENSION pg_stat_statements SCHEMA ext")
	pgx := harness.Open(t, "pgx", dsn)
	for i := range 30 {
		harness.Query(t, pgx, "SELECT id, name FROM country ORDER BY name")
		harness.Query(t, pgx, countryQuery, i)
		harness.Query(t, pgx, "SELECT now()")
	}
	for range 10 {
		harness.Query(t, pgx, "SELECT min(id) FROM country")
	}
	db := harness.Open(t, "mlcache", withPatientRedis(t, dsn))
	var at mlcache.WarmProgress
	if err := handle(t, db).WarmUp(harness.Context(t), mlcache.Warmup{Statements: 1, Progress: func(p mlcache.WarmProgress) { at = p }}); err != nil {
		t.Fatal(err)
	}
	if at.Done != 1 || at.Failed > 0 {
		t.Errorf("progress %+v", at)
	}
	before := stats(t, db)
	harness.Query(t, db, "SELECT id, name FROM country ORDER BY name")
	harness.Query(t, db, "SELECT min(id) FROM country")
	if c := since(before, stats(t, db)); c.L1Hits != 1 || c.Misses != 1 {
		t.Errorf("after warming with one statement: %+v", c)
	}

	without := harness.Open(t, "mlcache", withPatientRedis(t, harness.NewDatabase(t, warmup)))
	err := handle(t, without).WarmUp(harness.Context(t), mlcache.Warmup{Statements: 1})
	if err == nil || !strings.Contains(err.Error(), "pg_stat_statements") {
		t.Errorf("without the extension: %v", err)
	}
}
