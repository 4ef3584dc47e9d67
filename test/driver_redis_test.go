package test

import (
	"database/sql"
	"database/sql/driver"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/mlcache/mlcache"
)

// process stands for a process of its own: it reaches Redis through a door of its
// own, so it shares nothing with others but Redis and the database.
type process struct {
	db   *sql.DB
	h    *mlcache.Handle
	door *redisDoor
}

// startProcess opens a pool over o. options are those of the Redis URL.
func startProcess(t testing.TB, o *origin, server *redisServer, options string, cfg mlcache.Config) *process {
	t.Helper()
	p := &process{door: openDoor(t, server.Addr())}
	cfg.Redis = p.door.url() + options
	p.db, p.h = openDriver(t, o, &cfg)
	return p
}

// waitFor waits for what other goroutines are about to bring about.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// waitFilled waits until n answers of the process have reached Redis.
func (p *process) waitFilled(t testing.TB, n uint64) {
	t.Helper()
	waitFor(t, "an answer in Redis", func() bool { return p.h.Stats().L2.Sets >= n })
}

const counterQuery = "SELECT n FROM t WHERE k = $1"

func TestSecondProcessReadsFromRedisThenFromMemory(t *testing.T) {
	t.Parallel()
	for _, consistency := range []mlcache.Consistency{mlcache.Bounded, mlcache.Strict} {
		server := runRedis(t)
		d := newCounterDB()
		d.catalog = true
		cfg := mlcache.Config{Namespace: driverNamespace(), Consistency: consistency, MaxStaleness: time.Minute}
		first := startProcess(t, d.origin, server, patient, cfg)
		second := startProcess(t, d.origin, server, patient, cfg)
		ctx := t.Context()
		scanInt(ctx, t, first.db, counterQuery, 0)
		first.waitFilled(t, 1)
		wantCounts(t, first.h, 0, 0, 1, 0)
		for range 3 {
			scanInt(ctx, t, second.db, counterQuery, 0)
		}
		wantCounts(t, second.h, 2, 1, 0, 0)
		if n := d.count("SELECT"); n != 1 {
			t.Errorf("%s: the database was asked %d times", consistency, n)
		}
		// A write in one is seen by the other, though the bound is far away.
		if _, err := first.db.Exec("UPDATE t SET n = n + 1 WHERE k = $1", 0); err != nil {
			t.Fatal(err)
		}
		if consistency == mlcache.Strict {
			if n := scanInt(ctx, t, second.db, counterQuery, 0); n != 1 {
				t.Errorf("strict: read %d after the write", n)
			}
		}
		waitFor(t, "the write in the other process", func() bool { return scanInt(ctx, t, second.db, counterQuery, 0) == 1 })
		if n := scanInt(ctx, t, first.db, counterQuery, 0); n != 1 {
			t.Errorf("own write: read %d", n)
		}
	}
}

// Redis shows neither texts nor arguments, and what it holds ends.
func TestRedisHoldsNothingReadableForEver(t *testing.T) {
	t.Parallel()
	server := runRedis(t)
	d := newCounterDB()
	d.catalog = true
	cfg := mlcache.Config{Namespace: driverNamespace()}
	p := startProcess(t, d.origin, server, patient, cfg)
	var n int64
	if err := p.db.QueryRow("SELECT n FROM t WHERE k = $1 AND secret = $2", 0, "hunter2").Scan(&n); err != nil {
		t.Fatal(err)
	}
	p.waitFilled(t, 1)
	for _, key := range server.Keys() {
		if strings.Contains(key, "hunter2") || strings.Contains(strings.ToUpper(key), "SELECT") {
			t.Errorf("key %q", key)
		}
		if strings.Contains(key, ":e:") {
			if value, _ := server.Get(key); strings.Contains(value, "hunter2") {
				t.Errorf("the entry shows the argument: %q", value)
			}
			if ttl := server.TTL(key); ttl <= 0 || ttl > 5*time.Minute {
				t.Errorf("%s lives for %v", key, ttl)
			}
		}
	}
}

