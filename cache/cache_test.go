package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func newTestCache(t testing.TB, cfg Config) *Cache {
	t.Helper()
	if cfg.L1 == nil {
		cfg.L1 = NewMemory(1 << 20)
		t.Cleanup(func() { cfg.L1.Close() })
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func set(t testing.TB, c *Cache, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if err := c.Set(t.Context(), key, []byte("value of "+key)); err != nil {
			t.Fatal(err)
		}
	}
}

func wantValues(t testing.TB, c *Cache, good bool, keys ...string) {
	t.Helper()
	for _, key := range keys {
		value, err := c.Get(t.Context(), key)
		switch {
		case !good && !errors.Is(err, ErrMiss):
			t.Errorf("%s: %q, %v; want a miss", key, value, err)
		case good && (err != nil || string(value) != "value of "+key):
			t.Errorf("%s: %q, %v", key, value, err)
		}
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	c := newTestCache(t, Config{})
	set(t, c, "a", "b", "c")
	wantValues(t, c, true, "a", "b", "c")
	if err := c.Delete(t.Context(), "a", "b", "never"); err != nil {
		t.Fatal(err)
	}
	wantValues(t, c, false, "a", "b", "never")
	wantValues(t, c, true, "c")
	if err := c.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestDeletePrefix(t *testing.T) {
	t.Parallel()
	all := []string{"user:1:name", "user:1:mail", "user:2:name", "order:1", "a:b:c:d:e", "plain"}
	for _, tt := range []struct {
		prefix string
		gone   []int
	}{
		{"user:1:", []int{0, 1}},
		{"user:", []int{0, 1, 2}},
		{"user:1:n", []int{0, 1}}, // no part of its own: the part before it
		{"user:2:name", []int{2}},
		{"order:", []int{3}},
		{"a:b:c:", []int{4}},
		{"a:b:c:d:", []int{4}},
		{"pl", []int{0, 1, 2, 3, 4, 5}},
		{"", []int{0, 1, 2, 3, 4, 5}},
		{"nobody:", nil},
	} {
		c := newTestCache(t, Config{})
		set(t, c, all...)
		if _, err := c.DeletePrefix(t.Context(), tt.prefix); err != nil {
			t.Fatal(err)
		}
		for i, key := range all {
			gone := false
			for _, g := range tt.gone {
				gone = gone || g == i
			}
			if _, err := c.Get(t.Context(), key); errors.Is(err, ErrMiss) != gone {
				t.Errorf("DeletePrefix(%q): %s gone is %t", tt.prefix, key, !gone)
			}
		}
	}
}

func TestNamespaces(t *testing.T) {
	t.Parallel()
	c := newTestCache(t, Config{})
	users, orders := c.Namespace("users"), c.Namespace("orders")
	set(t, users, "1")
	set(t, orders, "1", "2")
	wantValues(t, c, false, "1")
	if err := orders.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantValues(t, orders, false, "1", "2")
	wantValues(t, users, true, "1")
	set(t, orders, "2")
	wantValues(t, c.Namespace("orders"), true, "2")
}

func TestGetMany(t *testing.T) {
	t.Parallel()
	c := newTestCache(t, Config{})
	set(t, c, "a", "b")
	got, err := c.GetMany(t.Context(), []string{"a", "x", "b", "a"})
	if err != nil || len(got) != 2 || string(got["a"]) != "value of a" || string(got["b"]) != "value of b" {
		t.Errorf("%q, %v", got, err)
	}
	got["a"][0] = 'X' // the caller's own
	wantValues(t, c, true, "a")
}

// A load that began before a change must not be stored as if it had begun after it.
func TestLateFill(t *testing.T) {
	t.Parallel()
	c := newTestCache(t, Config{})
	value, err := c.GetOrLoad(t.Context(), "k", func(ctx context.Context) ([]byte, error) {
		if err := c.Delete(ctx, "k"); err != nil {
			t.Error(err)
		}
		return []byte("old"), nil
	})
	if err != nil || string(value) != "old" {
		t.Fatalf("%q, %v", value, err)
	}
	if value, err := c.Get(t.Context(), "k"); !errors.Is(err, ErrMiss) {
		t.Errorf("%q, %v", value, err)
	}
}

func TestGetOrLoadOnce(t *testing.T) {
	t.Parallel()
	c := newTestCache(t, Config{})
	var loads atomic.Int32
	begun, goOn := make(chan struct{}), make(chan struct{})
	load := func(context.Context) ([]byte, error) {
		if loads.Add(1) == 1 {
			close(begun)
		}
		<-goOn
		return []byte("value of k"), nil
	}
	var wg sync.WaitGroup
	get := func() {
		if value, err := c.GetOrLoad(t.Context(), "k", load); err != nil || string(value) != "value of k" {
			t.Errorf("%q, %v", value, err)
		}
	}
	wg.Go(get)
	<-begun
	for range 20 {
		wg.Go(get)
	}
	// A caller who has no time leaves alone.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if _, err := c.GetOrLoad(ctx, "k", load); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	close(goOn)
	wg.Wait()
	if n := loads.Load(); n != 1 {
		t.Errorf("loaded %d times", n)
	}
	wantValues(t, c, true, "k")
}

func TestGetOrLoadError(t *testing.T) {
	t.Parallel()
	c := newTestCache(t, Config{})
	broken := errors.New("broken")
	for range 2 {
		if _, err := c.GetOrLoad(t.Context(), "k", func(context.Context) ([]byte, error) { return nil, broken }); err != broken {
			t.Errorf("error %v", err)
		}
	}
	func() {
		defer func() { recover() }()
		c.GetOrLoad(t.Context(), "k", func(context.Context) ([]byte, error) { panic("p") })
	}()
	if v, err := c.GetOrLoad(t.Context(), "k", func(context.Context) ([]byte, error) { return []byte("v"), nil }); err != nil || string(v) != "v" {
		t.Errorf("after a panic: %q, %v", v, err)
	}
}

func TestTTLs(t *testing.T) {
	t.Parallel()
	c := newTestCache(t, Config{})
	if err := c.Set(t.Context(), "short", []byte("v"), WithTTL(30*time.Millisecond, 0)); err != nil {
		t.Fatal(err)
	}
	if err := c.Set(t.Context(), "not here", []byte("v"), WithTTL(-1, 0)); err != nil {
		t.Fatal(err)
	}
	wantValues(t, c, false, "not here")
	deadline := time.Now().Add(10 * time.Second)
	for {
		if _, err := c.Get(t.Context(), "short"); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("an entry outlives its time")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestBadConfig(t *testing.T) {
	t.Parallel()
	for _, cfg := range []Config{
		{L1TTL: -1}, {L2TTL: -1}, {LeaseTTL: -1},
		{Adaptive: &Adaptive{Max: time.Second}},
	} {
		if _, err := New(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

// One stamp of its own for each key would need memory without bound; many keys share
// one, and a change makes misses of few others.
func TestChangesTouchFewOthers(t *testing.T) {
	t.Parallel()
	c := newTestCache(t, Config{})
	const n = 1000
	set(t, c, "first")
	<-c.cfg.L1.made // few entries are held before
	for i := range n {
		set(t, c, fmt.Sprint(i))
	}
	if err := c.Delete(t.Context(), "7"); err != nil {
		t.Fatal(err)
	}
	gone := 0
	for i := range n {
		if _, err := c.Get(t.Context(), fmt.Sprint(i)); err != nil {
			gone++
		}
	}
	// Setting 1000 keys in 4096 buckets makes misses of those set before in the same
	// ones, about 1000*1000/4096/2.
	if gone == 0 || gone > n/4 {
		t.Errorf("%d of %d keys are misses", gone, n)
	}
}

func TestStatsOfCache(t *testing.T) {
	t.Parallel()
	c := newTestCache(t, Config{})
	set(t, c, "a")
	wantValues(t, c, true, "a", "a")
	wantValues(t, c.Namespace("other"), false, "a")
	if s := c.Stats(); s.L1.Hits != 2 || s.L1.Misses != 1 || s.L1.Sets != 1 {
		t.Errorf("%+v", s.L1)
	}
}
