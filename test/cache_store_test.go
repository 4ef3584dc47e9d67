package test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/cache"
)

// cacheLevel is a cache.Store to test, with a way to let time pass for it.
type cacheLevel struct {
	cache.Store
	pass func(time.Duration)
}

// cacheLevels are all implementations of cache.Store: the contract holds for each.
var cacheLevels = map[string]func(*testing.T) cacheLevel{
	"Memory": func(t *testing.T) cacheLevel {
		m := cache.NewMemory(16 << 20)
		t.Cleanup(func() { _ = m.Close() })
		return cacheLevel{m, time.Sleep}
	},
	"Redis": func(t *testing.T) cacheLevel {
		server, client := newCacheRedis(t)
		return cacheLevel{cache.NewRedis(client, "ns"), server.FastForward}
	},
	"Redis with RESP2": func(t *testing.T) cacheLevel {
		server := miniredis.RunT(t)
		client := redis.NewClient(&redis.Options{Addr: server.Addr(), Protocol: 2})
		t.Cleanup(func() { _ = client.Close() })
		return cacheLevel{cache.NewRedis(client, "ns"), server.FastForward}
	},
}

func newCacheRedis(t *testing.T) (*miniredis.Miniredis, *redis.Client) {
	t.Helper()
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1, DialTimeout: time.Second})
	t.Cleanup(func() { _ = client.Close() })
	return server, client
}

func TestStoreContract(t *testing.T) {
	t.Parallel()
	for name, open := range cacheLevels {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, tc := range []struct {
				name string
				test func(*testing.T, cacheLevel)
			}{
				{"absent is a miss", storeAbsent},
				{"get what was set", storeGetSet},
				{"keys are exact", storeExactKeys},
				{"the last set counts", storeReplace},
				{"bytes are copied", storeCopies},
				{"the buffer is used", storeBuffer},
				{"delete", storeDelete},
				{"no time to live is an error", storeNoTTL},
				{"an entry ends", storeEnds},
				{"the longest key", storeKeySize},
				{"used by many at once", storeConcurrent},
			} {
				t.Run(tc.name, func(t *testing.T) {
					t.Parallel()
					tc.test(t, open(t))
				})
			}
		})
	}
}

func setEntry(t *testing.T, s cache.Store, key, value string) {
	t.Helper()
	if err := s.Set(t.Context(), []byte(key), []byte(value), time.Minute); err != nil {
		t.Fatalf("Set(%.40q): %v", key, err)
	}
}

func wantEntry(t *testing.T, s cache.Store, key, value string) {
	t.Helper()
	got, err := s.Get(t.Context(), []byte(key), nil)
	if err != nil || string(got) != value {
		t.Errorf("Get(%.40q) = %.40q, %v; want %.40q", key, got, err, value)
	}
}

func wantNoEntry(t *testing.T, s cache.Store, key string) {
	t.Helper()
	if got, err := s.Get(t.Context(), []byte(key), nil); !errors.Is(err, cache.ErrMiss) || got != nil {
		t.Errorf("Get(%.40q) = %.40q, %v; want ErrMiss", key, got, err)
	}
}

func storeAbsent(t *testing.T, s cacheLevel) {
	wantNoEntry(t, s, "key") // before anything was stored
	setEntry(t, s, "key", "value")
	wantNoEntry(t, s, "other")
	wantNoEntry(t, s, "")
}

func storeGetSet(t *testing.T, s cacheLevel) {
	values := []string{"v", "\x00", "\r\n", "ünï\xff", strings.Repeat("x", 10_000)}
	for i, v := range values {
		setEntry(t, s, fmt.Sprint(i), v)
	}
	for i, v := range values {
		wantEntry(t, s, fmt.Sprint(i), v)
	}
}

func storeExactKeys(t *testing.T, s cacheLevel) {
	keys := []string{"", "k", "K", "k ", " k", "k\x00", "\x00k", "kk", "k\n", "ns:e:k", strings.Repeat("k", 300), strings.Repeat("k", 301)}
	for _, k := range keys {
		setEntry(t, s, k, "value of "+k)
	}
	for _, k := range keys {
		wantEntry(t, s, k, "value of "+k)
	}
}

func storeReplace(t *testing.T, s cacheLevel) {
	for _, v := range []string{"a value", "value", strings.Repeat("longer", 100), "v"} {
		setEntry(t, s, "key", v)
		wantEntry(t, s, "key", v)
	}
}

