package cache

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Set replaces the value under key in Redis, and then makes every older one in any
// process's memory a miss; without Redis it replaces the one in memory. When several
// processes set a key at once, all see the one that Redis got last. An error says
// that the value was not stored, or that other processes may not have learnt of it yet (it
// is then delivered later if Versions can do that).
func (c *Cache) Set(ctx context.Context, key string, value []byte, opts ...Option) error {
	o := c.options(opts)
	if c.shared == nil {
		return c.setAlone(ctx, key, value, o)
	}
	failed := c.toRedis(ctx, key, value, o)
	return errors.Join(failed, c.tell(ctx, failed != nil, key))
}

func (c *Cache) toRedis(ctx context.Context, key string, value []byte, o options) error {
	s, ok := c.read(ctx, key)
	if !ok || o.l2 <= 0 {
		// Nothing may be stored now, and what is there must not stay.
		return c.shared.mark(ctx, c.space, []string{key})
	}
	entry, ttl, err := c.entry(key, value, s, o)
	if err != nil {
		return err
	}
	return c.count(c.shared.set(ctx, c.space, key, entry, ttl))
}

// entry makes what goes to Redis.
func (c *Cache) entry(key string, value []byte, s stamps, o options) ([]byte, time.Duration, error) {
	ttl, now := Jitter(o.l2, c.cfg.Jitter), time.Now()
	entry, err := AppendEntry(nil, &Header{Stamps: s.shared(), StoredAt: now.UnixMilli(), Deadline: now.Add(ttl).UnixMilli()}, value)
	if err != nil {
		return nil, 0, err
	}
	return c.pack(key, entry), ttl, nil
}

// count counts a store in Redis.
func (c *Cache) count(err error) error {
	if err != nil {
		c.stats.Stripe().L2.SetErrors.Add(1)
		return err
	}
	c.stats.Stripe().L2.Sets.Add(1)
	return nil
}

// tell tells all processes that the keys are others now. stuck says that an older
// value may still stand in Redis, where entries do not stand on their key's bucket:
// then that of its prefix is changed as well, which ends it there.
func (c *Cache) tell(ctx context.Context, stuck bool, keys ...string) error {
	var buckets []int
	for _, key := range keys {
		all := c.buckets(nil, key)
		own := len(all) - 1
		if stuck {
			buckets = append(buckets, all[own-1])
		}
		buckets = append(buckets, all[own])
	}
	err := c.change(ctx, buckets)
	for _, key := range keys {
		_ = c.cfg.L1.Delete(ctx, c.id(key))
	}
	return err
}

// change gives the buckets new versions. When it returns, nobody joins a load any more that began before,
// also after an error.
func (c *Cache) change(ctx context.Context, buckets []int) error {
	defer func() {
		for _, b := range buckets {
			c.changed[b%len(c.changed)].Add(1)
		}
	}()
	_, err := c.cfg.Versions.Change(ctx, buckets)
	return err
}

// setAlone is Set without Redis.
func (c *Cache) setAlone(ctx context.Context, key string, value []byte, o options) error {
	mu := c.order(key)
	mu.Lock()
	defer mu.Unlock()
	if err := c.tell(ctx, false, key); err != nil {
		return err
	}
	if s, ok := c.read(ctx, key); ok {
		c.keep(ctx, key, value, s, Jitter(o.l1, c.cfg.Jitter), o.longest())
	}
	return nil
}

// order is the lock under which a key is changed in memory.
func (c *Cache) order(key string) *sync.Mutex {
	return &c.changes[c.bucket("k", key)%len(c.changes)]
}

// Delete makes the keys misses in all levels and all processes. What an error
// means is said at Set.
func (c *Cache) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	if c.shared == nil {
		var failed error
		for _, key := range keys {
			mu := c.order(key)
			mu.Lock()
			failed = errors.Join(failed, c.tell(ctx, false, key))
			mu.Unlock()
		}
		return failed
	}
	failed := c.shared.mark(ctx, c.space, keys)
	return errors.Join(failed, c.tell(ctx, failed != nil, keys...))
}
