package integration

import (
	"testing"
	"time"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/integration/harness"
)

// gets asks for a key and says at which level it was found.
func gets(t *testing.T, c *cache.Cache, key string) (level string) {
	t.Helper()
	before := c.Stats()
	_, err := c.Get(t.Context(), key)
	after := c.Stats()
	switch {
	case err == nil && after.L1.Hits == before.L1.Hits+1 && after.L2 == before.L2:
		return "L1"
	case err == nil && after.L2.Hits == before.L2.Hits+1 && after.L1.Hits == before.L1.Hits:
		return "L2"
	case err == nil:
		t.Fatalf("found and not counted: %+v after %+v", after, before)
	}
	return "nowhere"
}

// levels asks several times, and wants the key at these levels.
func levels(t *testing.T, c *cache.Cache, key string, want ...string) {
	t.Helper()
	for i, w := range want {
		if got := gets(t, c, key); got != w {
			t.Errorf("lookup %d of %s: %s, want %s", i, key, got, w)
		}
	}
}

func TestPromotion(t *testing.T) {
	t.Parallel()
	namespace := harness.NewNamespace(t)
	a, _ := cacheOf(t, namespace, nil)
	b, _ := cacheOf(t, namespace, nil)
	if err := a.Set(t.Context(), "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	becomes(t, b, "other", "") // b has heard of the versions
	levels(t, b, "k", "L2", "L1", "L1")
}

// An entry in L1 ends sooner than the one in L2, from which it is then taken again.
func TestL1EndsBeforeL2(t *testing.T) {
	t.Parallel()
	namespace := harness.NewNamespace(t)
	c, _ := cacheOf(t, namespace, func(cfg *cache.Config) { cfg.L1TTL, cfg.L2TTL = 300*time.Millisecond, time.Minute })
	if err := c.Set(t.Context(), "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	levels(t, c, "k", "L2", "L1")
	time.Sleep(310 * time.Millisecond)
	levels(t, c, "k", "L2", "L1")
}

// What is asked for often comes from L1 when the others have to be fetched again.
func TestAdaptiveLevels(t *testing.T) {
	t.Parallel()
	namespace := harness.NewNamespace(t)
	c, _ := cacheOf(t, namespace, func(cfg *cache.Config) {
		cfg.L1TTL, cfg.L2TTL = 300*time.Millisecond, time.Minute
		cfg.Adaptive = &cache.Adaptive{Max: 30 * time.Second}
	})
	for _, key := range []string{"hot", "cold"} {
		if err := c.Set(t.Context(), key, []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	levels(t, c, "cold", "L2")
	levels(t, c, "hot", "L2")
	for range 100 {
		gets(t, c, "hot")
	}
	time.Sleep(310 * time.Millisecond)
	levels(t, c, "hot", "L2") // for longer this time
	levels(t, c, "cold", "L2")
	time.Sleep(310 * time.Millisecond)
	levels(t, c, "hot", "L1")
	levels(t, c, "cold", "L2")
}

// A new process finds what the last one has left in Redis, and asks no origin.
func TestColdStartFromRedis(t *testing.T) {
	t.Parallel()
	namespace := harness.NewNamespace(t)
	last, _ := cacheOf(t, namespace, nil)
	for _, key := range []string{"a", "b"} {
		if err := last.Set(t.Context(), key, []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	next, _ := cacheOf(t, namespace, nil)
	levels(t, next, "a", "L2", "L1")
	levels(t, next, "b", "L2", "L1")
	if s := next.Stats(); s.L2.Misses != 0 {
		t.Errorf("%+v", s.L2)
	}
}
