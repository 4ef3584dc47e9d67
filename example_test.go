package mlcache_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache"
)

// openShop opens a database with a table of products, to which the cache is ready.
func openShop() (db *sql.DB, handle *mlcache.Handle, end func()) {
	db, err := sql.Open("mlcache", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	return db, ready(db), func() { drop(db) }
}

func ready(db *sql.DB) *mlcache.Handle {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	handle, err := mlcache.From(db)
	if err != nil {
		log.Fatal(err)
	}
	for _, statement := range []string{
		"DROP TABLE IF EXISTS mlcache_product",
		"CREATE TABLE mlcache_product (id int PRIMARY KEY, name text NOT NULL)",
		"INSERT INTO mlcache_product VALUES (7, 'Lamp'), (8, 'Desk')",
		"SELECT name FROM mlcache_product WHERE id = 8",
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			log.Fatal(err)
		}
	}
	if err := handle.Ready(ctx); err != nil {
		log.Fatal(err)
	}
	return handle
}

func drop(db *sql.DB) {
	if _, err := db.Exec("DROP TABLE mlcache_product"); err != nil {
		log.Fatal(err)
	}
	db.Close()
}

// product asks for the name of product 7, and says where the answer came from.
func product(ctx context.Context, db *sql.DB, query string, args ...any) string {
	handle, err := mlcache.From(db)
	if err != nil {
		log.Fatal(err)
	}
	before := handle.Stats()
	var name string
	if err := db.QueryRowContext(ctx, query, args...).Scan(&name); err != nil {
		log.Fatal(err)
	}
	after := handle.Stats()
	switch {
	case after.L1Hits > before.L1Hits:
		return name + ", from memory"
	case after.Misses > before.Misses:
		return name + ", a miss"
	default:
		return name + ", past the cache"
	}
}

const byID = "SELECT name FROM mlcache_product WHERE id = $1"

// The driver's name and DSN are all that a program changes.
func Example() {
	db, _, end := openShop() // sql.Open("mlcache", os.Getenv("DATABASE_URL"))
	defer end()
	ctx := context.Background()
	fmt.Println(product(ctx, db, byID, 7))
	fmt.Println(product(ctx, db, byID, 7))
	if _, err := db.ExecContext(ctx, "UPDATE mlcache_product SET name = $1 WHERE id = $2", "Lantern", 7); err != nil {
		log.Fatal(err)
	}
	fmt.Println(product(ctx, db, byID, 7))
	// Output:
	// Lamp, a miss
	// Lamp, from memory
	// Lantern, a miss
}

// A comment before or after a statement says what to do with that one.
func Example_hints() {
	db, _, end := openShop()
	defer end()
	ctx := context.Background()
	for range 2 {
		fmt.Println(product(ctx, db, "/* mlcache: off */ "+byID, 7))
		fmt.Println(product(ctx, db, byID+" /* mlcache: ttl=10s */", 7))
	}
	// Output:
	// Lamp, past the cache
	// Lamp, a miss
	// Lamp, past the cache
	// Lamp, from memory
}

func ExampleFrom() {
	db, _, end := openShop()
	defer end()
	handle, err := mlcache.From(db)
	fmt.Println(handle != nil, err)
	other, err := sql.Open("pgx", "")
	if err != nil {
		log.Fatal(err)
	}
	defer other.Close()
	_, err = mlcache.From(other)
	fmt.Println(err == mlcache.ErrNotMlcache)
	// Output:
	// true <nil>
	// true
}

// Any connector for PostgreSQL can stand behind the cache: one with a tracer, with a
// dialer of its own, a mock.
func ExampleNewConnector() {
	origin, err := pgx.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	origin.RuntimeParams["application_name"] = "shop"
	connector, err := mlcache.NewConnector(stdlib.GetConnector(*origin), &mlcache.Config{L1Size: 16 << 20})
	if err != nil {
		log.Fatal(err)
	}
	db := sql.OpenDB(connector)
	ready(db)
	defer drop(db)
	for range 2 {
		fmt.Println(product(context.Background(), db, byID, 7))
	}
	// Output:
	// Lamp, a miss
	// Lamp, from memory
}

