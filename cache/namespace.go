package cache

import (
	"context"
	"errors"
	"strings"
)

// Namespace is a cache within the cache, whose keys are its own and which can be
// emptied at once by Clear. It shares levels, counters and settings with c. The name
// must not hold a NUL byte; an empty one gives c's own keys.
func (c *Cache) Namespace(name string) *Cache {
	return &Cache{core: c.core, space: strings.ReplaceAll(name, "\x00", "")}
}

// Clear makes every key of the namespace a miss, in all levels and all processes,
// by giving it a new version. It takes one round trip however many keys there are;
// what they took in Redis is freed by their time to live. What an error means is
// said at Set.
func (c *Cache) Clear(ctx context.Context) error {
	return c.change(ctx, []int{c.bucket("n", "")})
}

// DeletePrefix makes every key that begins with prefix a miss, in all levels and
// all processes, and then frees them in Redis by SCAN (never KEYS). It returns how
// many it freed there.
//
// The prefixes that end with [Separator], up to the third in a key, have versions of
// their own. For any other prefix the next shorter one of that kind is changed,
// so that DeletePrefix("user:4") makes misses of all keys under "user:", and
// DeletePrefix("us") of the whole namespace.
func (c *Cache) DeletePrefix(ctx context.Context, prefix string) (int, error) {
	bucket := c.bucket("n", "")
	end := 0
	for range maxPrefixes {
		i := strings.IndexByte(prefix[end:], Separator)
		if i < 0 {
			break
		}
		end += i + 1
		bucket = c.bucket("p", prefix[:end])
	}
	if err := c.change(ctx, []int{bucket}); err != nil {
		return 0, err
	}
	if c.shared == nil {
		return 0, nil
	}
	return c.shared.delPrefix(ctx, c.space, prefix)
}

// GetMany returns those of the keys that have a good value. All that L1 does not
// have is asked of Redis in one round trip. The error, if any, is the first of
// those that kept a key from being looked up; the map holds what was found all the
// same.
func (c *Cache) GetMany(ctx context.Context, keys []string) (map[string][]byte, error) {
	found := make(map[string][]byte, len(keys))
	var ask []string
	read := make(map[string]stamps, len(keys))
	for _, key := range keys {
		if _, twice := read[key]; twice {
			continue
		}
		now, ok := c.read(ctx, key)
		read[key] = now
		if !ok {
			continue
		}
		if value, ok := c.inMemory(key, now); ok {
			found[key] = value
		} else {
			ask = append(ask, key)
		}
	}
	if c.shared == nil || len(ask) == 0 {
		return found, nil
	}
	var failed error
	for i, cmd := range c.shared.getMany(ctx, c.space, ask) {
		raw, err := value(cmd)
		b, err := c.arrived(ctx, ask[i], raw, err, read[ask[i]])
		switch {
		case err == nil:
			found[ask[i]] = b
		case !errors.Is(err, ErrMiss) && failed == nil:
			failed = err
		}
	}
	return found, failed
}
