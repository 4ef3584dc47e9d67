package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/invalidation"
)

// cacheOf gives a cache as a process of its own would have it: with versions and a
// client of its own over the same Redis.
func cacheOf(t *testing.T, namespace string, change func(*cache.Config)) (*cache.Cache, redis.UniversalClient) {
	t.Helper()
	opt, err := redis.ParseURL(harness.RedisURL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opt)
	v, err := invalidation.Open(invalidation.Config{Client: client, Namespace: namespace, MaxStaleness: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	cfg := cache.Config{
		L1: cache.NewMemory(1 << 20), Redis: client, Prefix: namespace,
		Versions: invalidation.NewBuckets(v, "keys", 0),
	}
	if change != nil {
		change(&cfg)
	}
	c, err := cache.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close(); cfg.L1.Close(); client.Close() })
	return c, client
}

// becomes waits until a key has a value; "" stands for a miss.
func becomes(t *testing.T, c *cache.Cache, key, want string) {
	t.Helper()
	var got []byte
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		got, err = c.Get(t.Context(), key)
		if err == nil && string(got) == want || want == "" && errors.Is(err, cache.ErrMiss) {
			return
		}
	}
	t.Fatalf("%s is %q, %v; want %q", key, got, err, want)
}

func TestCacheOfManyProcesses(t *testing.T) {
	t.Parallel()
	namespace := harness.NewNamespace(t)
	a, client := cacheOf(t, namespace, nil)
	b, _ := cacheOf(t, namespace, nil)
	set := func(c *cache.Cache, key, value string) {
		t.Helper()
		if err := c.Set(t.Context(), key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	set(a, "user:1:name", "Ada")
	becomes(t, b, "user:1:name", "Ada")
	before := b.Stats()
	becomes(t, b, "user:1:name", "Ada")
	if s := b.Stats(); s.L1.Hits == before.L1.Hits {
		t.Error("a value from Redis was not taken into L1")
	}
	set(b, "user:1:name", "Grace")
	becomes(t, b, "user:1:name", "Grace") // its own write, at once
	becomes(t, a, "user:1:name", "Grace")
	if err := a.Delete(t.Context(), "user:1:name"); err != nil {
		t.Fatal(err)
	}
	becomes(t, b, "user:1:name", "")

	for i := range 1200 {
		set(a, fmt.Sprintf("user:%d:mail", i), "x")
	}
	set(a, "user*:1", "starred")
	set(a, "order:1", "kept")
	becomes(t, b, "user:3:mail", "x")
	n, err := a.DeletePrefix(t.Context(), "user:")
	if err != nil || n != 1201 { // and the mark of the deleted one
		t.Errorf("%d freed, %v", n, err)
	}
	becomes(t, b, "user:3:mail", "")
	becomes(t, b, "order:1", "kept")
	left, err := client.Keys(t.Context(), namespace+":k:*user:*").Result()
	if err != nil || len(left) != 0 {
		t.Errorf("left in Redis: %q, %v", left, err)
	}
	if n, err := a.DeletePrefix(t.Context(), "user*:"); err != nil || n != 1 {
		t.Errorf("a prefix with a star: %d, %v", n, err)
	}

	orders := a.Namespace("orders")
	set(orders, "1", "o")
	becomes(t, b.Namespace("orders"), "1", "o")
	if err := b.Namespace("orders").Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	becomes(t, orders, "1", "")
	becomes(t, a, "order:1", "kept")

	set(a, "m1", "1")
	set(b, "m2", "2")
	becomes(t, a, "m2", "2")
	got, err := b.GetMany(t.Context(), []string{"m1", "m2", "m3"})
	if err != nil || string(got["m1"]) != "1" || string(got["m2"]) != "2" || len(got) != 2 {
		t.Errorf("GetMany: %q, %v", got, err)
	}
}

// Whatever is written at the same time: afterwards all processes see the same.
func TestConcurrentSetsConverge(t *testing.T) {
	t.Parallel()
	namespace := harness.NewNamespace(t)
	var caches []*cache.Cache
	for range 3 {
		c, _ := cacheOf(t, namespace, nil)
		caches = append(caches, c)
	}
	const keys = 5
	for round := range 20 {
		var wg sync.WaitGroup
		for i, c := range caches {
			wg.Go(func() {
				for j := range 20 {
					key := fmt.Sprint("k", rand.IntN(keys))
					if err := c.Set(t.Context(), key, fmt.Appendf(nil, "%d.%d.%d", round, i, j)); err != nil {
						t.Error(err)
					}
					_, _ = c.Get(t.Context(), fmt.Sprint("k", rand.IntN(keys)))
				}
			})
		}
		wg.Wait()
		for i := range keys {
			key := fmt.Sprint("k", i)
			agree := func() (seen []string) {
				for _, c := range caches {
					if v, err := c.Get(t.Context(), key); err == nil {
						seen = append(seen, string(v))
					}
				}
				return seen
			}
			var seen []string
			for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
				same := true
				seen = agree()
				for _, s := range seen {
					same = same && s == seen[0]
				}
				if same {
					break
				}
			}
			for _, s := range seen {
				if s != seen[0] {
					t.Fatalf("%s: %q", key, seen)
				}
			}
		}
	}
}

func TestOneLoadInAllProcesses(t *testing.T) {
	t.Parallel()
	namespace := harness.NewNamespace(t)
	var loads atomic.Int32
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for range 4 {
		c, _ := cacheOf(t, namespace, nil)
		for range 3 {
			wg.Go(func() {
				<-begin
				v, err := c.GetOrLoad(t.Context(), "k", func(context.Context) ([]byte, error) {
					loads.Add(1)
					time.Sleep(50 * time.Millisecond)
					return []byte("v"), nil
				}, cache.WithClusterFlight())
				if err != nil || string(v) != "v" {
					t.Errorf("%q, %v", v, err)
				}
			})
		}
	}
	close(begin)
	wg.Wait()
	if n := loads.Load(); n != 1 {
		t.Errorf("loaded %d times", n)
	}
}

// The process that loads dies: the others wait for its lease and go on.
func TestALeaseSurvivesNobody(t *testing.T) {
	t.Parallel()
	namespace := harness.NewNamespace(t)
	short := func(cfg *cache.Config) { cfg.LeaseTTL = 300 * time.Millisecond }
	dying, _ := cacheOf(t, namespace, short)
	other, _ := cacheOf(t, namespace, short)
	begun := make(chan struct{})
	stuck, kill := context.WithCancel(t.Context())
	defer kill()
	go dying.GetOrLoad(stuck, "k", func(ctx context.Context) ([]byte, error) {
		close(begun)
		<-ctx.Done()
		return nil, ctx.Err()
	}, cache.WithClusterFlight())
	<-begun
	v, err := other.GetOrLoad(t.Context(), "k", func(context.Context) ([]byte, error) { return []byte("v"), nil }, cache.WithClusterFlight())
	if err != nil || string(v) != "v" {
		t.Errorf("%q, %v", v, err)
	}
}

func TestSealedEntries(t *testing.T) {
	t.Parallel()
	namespace := harness.NewNamespace(t)
	sealed := func(key byte) func(*cache.Config) {
		return func(cfg *cache.Config) {
			s, err := cache.NewSealer(bytes.Repeat([]byte{key}, cache.SealKeySize))
			if err != nil {
				t.Fatal(err)
			}
			cfg.Sealer, cfg.HideKeys = s, true
		}
	}
	a, client := cacheOf(t, namespace, sealed(1))
	b, _ := cacheOf(t, namespace, sealed(1))
	foreign, _ := cacheOf(t, namespace, sealed(2))
	if err := a.Set(t.Context(), "card:4711", []byte("4111 1111")); err != nil {
		t.Fatal(err)
	}
	becomes(t, b, "card:4711", "4111 1111")
	becomes(t, foreign, "card:4711", "")
	keys, err := client.Keys(t.Context(), namespace+":k:*").Result()
	if err != nil || len(keys) != 1 || strings.Contains(keys[0], "4711") {
		t.Fatalf("%q, %v", keys, err)
	}
	raw, err := client.Get(t.Context(), keys[0]).Bytes()
	if err != nil || bytes.Contains(raw, []byte("4111")) {
		t.Errorf("%q, %v", raw, err)
	}
	// Damaged in Redis: a miss, and counted.
	raw[len(raw)-1] ^= 1
	if err := client.Set(t.Context(), keys[0], raw, time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	fresh, _ := cacheOf(t, namespace, sealed(1))
	becomes(t, fresh, "card:4711", "")
	if s := fresh.Stats(); s.L2.Corrupt == 0 {
		t.Errorf("%+v", s.L2)
	}
}

// What was loaded before a change, in whatever process, is not stored after it; and
// what is outdated by its prefix gives way to what is loaded.
func TestLoadsAcrossProcesses(t *testing.T) {
	t.Parallel()
	namespace := harness.NewNamespace(t)
	a, _ := cacheOf(t, namespace, nil)
	b, _ := cacheOf(t, namespace, nil)
	load := func(c *cache.Cache, key, value string, meanwhile func()) {
		t.Helper()
		v, err := c.GetOrLoad(t.Context(), key, func(context.Context) ([]byte, error) {
			if meanwhile != nil {
				meanwhile()
			}
			return []byte(value), nil
		})
		if err != nil || string(v) != value {
			t.Errorf("%s: %q, %v; want %q", key, v, err, value)
		}
	}
	load(a, "k:1", "old", func() {
		if err := b.Delete(t.Context(), "k:1"); err != nil {
			t.Error(err)
		}
	})
	if v, err := b.Get(t.Context(), "k:1"); err == nil {
		t.Errorf("late fill after Delete: %q", v)
	}
	load(a, "k:1", "old", func() {
		if err := b.Set(t.Context(), "k:1", []byte("new")); err != nil {
			t.Error(err)
		}
	})
	becomes(t, a, "k:1", "new")
	becomes(t, b, "k:1", "new")
	load(b, "k:2", "old", func() {
		if _, err := a.DeletePrefix(t.Context(), "k:"); err != nil {
			t.Error(err)
		}
	})
	becomes(t, a, "k:2", "")
	load(a, "k:2", "new", nil)
	becomes(t, b, "k:2", "new")
	// Clear leaves the values in Redis, outdated.
	if err := a.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	becomes(t, b, "k:2", "")
	load(b, "k:2", "newer", nil)
	load(b, "k:2", "newer", func() { t.Error("not stored") })
	becomes(t, a, "k:2", "newer")
	// A load that fails lets the next one go on.
	broken := errors.New("broken")
	if _, err := a.GetOrLoad(t.Context(), "k:3", func(context.Context) ([]byte, error) { return nil, broken }, cache.WithClusterFlight()); err != broken {
		t.Errorf("error %v", err)
	}
	start := time.Now()
	v, err := b.GetOrLoad(t.Context(), "k:3", func(context.Context) ([]byte, error) { return []byte("v"), nil }, cache.WithClusterFlight())
	if err != nil || string(v) != "v" || time.Since(start) > 4*time.Second {
		t.Errorf("%q, %v, after %v", v, err, time.Since(start))
	}
}
