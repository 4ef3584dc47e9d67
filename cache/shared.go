package cache

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// shared is the level of a Cache in Redis. A key's name is the prefix, the
// namespace, a slash and the key, so that an operator can find it.
type shared struct {
	client redis.UniversalClient
	prefix string
	hide   bool
}

func (s *shared) name(space, key string) string {
	if s.hide {
		sum := sha256.Sum256([]byte(space + "\x00" + key))
		return s.prefix + base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return s.prefix + url.PathEscape(space) + "/" + key
}

func (s *shared) get(ctx context.Context, space, key string) ([]byte, error) {
	return value(s.client.Get(ctx, s.name(space, key)))
}

func value(cmd *redis.StringCmd) ([]byte, error) {
	b, err := cmd.Bytes()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, ErrMiss
	case err != nil:
		return nil, fmt.Errorf("mlcache: redis get: %w", err)
	}
	return b, nil
}

// getMany asks for all keys in one round trip; in a cluster one for each server.
func (s *shared) getMany(ctx context.Context, space string, keys []string) []*redis.StringCmd {
	cmds := make([]*redis.StringCmd, len(keys))
	// An error is that of each command as well.
	_, _ = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, key := range keys {
			cmds[i] = p.Get(ctx, s.name(space, key))
		}
		return nil
	})
	return cmds
}

func (s *shared) set(ctx context.Context, space, key string, b []byte, ttl time.Duration) error {
	// Rounded here, since the client would log a warning for a part of a millisecond.
	ttl = max(ttl.Round(time.Millisecond), time.Millisecond)
	if err := s.client.Set(ctx, s.name(space, key), b, ttl).Err(); err != nil {
		return fmt.Errorf("mlcache: redis set: %w", err)
	}
	return nil
}

// mark puts marks in the place of the keys' values, each another, so that who has
// begun to load one of them before cannot store it any more.
func (s *shared) mark(ctx context.Context, space string, keys []string) error {
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, key := range keys {
			p.Set(ctx, s.name(space, key), newMark(markDeleted), markTTL)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("mlcache: redis set: %w", err)
	}
	return nil
}

// scanCount is how many keys Redis looks at in one step of a SCAN.
const scanCount = 500

// delPrefix frees the keys that begin with prefix, step by step (SCAN), so that no
// command holds up the server. It returns how many it found.
func (s *shared) delPrefix(ctx context.Context, space, prefix string) (int, error) {
	if s.hide {
		return 0, nil
	}
	pattern := escapeGlob(s.name(space, prefix)) + "*"
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		var total int
		counts := make(chan int)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for n := range counts {
				total += n
			}
		}()
		err := cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error {
			n, err := scanAndUnlink(ctx, c, pattern)
			counts <- n
			return err
		})
		close(counts)
		<-done
		return total, err
	}
	return scanAndUnlink(ctx, s.client, pattern)
}

func scanAndUnlink(ctx context.Context, client redis.Cmdable, pattern string) (int, error) {
	total := 0
	var cursor uint64
	for {
		keys, next, err := client.Scan(ctx, cursor, pattern, scanCount).Result()
		if err != nil {
			return total, fmt.Errorf("mlcache: redis scan: %w", err)
		}
		if len(keys) > 0 {
			_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
				for _, key := range keys {
					p.Unlink(ctx, key) // one by one, as a cluster wants it
				}
				return nil
			})
			if err != nil {
				return total, fmt.Errorf("mlcache: redis unlink: %w", err)
			}
			total += len(keys)
		}
		if cursor = next; cursor == 0 {
			return total, nil
		}
	}
}

// escapeGlob makes a text stand for itself in a pattern of Redis.
func escapeGlob(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(`*?[]^\-`, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