func storeCopies(t *testing.T, s cacheLevel) {
	key, value := []byte("key"), []byte("value")
	if err := s.Set(t.Context(), key, value, time.Minute); err != nil {
		t.Fatal(err)
	}
	copy(key, "xxx")
	copy(value, "xxxxx")
	wantEntry(t, s, "key", "value")
	got, err := s.Get(t.Context(), []byte("key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i] = 'y' // the result is the caller's own
	}
	wantEntry(t, s, "key", "value")
}

func storeBuffer(t *testing.T, s cacheLevel) {
	setEntry(t, s, "key", "value")
	for _, size := range []int{0, 4, 5, 6, 100} {
		buf := bytes.Repeat([]byte("b"), size)
		got, err := s.Get(t.Context(), []byte("key"), buf[:0])
		if err != nil || string(got) != "value" {
			t.Fatalf("with a buffer of %d: %q, %v", size, got, err)
		}
		if used := size > 0 && &got[0] == &buf[0]; used != (size >= len("value")) {
			t.Errorf("a buffer of %d is used: %v", size, used)
		}
	}
}

func storeDelete(t *testing.T, s cacheLevel) {
	setEntry(t, s, "key", "value")
	setEntry(t, s, "other", "value")
	for range 2 { // the second finds nothing, which is no error
		if err := s.Delete(t.Context(), []byte("key")); err != nil {
			t.Fatal(err)
		}
		wantNoEntry(t, s, "key")
	}
	wantEntry(t, s, "other", "value")
	setEntry(t, s, "key", "again")
	wantEntry(t, s, "key", "again")
}

func storeNoTTL(t *testing.T, s cacheLevel) {
	for _, ttl := range []time.Duration{0, -1, -time.Second, -1 << 63} {
		if err := s.Set(t.Context(), []byte("key"), []byte("value"), ttl); !errors.Is(err, cache.ErrTTL) {
			t.Errorf("Set for %v = %v, want ErrTTL", ttl, err)
		}
	}
	wantNoEntry(t, s, "key")
}

func storeEnds(t *testing.T, s cacheLevel) {
	for _, ttl := range []time.Duration{1, 300 * time.Microsecond, 300 * time.Millisecond, time.Second, 1100 * time.Millisecond} {
		if err := s.Set(t.Context(), fmt.Append(nil, ttl), []byte("value"), ttl); err != nil {
			t.Fatalf("Set for %v: %v", ttl, err)
		}
	}
	setEntry(t, s, "long", "value")
	wantEntry(t, s, time.Second.String(), "value")
	s.pass(2200 * time.Millisecond) // the longest, and the second that a level may add
	for _, ttl := range []time.Duration{1, 300 * time.Microsecond, 300 * time.Millisecond, time.Second, 1100 * time.Millisecond} {
		wantNoEntry(t, s, fmt.Sprint(ttl))
	}
	wantEntry(t, s, "long", "value")
}

func storeKeySize(t *testing.T, s cacheLevel) {
	long := strings.Repeat("k", cache.MaxKeySize)
	err := s.Set(t.Context(), []byte(long+"k"), []byte("value"), time.Minute)
	if !errors.Is(err, cache.ErrTooLarge) {
		t.Errorf("one byte more: %v, want ErrTooLarge", err)
	}
	wantNoEntry(t, s, long+"k")
	// A level may have no room for the longest key, but then it says so.
	switch err := s.Set(t.Context(), []byte(long), []byte("value"), time.Minute); {
	case err == nil:
		wantEntry(t, s, long, "value")
	case errors.Is(err, cache.ErrTooLarge):
		wantNoEntry(t, s, long)
	default:
		t.Errorf("the longest key: %v", err)
	}
}

func storeConcurrent(t *testing.T, s cacheLevel) {
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			buf := make([]byte, 0, 64)
			for i := range 200 {
				key := fmt.Appendf(nil, "key %d", (worker+i)%5)
				switch i % 4 {
				case 0:
					if err := s.Set(t.Context(), key, append(key, " value"...), time.Minute); err != nil {
						t.Error(err)
					}
				case 3:
					if err := s.Delete(t.Context(), key); err != nil {
						t.Error(err)
					}
				default:
					got, err := s.Get(t.Context(), key, buf)
					if err != nil && !errors.Is(err, cache.ErrMiss) || err == nil && string(got) != string(key)+" value" {
						t.Errorf("Get(%q) = %q, %v", key, got, err)
					}
				}
			}
		})
	}
	wg.Wait()
}

// What a level cannot hold the other may.
func TestTooLargeForMemoryOnly(t *testing.T) {
	t.Parallel()
	m := cache.NewMemory(1 << 20)
	t.Cleanup(func() { _ = m.Close() })
	_, client := newCacheRedis(t)
	r := cache.NewRedis(client, "ns")
	value := bytes.Repeat([]byte("v"), 1<<20)
	if err := m.Set(t.Context(), []byte("key"), value, time.Minute); !errors.Is(err, cache.ErrTooLarge) {
		t.Errorf("Memory: %v, want ErrTooLarge", err)
	}
	if err := r.Set(t.Context(), []byte("key"), value, time.Minute); err != nil {
		t.Errorf("Redis: %v", err)
	}
	wantEntry(t, r, "key", string(value))
}

