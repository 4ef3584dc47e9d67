package test

import (
	"errors"
	"testing"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/invalidation"
)

// A value that Redis could not be told to drop must not come back from Redis when it
// answers again.
func TestDeleteWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	p := newPeer(t, m.Addr())
	l1 := cache.NewMemory(1 << 20)
	defer l1.Close()
	c, err := cache.New(cache.Config{L1: l1, Redis: p.client, Prefix: "test", Versions: invalidation.NewBuckets(p.Versions, "keys", 0)})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	eventually(t, "a value is stored", func() bool {
		if err := c.Set(ctx, "user:1", []byte("old")); err != nil {
			t.Fatal(err)
		}
		v, err := c.Get(ctx, "user:1")
		return err == nil && string(v) == "old"
	})
	m.SetError("LOADING Redis is away")
	if err := c.Delete(ctx, "user:1"); err == nil {
		t.Error("Delete says nothing of a Redis that is away")
	}
	if v, err := c.Get(ctx, "user:1"); err == nil {
		t.Errorf("read %q after Delete, while Redis is away", v)
	}
	m.SetError("")
	eventually(t, "the change is delivered", func() bool {
		_, _ = c.Get(ctx, "user:1")
		return p.Stats().Queued == 0
	})
	if v, err := c.Get(ctx, "user:1"); !errors.Is(err, cache.ErrMiss) {
		t.Errorf("%q came back, %v", v, err)
	}
}
