package integration

import (
	"context"
	"database/sql"
	"fmt"
	"runtime"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// heap is what the program holds in memory, in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The pools of a process and a namespace have one first level together: what one has
// asked the others find, and its memory is there once.
func TestTwentyPoolsHaveOneFirstLevel(t *testing.T) {
	dsn := harness.With(harness.NewDatabase(t, warmup, "CREATE TABLE pool (n int); INSERT INTO pool VALUES (1)"), "mlcache_namespace", harness.NewNamespace(t))
	before := heap()
	var pools []*sql.DB
	for i := range 20 {
		db := harness.Open(t, "mlcache", dsn)
		pools = append(pools, db)
		harness.Ready(t, db)
		harness.Query(t, db, "SELECT n FROM pool")
		if s := stats(t, db); i > 0 && (s.L1Hits != 1 || s.Misses != 0) {
			t.Errorf("pool %d did not find what the first has asked: %d hits, %d misses, %v", i, s.L1Hits, s.Misses, s.Reasons)
		}
	}
	if held := heap() - before; held > 250<<20 {
		t.Errorf("twenty pools hold %d MiB", held>>20)
	}
	// The last one out frees the memory, and not before.
	for _, db := range pools[1:] {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	first := stats(t, pools[0])
	harness.Query(t, pools[0], "SELECT n FROM pool")
	if got := since(first, stats(t, pools[0])); got.L1Hits != 1 {
		t.Errorf("after the others have closed: %+v", got)
	}
	if err := pools[0].Close(); err != nil {
		t.Fatal(err)
	}
	if held := heap() - before; held > 32<<20 {
		t.Errorf("closed, they still hold %d MiB", held>>20)
	}
	last := harness.Open(t, "mlcache", dsn)
	harness.Ready(t, last)
	harness.Query(t, last, "SELECT n FROM pool")
	if s := stats(t, last); s.Misses != 1 {
		t.Errorf("a pool that opens anew begins with what others had: %+v", s)
	}
}

// Pools that differ in whatever an answer depends on never see each other's, though they
// share a namespace, a memory and a text.
func TestPoolsOfOneMemoryShareNoAnswerThatDiffers(t *testing.T) {
	// Not beside tests that make roles: those belong to the whole server, and a
	// change of them is one of every database's schema.
	dsn := harness.NewDatabase(t, tenantTables, "INSERT INTO by_setting VALUES ('', 'none')")
	other := harness.NewDatabase(t, tenantTables, "INSERT INTO plain VALUES ('of the other database')")
	admin := harness.Open(t, "pgx", dsn)
	var name string
	if err := admin.QueryRow("SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	role := name + "_one"
	harness.Exec(t, admin, `CREATE ROLE "`+role+`" LOGIN PASSWORD 'secret'`)
	t.Cleanup(func() {
		if _, err := admin.Exec(`DROP OWNED BY "` + role + `"; DROP ROLE "` + role + `"`); err != nil {
			t.Error(err)
		}
	})
	harness.Exec(t, admin, `GRANT USAGE ON SCHEMA one, two, public TO "`+role+`"`)
	harness.Exec(t, admin, `GRANT ALL ON ALL TABLES IN SCHEMA one, two, public TO "`+role+`"`)
	harness.Exec(t, admin, `INSERT INTO by_user VALUES ($1, $1)`, role)
	namespace := harness.NewNamespace(t)
	type pair struct {
		name   string
		cached *sql.DB
		plain  *sql.DB
	}
	var pools []pair
	add := func(name, dsn string) {
		pools = append(pools, pair{name, harness.Open(t, "mlcache", harness.With(dsn, "mlcache_namespace", namespace)), harness.Open(t, "pgx", dsn)})
	}
	add("plain", harness.With(dsn, "search_path", "public"))
	add("another user", harness.With(dsn, "user", role, "password", "secret", "search_path", "public"))
	add("another database", harness.With(other, "search_path", "public"))
	add("another schema", harness.With(dsn, "search_path", "one,public"))
	add("yet another schema", harness.With(dsn, "search_path", "two,public"))
	add("another setting", harness.With(dsn, "search_path", "public", "app.tenant", "one"))
	add("another zone", harness.With(dsn, "search_path", "public", "timezone", "Asia/Tokyo"))
	add("another mode", harness.With(dsn, "search_path", "public", "default_query_exec_mode", "simple_protocol"))
	hooked := func(name, statement string) {
		config, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		hook := stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
			_, err := c.Exec(ctx, statement)
			return err
		})
		connector, err := mlcache.NewConnector(stdlib.GetConnector(*config, hook), &mlcache.Config{Namespace: namespace})
		if err != nil {
			t.Fatal(err)
		}
		cached, plain := sql.OpenDB(connector), sql.OpenDB(stdlib.GetConnector(*config, hook))
		t.Cleanup(func() { cached.Close(); plain.Close() })
		pools = append(pools, pair{name, cached, plain})
	}
	hooked("a hook", "SET search_path = two, public")
	hooked("another hook", "SET search_path = one, public")
	hooked("a hook that sets a role", `SET ROLE "`+role+`"`)
	queries := []string{
		"SELECT v FROM items", "SELECT v FROM plain ORDER BY v", "SELECT v FROM by_user ORDER BY v", "SELECT v FROM by_setting ORDER BY v",
		"SELECT '2024-01-01 00:00+00'::timestamptz::text, count(*) FROM plain",
	}
	for _, p := range pools {
		harness.Ready(t, p.cached)
	}
	for round := range 3 {
		for _, query := range queries {
			for _, p := range pools {
				got, want := harness.TryQuery(harness.Context(t), p.cached, query), harness.TryQuery(harness.Context(t), p.plain, query)
				harness.Same(t, fmt.Sprintf("%s, round %d, %s", p.name, round, query), got, want)
			}
		}
	}
	for _, p := range pools {
		if s := stats(t, p.cached); s.L1Hits == 0 {
			t.Errorf("%s: no hit: %v", p.name, s.Reasons)
		}
	}
}

// A server and a copy of its files tell the same about themselves. So in memory the way to
// the server counts as well: without a Redis nothing of one is ever an answer of the other.
func TestPoolsOfTwoServersShareNoMemory(t *testing.T) {
	t.Parallel()
	one := harness.NewDatabase(t, warmup, "CREATE TABLE pool (n int); INSERT INTO pool VALUES (1)")
	namespace := harness.NewNamespace(t)
	for i, dsn := range []string{one, harness.NewStatementLog(t, one).DSN()} {
		db := harness.Open(t, "mlcache", harness.With(dsn, "mlcache_namespace", namespace))
		harness.Ready(t, db)
		harness.Query(t, db, "SELECT n FROM pool")
		harness.Query(t, db, "SELECT n FROM pool")
		if s := stats(t, db); s.Misses != 1 || s.L1Hits != 1 {
			t.Errorf("server %d: %d misses and %d hits", i, s.Misses, s.L1Hits)
		}
	}
}

// What a pool keeps for long another that keeps it for a short time does not find.
func TestPoolsThatKeepAnswersOtherwiseShareNone(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE pool (n int); INSERT INTO pool VALUES (1)")
	namespace := harness.NewNamespace(t)
	for _, with := range [][]string{
		{}, {"mlcache_l1_ttl", "2s"}, {"mlcache_l1_max_ttl", "1m"}, {"mlcache_l2_ttl", "1m"}, {"mlcache_l1_size", "1MiB"},
		{"mlcache_max_staleness", "2s"}, {"mlcache_consistency", "strict"},
	} {
		db := harness.Open(t, "mlcache", harness.With(harness.With(dsn, "mlcache_namespace", namespace), with...))
		harness.Ready(t, db)
		harness.Query(t, db, "SELECT n FROM pool")
		if s := stats(t, db); s.Misses != 1 {
			t.Errorf("%v: it found another pool's answer", with)
		}
	}
}