func TestRedisKeysShowNothing(t *testing.T) {
	t.Parallel()
	server, client := newCacheRedis(t)
	r := cache.NewRedis(client, "shop")
	setEntry(t, r, "secret argument", "value")
	sum := sha256.Sum256([]byte("secret argument"))
	name := "shop:e:" + base64.RawURLEncoding.EncodeToString(sum[:])
	if keys := server.Keys(); len(keys) != 1 || keys[0] != name || r.Name([]byte("secret argument")) != name {
		t.Fatalf("keys in Redis: %q, want %q", keys, name)
	}
	if v, _ := server.Get(name); v != "value" {
		t.Errorf("stored as %q", v)
	}
	if ttl := server.TTL(name); ttl != time.Minute {
		t.Errorf("for %v", ttl)
	}
	if other := cache.NewRedis(client, "shop2"); other.Name([]byte("secret argument")) == name {
		t.Error("two prefixes share a key")
	} else {
		wantNoEntry(t, other, "secret argument")
	}
}

// A time to live is never cut to nothing and never lost.
func TestRedisTTLIsRoundedUp(t *testing.T) {
	t.Parallel()
	server, client := newCacheRedis(t)
	r := cache.NewRedis(client, "ns")
	for ttl, want := range map[time.Duration]time.Duration{
		1:                                time.Millisecond,
		time.Millisecond:                 time.Millisecond,
		time.Millisecond + 1:             2 * time.Millisecond,
		999999 * time.Microsecond:        time.Second,
		1500*time.Millisecond + 1:        1501 * time.Millisecond,
		time.Hour:                        time.Hour,
		2*time.Second + time.Microsecond: 2001 * time.Millisecond,
	} {
		if err := r.Set(t.Context(), []byte("key"), []byte("value"), ttl); err != nil {
			t.Fatal(err)
		}
		if got := server.TTL(r.Name([]byte("key"))); got != want {
			t.Errorf("%v is stored for %v, want %v", ttl, got, want)
		}
	}
}

// A server that is gone, refuses, or holds something else under the name is an
// error or a miss, and never a panic.
func TestRedisFailures(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	key := []byte("key")
	check := func(t *testing.T, what string, err error) {
		t.Helper()
		if err == nil || errors.Is(err, cache.ErrMiss) || !strings.HasPrefix(err.Error(), "mlcache: ") {
			t.Errorf("%s: %v; want an error of mlcache's that is no miss", what, err)
		}
	}
	t.Run("stopped", func(t *testing.T) {
		t.Parallel()
		server, client := newCacheRedis(t)
		r := cache.NewRedis(client, "ns")
		setEntry(t, r, "key", "value")
		server.Close()
		_, err := r.Get(ctx, key, nil)
		check(t, "Get", err)
		check(t, "Set", r.Set(ctx, key, []byte("value"), time.Minute))
		check(t, "Delete", r.Delete(ctx, key))
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
		wantEntry(t, r, "key", "value")
	})
	t.Run("refuses", func(t *testing.T) {
		t.Parallel()
		server, client := newCacheRedis(t)
		r := cache.NewRedis(client, "ns")
		server.SetError("OOM command not allowed when used memory > 'maxmemory'.")
		_, err := r.Get(ctx, key, nil)
		check(t, "Get", err)
		check(t, "Set", r.Set(ctx, key, []byte("value"), time.Minute))
		check(t, "Delete", r.Delete(ctx, key))
	})
	t.Run("context has ended", func(t *testing.T) {
		t.Parallel()
		_, client := newCacheRedis(t)
		ended, cancel := context.WithCancel(ctx)
		cancel()
		_, err := cache.NewRedis(client, "ns").Get(ended, key, nil)
		check(t, "Get", err)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v does not say why", err)
		}
	})
	t.Run("client closed", func(t *testing.T) {
		t.Parallel()
		_, client := newCacheRedis(t)
		_ = client.Close()
		_, err := cache.NewRedis(client, "ns").Get(ctx, key, nil)
		check(t, "Get", err)
	})
	t.Run("another type", func(t *testing.T) {
		t.Parallel()
		server, client := newCacheRedis(t)
		r := cache.NewRedis(client, "ns")
		server.HSet(r.Name(key), "field", "value")
		_, err := r.Get(ctx, key, nil)
		check(t, "Get", err)
		setEntry(t, r, "key", "value") // SET replaces whatever is there
		wantEntry(t, r, "key", "value")
	})
	t.Run("nothing under the name", func(t *testing.T) {
		t.Parallel()
		server, client := newCacheRedis(t)
		r := cache.NewRedis(client, "ns")
		if err := server.Set(r.Name(key), ""); err != nil {
			t.Fatal(err)
		}
		wantNoEntry(t, r, "key")
	})
	t.Run("switched off", func(t *testing.T) {
		t.Parallel()
		r := cache.NewRedis(nil, "ns")
		setEntry(t, r, "key", "value")
		wantNoEntry(t, r, "key")
		if err := r.Delete(ctx, key); err != nil || r.Name(key) != "" {
			t.Errorf("Delete: %v; Name: %q", err, r.Name(key))
		}
		if err := r.Set(ctx, key, []byte("value"), 0); !errors.Is(err, cache.ErrTTL) {
			t.Errorf("Set without a time to live: %v, want ErrTTL", err)
		}
	})
}
