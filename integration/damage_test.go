package integration

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/integration/harness"
)

// redisClient returns a client of its own for looking at what mlcache stores.
func redisClient(t testing.TB, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(options)
	t.Cleanup(func() { c.Close() })
	return c
}

// entries returns the names of the strings of a namespace: the cached answers.
func entries(t testing.TB, c *redis.Client, namespace string) []string {
	t.Helper()
	var names []string
	i := c.ScanType(harness.Context(t), 0, "*"+namespace+"*", 1000, "string").Iterator()
	for i.Next(harness.Context(t)) {
		names = append(names, i.Val())
	}
	if err := i.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}

// Whatever stands in Redis under the key of an answer, the reader gets the
// database's answer, and the entry is counted as a miss and written anew. L1 is
// turned off, so that every read asks Redis.
func TestDamagedEntryInRedisIsAMiss(t *testing.T) {
	t.Parallel()
	const query = "SELECT id, name, version FROM product WHERE id <= 3 ORDER BY id"
	dsn := harness.NewDatabase(t, warmup, productTables)
	want := harness.Query(t, harness.Open(t, "pgx", dsn), query)
	namespace := harness.NewNamespace(t)
	db := harness.Open(t, "mlcache", withPatientRedis(t, dsn, "mlcache_l1_size", "0", "mlcache_namespace", namespace))
	untilServing(t, db)
	client := redisClient(t, harness.RedisURL())
	others := entries(t, client, namespace)

	untilHit(t, db, query)
	name := onlyNew(t, entries(t, client, namespace), others)
	good, err := client.Get(harness.Context(t), name).Bytes()
	if err != nil {
		t.Fatal(err)
	}

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, seed))
	for _, d := range damages(good, random) {
		if err := client.Set(harness.Context(t), name, d.bytes, redis.KeepTTL).Err(); err != nil {
			t.Fatal(err)
		}
		before := stats(t, db)
		harness.Same(t, d.name, harness.Query(t, db, query), want)
		c := since(before, stats(t, db))
		if c != (counts{Misses: 1}) {
			t.Fatalf("%s: counted %+v, want a miss", d.name, c)
		}
		harness.Eventually(t, 10*time.Second, d.name+": the entry written anew", func() bool {
			now, err := client.Get(context.Background(), name).Bytes()
			return err == nil && !bytes.Equal(now, d.bytes)
		})
	}
	if n := stats(t, db).L2.Corrupt; n == 0 {
		t.Error("no entry was counted as corrupt")
	}
}

func onlyNew(t testing.TB, names, known []string) string {
	t.Helper()
	seen := make(map[string]bool)
	for _, n := range known {
		seen[n] = true
	}
	var found []string
	for _, n := range names {
		if !seen[n] {
			found = append(found, n)
		}
	}
	if len(found) != 1 {
		t.Fatalf("one query has made %d entries in Redis: %q", len(found), found)
	}
	return found[0]
}

type damage struct {
	name  string
	bytes []byte
}

// damages lists broken forms of an entry: each byte changed, cut after each byte,
// made longer, doubled, and bytes that never were an entry.
func damages(good []byte, random *rand.Rand) []damage {
	var out []damage
	add := func(name string, b []byte) { out = append(out, damage{name, b}) }
	for i := range good {
		flipped := bytes.Clone(good)
		flipped[i] ^= 1 << random.IntN(8)
		add("a bit flipped", flipped)
		replaced := bytes.Clone(good)
		replaced[i] ^= byte(1 + random.IntN(255))
		add("a byte replaced", replaced)
		add("cut", good[:i])
		add("its start lost", good[i+1:])
	}
	add("a byte added", append(bytes.Clone(good), 0))
	add("doubled", append(bytes.Clone(good), good...))
	for range 50 {
		b := make([]byte, random.IntN(2*len(good)+1))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		add("random bytes", b)
		// The head stays, so that more of the reader's checks are reached.
		keep := random.IntN(len(good))
		if cut := append(bytes.Clone(good[:keep]), b...); !bytes.Equal(cut, good) {
			add("random bytes behind a good head", cut)
		}
	}
	return out
}

// One key holds the answer to one question: bytes that are a good entry of
// another one are no answer, and a key of another type is none either.
func TestEntryOfAnotherKeyIsAMiss(t *testing.T) {
	t.Parallel()
	const query = "SELECT name FROM product WHERE id = $1"
	dsn := harness.NewDatabase(t, warmup, productTables)
	pgx := harness.Open(t, "pgx", dsn)
	namespace := harness.NewNamespace(t)
	db := harness.Open(t, "mlcache", withPatientRedis(t, dsn, "mlcache_l1_size", "0", "mlcache_namespace", namespace))
	untilServing(t, db)
	client := redisClient(t, harness.RedisURL())
	before := entries(t, client, namespace)
	untilHit(t, db, query, 1)
	one := onlyNew(t, entries(t, client, namespace), before)
	before = entries(t, client, namespace)
	untilHit(t, db, query, 2)
	two := onlyNew(t, entries(t, client, namespace), before)

	if err := client.Copy(harness.Context(t), one, two, 0, true).Err(); err != nil {
		t.Fatal(err)
	}
	harness.Same(t, "the entry of another argument", harness.Query(t, db, query, 2), harness.Query(t, pgx, query, 2))
	client.Del(harness.Context(t), one)
	if err := client.LPush(harness.Context(t), one, "x").Err(); err != nil {
		t.Fatal(err)
	}
	harness.Same(t, "a list under the key", harness.Query(t, db, query, 1), harness.Query(t, pgx, query, 1))
}
