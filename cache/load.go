package cache

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// GetOrLoad returns the value under key or, where there is none, what load returns,
// which it then stores. Of the callers in this process one loads at a time per key
// and the others wait for it, but for those who begin after the key was changed: what a
// load reads that began before a change is given to nobody who begins when the change has
// returned. [WithClusterFlight] extends the waiting to all processes. A
// value that was loaded while the key was changed is returned and not stored. The
// error is load's own; a cache that cannot be asked or written counts as a miss.
func (c *Cache) GetOrLoad(ctx context.Context, key string, load func(context.Context) ([]byte, error), opts ...Option) ([]byte, error) {
	o := c.options(opts)
	if value, err := c.Get(ctx, key); err == nil {
		return value, nil
	}
	leader, call := c.flights.Join(c.flight(ctx, key))
	if !leader {
		if v, ok := call.Wait(ctx); ok {
			return append([]byte(nil), v.([]byte)...), nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return c.load(ctx, key, load, o) // the leader has failed: go alone
	}
	defer call.Done(nil, false) // so that a panic releases those who wait
	value, err := c.load(ctx, key, load, o)
	if err != nil {
		return nil, err
	}
	call.Done(append([]byte(nil), value...), true)
	return value, nil
}

// unknownFor is how long callers join the same load while the versions are not known, as when Redis is away: then
// nothing tells a load from before another process's change from one after it.
const unknownFor = 10 * time.Millisecond

// flight names what callers wait for together: a value under the versions of now. So who begins after a
// change, of the key or of what it stands under, in whatever process, waits for nothing that was begun before.
func (c *Cache) flight(ctx context.Context, key string) []byte {
	var buf [maxPrefixes + 2]int
	buckets := c.buckets(buf[:0], key)
	id := c.id(key)
	// Changes of this process are counted here as well: they can fail, and are made all the same.
	for _, b := range buckets {
		id = binary.LittleEndian.AppendUint64(id, c.changed[b%len(c.changed)].Load())
	}
	stamps, ok := c.cfg.Versions.Stamps(ctx, make([]uint64, 0, len(buckets)+1), buckets)
	if !ok {
		return binary.LittleEndian.AppendUint64(id, uint64(time.Now().UnixNano()/int64(unknownFor)))
	}
	for _, s := range stamps {
		id = binary.LittleEndian.AppendUint64(id, s)
	}
	return id
}

// load asks the origin. What could make its answer outdated is read before, and
// compared with when the answer is stored.
func (c *Cache) load(ctx context.Context, key string, load func(context.Context) ([]byte, error), o options) ([]byte, error) {
	s, ok := c.read(ctx, key)
	if c.shared == nil {
		value, err := load(ctx)
		if err == nil && ok {
			c.keepAlone(ctx, key, value, s, o)
		}
		return value, err
	}
	var mark, mine []byte
	if ok && o.l2 > 0 {
		mine = newMark(markLoading)
		var raw []byte
		if raw, mark = c.enter(ctx, key, mine, nil, o); raw != nil {
			if value, err := c.arrived(ctx, key, raw, nil, s); err == nil {
				return value, nil
			}
			// It is outdated: its place is for the mark.
			_, mark = c.enter(ctx, key, mine, raw, o)
		}
	}
	stored := false
	if mine != nil && bytes.Equal(mark, mine) {
		defer func() {
			if !stored {
				c.shared.leave(c.space, key, mine)
			}
		}()
	}
	value, err := load(ctx)
	if err != nil {
		return nil, err
	}
	if mark != nil {
		if entry, ttl, err := c.entry(key, value, s, o); err == nil {
			var failed error
			stored, failed = c.shared.swap(ctx, c.space, key, mark, entry, ttl)
			_ = c.count(failed) // loaded again the next time
			if stored {
				c.keep(ctx, key, value, s, Jitter(o.l1, c.cfg.Jitter), min(ttl, o.longest()))
			}
		}
	}
	return value, nil
}

// keepAlone stores what was loaded unless the key has been changed meanwhile.
func (c *Cache) keepAlone(ctx context.Context, key string, value []byte, s stamps, o options) {
	mu := c.order(key)
	mu.Lock()
	defer mu.Unlock()
	now, ok := c.read(ctx, key)
	if ok && slices.Equal(now.all, s.all) {
		c.keep(ctx, key, value, s, Jitter(o.l1, c.cfg.Jitter), o.longest())
	}
}

// pollEvery is how often those who wait for another process look again.
const pollEvery = 10 * time.Millisecond

// enter prepares a load: it returns what is stored under the key, if something came
// meanwhile, or else the mark that stands in its place as long as nobody has changed
// it. Under WithClusterFlight it waits for another process that loads, at most
// LeaseTTL. It returns neither if Redis cannot be asked: then nothing is stored.
// The value to steal, if not nil, counts as nothing.
func (c *Cache) enter(ctx context.Context, key string, mine, steal []byte, o options) (raw, mark []byte) {
	patience, cancel := context.WithTimeout(ctx, c.cfg.LeaseTTL)
	defer cancel()
	var tick *time.Ticker
	for {
		found, err := c.shared.lease(ctx, c.space, key, mine, steal)
		switch {
		case err != nil:
			return nil, nil
		case !isMark(found):
			return found, nil
		case bytes.Equal(found, mine), !o.cluster:
			return nil, found
		}
		if tick == nil {
			tick = time.NewTicker(pollEvery)
			defer tick.Stop()
		}
		select {
		case <-tick.C:
		case <-patience.Done():
			if ctx.Err() != nil {
				return nil, nil
			}
			steal = found // it may have died
		}
	}
}

// errEncode wraps an error of a Codec.
func errEncode(err error) error { return fmt.Errorf("mlcache: codec: %w", err) }

// Memoize returns f with its results kept in c, under name and the argument, which
// must be of a type that the codec of keys can tell apart: by default JSON. A
// result that cannot be decoded is computed anew. Errors are f's own and never
// kept, or the codec's.
func Memoize[K comparable, V any](c *Cache, name string, codec Codec[V], f func(context.Context, K) (V, error), opts ...Option) func(context.Context, K) (V, error) {
	keys := JSON[K]()
	return func(ctx context.Context, k K) (V, error) {
		id, err := keys.Marshal(k)
		if err != nil {
			var zero V
			return zero, errEncode(err)
		}
		return loadAs(ctx, c, name+string(Separator)+string(id), codec, func(ctx context.Context) (V, error) { return f(ctx, k) }, opts)
	}
}

// loadAs is GetOrLoad for a value of a type.
func loadAs[V any](ctx context.Context, c *Cache, key string, codec Codec[V], load func(context.Context) (V, error), opts []Option) (V, error) {
	var loaded V
	var fresh bool
	b, err := c.GetOrLoad(ctx, key, func(ctx context.Context) ([]byte, error) {
		v, err := load(ctx)
		if err != nil {
			return nil, err
		}
		b, err := codec.Marshal(v)
		if err != nil {
			return nil, errEncode(err)
		}
		loaded, fresh = v, true
		return b, nil
	}, opts...)
	if err != nil || fresh {
		return loaded, err
	}
	v, err := codec.Unmarshal(b)
	if err == nil {
		return v, nil
	}
	// Another version of the program has stored it.
	return load(ctx)
}