func ExampleParseConfig() {
	cfg, err := mlcache.ParseConfig("host=db dbname=shop mlcache_l1_ttl=10s mlcache_l1_max_ttl=2m mlcache_redis=redis://cache:6379")
	fmt.Println(cfg.DSN, cfg.L1TTL, cfg.L1MaxTTL, cfg.L2TTL, cfg.Redis, err)
	_, err = mlcache.ParseConfig("host=db mlcache_l1_ttl=10m")
	fmt.Println(err)
	// Output:
	// host=db dbname=shop 10s 2m0s 5m0s redis://cache:6379 <nil>
	// mlcache: mlcache_l1_ttl: bad value "10m0s": L1 must not outlive L2, whose mlcache_l2_ttl is 5m0s
}

// The database is asked, and the answer is not kept.
func ExampleWithBypass() {
	db, _, end := openShop()
	defer end()
	ctx := mlcache.WithBypass(context.Background())
	for range 2 {
		fmt.Println(product(ctx, db, byID, 7))
	}
	// Output:
	// Lamp, past the cache
	// Lamp, past the cache
}

// The database is asked, and the answer replaces what the cache holds.
func ExampleWithRefresh() {
	db, _, end := openShop()
	defer end()
	ctx := context.Background()
	fmt.Println(product(ctx, db, byID, 7))
	fmt.Println(product(mlcache.WithRefresh(ctx), db, byID, 7))
	fmt.Println(product(ctx, db, byID, 7))
	// Output:
	// Lamp, a miss
	// Lamp, a miss
	// Lamp, from memory
}

// For tables that something else writes as well, an answer can be given a shorter life.
func ExampleWithTTL() {
	db, _, end := openShop()
	defer end()
	ctx := mlcache.WithTTL(context.Background(), 500*time.Millisecond)
	fmt.Println(product(ctx, db, byID, 7))
	fmt.Println(product(ctx, db, byID, 7))
	time.Sleep(510 * time.Millisecond)
	fmt.Println(product(ctx, db, byID, 7))
	// Output:
	// Lamp, a miss
	// Lamp, from memory
	// Lamp, a miss
}

// A function that is declared VOLATILE, which is what CREATE FUNCTION makes it unless
// told otherwise, is vouched for by the tables that it reads.
func ExampleWithTables() {
	db, _, end := openShop()
	defer end()
	ctx := context.Background()
	if _, err := db.ExecContext(ctx, `CREATE OR REPLACE FUNCTION mlcache_name(i int) RETURNS text LANGUAGE plpgsql
		AS $$ BEGIN RETURN (SELECT name FROM mlcache_product WHERE id = i); END $$`); err != nil {
		log.Fatal(err)
	}
	defer db.Exec("DROP FUNCTION mlcache_name")
	fmt.Println(product(ctx, db, "SELECT mlcache_name(7)"))
	ctx = mlcache.WithTables(ctx, "mlcache_product")
	for range 2 {
		fmt.Println(product(ctx, db, "SELECT mlcache_name(7)"))
	}
	// Output:
	// Lamp, past the cache
	// Lamp, a miss
	// Lamp, from memory
}

func ExampleHandle_Stats() {
	db, handle, end := openShop()
	defer end()
	before := handle.Stats()
	for range 4 {
		product(context.Background(), db, byID, 7)
	}
	product(context.Background(), db, "SELECT now()::text")
	s := handle.Stats()
	fmt.Println(s.L1Hits-before.L1Hits, "hits,", s.Misses-before.Misses, "miss,", s.Reasons["time_function"], "for its time")
	// Output: 3 hits, 1 miss, 1 for its time
}

// What callers waited for, by who gave the answer.
func ExampleHandle_Stats_latency() {
	db, handle, end := openShop()
	defer end()
	for range 200 { // of hits in memory one in 64 is measured
		product(context.Background(), db, byID, 7)
	}
	l := handle.Stats().Latency
	fmt.Println(l.L1.Count() > 0, l.L2.Count(), l.Origin.Count() > 0)
	fmt.Println(l.L1.Quantile(0.5) < l.Origin.Quantile(0.5))
	// Output:
	// true 0 true
	// true
}