// Two pools of one process with the same namespace and Redis are one: a write
// through one is seen at once by the other.
func TestPoolsOfOneProcessShareVersions(t *testing.T) {
	t.Parallel()
	server := runRedis(t)
	for _, url := range []string{"", server.url()} {
		d := newCounterDB()
		d.catalog = true
		cfg := &mlcache.Config{Namespace: driverNamespace(), Redis: url, MaxStaleness: time.Minute}
		first, _ := openDriver(t, d.origin, cfg)
		second, h := openDriver(t, d.origin, cfg)
		for want := range int64(5) {
			for range 2 {
				if n := scanInt(t.Context(), t, second, counterQuery, 0); n != want {
					t.Fatalf("Redis %q: read %d after %d writes", url, n, want)
				}
			}
			if _, err := first.Exec("UPDATE t SET n = n + 1 WHERE k = $1", 0); err != nil {
				t.Fatal(err)
			}
		}
		if h.Stats().L1Hits == 0 {
			t.Errorf("Redis %q: nothing was cached: %+v", url, h.Stats())
		}
	}
}

// damages are what can happen to an entry's bytes.
func damages(rng *rand.Rand, good string) map[string]string {
	flip := func(at int) string {
		b := []byte(good)
		b[at] ^= 1 << rng.IntN(8)
		return string(b)
	}
	random := make([]byte, len(good))
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	return map[string]string{
		"flipped at the start":  flip(0),
		"flipped at the end":    flip(len(good) - 1),
		"flipped in the middle": flip(len(good) / 2),
		"flipped somewhere":     flip(rng.IntN(len(good))),
		"cut by one":            good[:len(good)-1],
		"cut in half":           good[:len(good)/2],
		"one byte":              good[:1],
		"one more byte":         good + "\x00",
		"doubled":               good + good,
		"random":                string(random),
		"text":                  "OK",
	}
}

func TestDamagedEntryInRedisIsACountedMiss(t *testing.T) {
	t.Parallel()
	server := runRedis(t)
	for _, catalog := range []bool{true, false} {
		o := newOrigin(func(string, []driver.NamedValue) (*result, error) {
			return &result{cols: valueColumns(), rows: [][]driver.Value{valueRow(), valueRow()}}, nil
		})
		o.catalog = catalog
		o.wrapRows = func(r *originRows) driver.Rows { return typedRows{r} }
		namespace := driverNamespace()
		// Without L1 each read asks Redis.
		p := startProcess(t, o, server, patient, mlcache.Config{Namespace: namespace, L1Size: -1, MaxStaleness: time.Minute})
		want, err := queryAll(t.Context(), p.db, "SELECT * FROM t")
		if err != nil {
			t.Fatal(err)
		}
		p.waitFilled(t, 1)
		var key string
		for _, k := range server.Keys() {
			if strings.HasPrefix(k, namespace) && strings.Contains(k, ":e:") {
				key = k
			}
		}
		good, err := server.Get(key)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(7, 7))
		for range 5 {
			for name, bad := range damages(rng, good) {
				before := p.h.Stats()
				if err := server.Set(key, bad); err != nil {
					t.Fatal(err)
				}
				got, err := queryAll(t.Context(), p.db, "SELECT * FROM t")
				if err != nil || got != want {
					t.Errorf("%s: got %s, %v", name, got, err)
				}
				after := p.h.Stats()
				if after.L2.Corrupt-before.L2.Corrupt != 1 || after.Misses-before.Misses != 1 || after.L2Hits != before.L2Hits {
					t.Errorf("%s: before %+v, after %+v", name, before, after)
				}
				p.waitFilled(t, before.L2.Sets+1) // it has been replaced by a good one
			}
		}
		// The good bytes of another question are no answer to this one.
		before := p.h.Stats()
		if _, err := queryAll(t.Context(), p.db, "SELECT * FROM t WHERE 1 = 1"); err != nil {
			t.Fatal(err)
		}
		p.waitFilled(t, before.L2.Sets+1)
		for _, k := range server.Keys() {
			if strings.HasPrefix(k, namespace) && strings.Contains(k, ":e:") && k != key {
				if err := server.Set(k, good); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := queryAll(t.Context(), p.db, "SELECT * FROM t WHERE 1 = 1"); err != nil {
			t.Fatal(err)
		}
		if after := p.h.Stats(); after.L2Hits != before.L2Hits {
			t.Error("an answer was given to another question")
		}
	}
}