// Statements by calls, with what their hits have saved; and the last hour.
func ExampleHandle_Statements() {
	db, handle, end := openShop()
	defer end()
	for range 3 {
		product(context.Background(), db, "SELECT name FROM mlcache_product WHERE id = 7")
	}
	for _, s := range handle.Statements() {
		if strings.HasPrefix(s.Text, "SELECT name") && s.Misses == 1 {
			fmt.Println(s.Text, s.Calls() > 0, s.Origin > 0)
		}
	}
	samples := handle.History()
	fmt.Println(samples[len(samples)-1].Misses > 0)
	// Output:
	// SELECT name FROM mlcache_product WHERE id = ? true true
	// true
}

// For tracing: who answered, in the caller's goroutine and under its context.
func ExampleHandle_OnRead() {
	db, handle, end := openShop()
	defer end()
	ctx := context.Background()
	handle.OnRead(func(_ context.Context, e mlcache.ReadEvent) { fmt.Println(e.Level) })
	product(ctx, db, byID, 7)
	product(ctx, db, byID, 7)
	handle.OnRead(nil)
	// Output:
	// origin
	// l1
}

func ExampleStats_HitRate() {
	fmt.Println(mlcache.Stats{L1Hits: 80, L2Hits: 10, Misses: 10, Bypasses: 50}.HitRate())
	// Output: 0.9
}

// What was changed past mlcache, the cache has to be told.
func ExampleHandle_Invalidate() {
	db, handle, end := openShop()
	defer end()
	ctx := context.Background()
	fmt.Println(product(ctx, db, byID, 7))
	psql, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer psql.Close()
	if _, err := psql.Exec("UPDATE mlcache_product SET name = 'Lantern' WHERE id = 7"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(product(ctx, db, byID, 7))
	fmt.Println(handle.Invalidate(ctx, "mlcache_product"))
	fmt.Println(product(ctx, db, byID, 7))
	// Output:
	// Lamp, a miss
	// Lamp, from memory
	// <nil>
	// Lantern, a miss
}

// A deployment can wait until the cache serves, so that the first requests need not.
func ExampleHandle_Ready() {
	db, handle, end := openShop()
	defer end()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(handle.Ready(ctx))
	fmt.Println(product(ctx, db, byID, 7))
	// Output:
	// <nil>
	// Lamp, a miss
}

// By the database's catalog: through views, functions, triggers and foreign keys.
func ExampleHandle_Explain() {
	db, handle, end := openShop()
	defer end()
	ctx := context.Background()
	if _, err := db.ExecContext(ctx, "CREATE OR REPLACE VIEW mlcache_cheap AS SELECT id FROM mlcache_product"); err != nil {
		log.Fatal(err)
	}
	defer db.Exec("DROP VIEW mlcache_cheap")
	x, err := handle.Explain(ctx, "SELECT count(*) FROM mlcache_cheap")
	fmt.Println(x.Kind, x.Reads, x.Cacheable, err)
	fmt.Println(x.Via["public.mlcache_product"])
	// Output:
	// read [public.mlcache_product] true <nil>
	// view public.mlcache_cheap
}

// By the text alone, without a database.
func ExampleExplainText() {
	for _, text := range []string{
		"SELECT name FROM product WHERE id = $1",
		"SELECT * FROM product WHERE added > now()",
		"DELETE FROM product",
	} {
		x := mlcache.ExplainText(text)
		fmt.Printf("%s %q %q %t %q\n", x.Kind, x.Reads, x.Writes, x.Cacheable, x.Reason)
	}
	// Output:
	// read ["product"] [] true ""
	// read ["product"] [] false "time_function"
	// write [] ["product"] false "not_a_read"
}

// The reasons why answers are not cached are a closed list, fit for a metric's labels.
func ExampleReasons() {
	for _, r := range mlcache.Reasons()[:2] {
		fmt.Printf("%s: %s\n", r, mlcache.ReasonDoc(r))
	}
	fmt.Println(mlcache.ReasonAdvice("for_update") != "")
	// Output:
	// bypass: the caller asked for the database
	// mode: the mode is off, or optin and the statement has no hint
	// true
}
