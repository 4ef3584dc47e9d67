package cache

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Redis is the second level: entries in a Redis server, cluster or sentinel
// group, shared by all processes that use the same prefix. A nil *Redis is a
// level that is switched off: every Get is a miss and Set stores nothing.
//
// A key's name in Redis is the prefix, ":e:" and the SHA-256 of the key in
// base64url, so it shows nothing of the key. The value is stored as it is. What Get returns
// has come from outside the process: check it with Verify before use.
type Redis struct {
	client redis.UniversalClient
	prefix string
}

var _ Store = (*Redis)(nil)

// redisMaxValue is the longest string that Redis stores: 512 MiB by default
// (the server's proto-max-bulk-len).
const redisMaxValue = 512 << 20

// NewRedis returns a level over client, which stays the caller's to close.
// The client's own settings decide about timeouts, retries and pooling. A nil
// client returns nil, the level that is switched off.
func NewRedis(client redis.UniversalClient, prefix string) *Redis {
	if client == nil {
		return nil
	}
	return &Redis{client: client, prefix: prefix + ":e:"}
}

// Get asks Redis by one GET.
func (r *Redis) Get(ctx context.Context, key, buf []byte) ([]byte, error) {
	if r == nil {
		return nil, ErrMiss
	}
	val, err := r.client.Get(ctx, r.Name(key)).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, ErrMiss
	case err != nil:
		return nil, fmt.Errorf("mlcache: redis get: %w", err)
	case len(val) == 0:
		// No value is empty, so this is not one of ours.
		return nil, ErrMiss
	}
	return append(buf[:0], val...), nil
}

// Set stores value by one SET with PX or EX.
func (r *Redis) Set(ctx context.Context, key, value []byte, ttl time.Duration) error {
	if ttl <= 0 {
		return ErrTTL
	}
	if r == nil {
		return nil
	}
	if len(key) > MaxKeySize || len(value) > redisMaxValue {
		return ErrTooLarge
	}
	// Rounded here, since the client would log a warning for a part of a millisecond.
	if rest := ttl % time.Millisecond; rest != 0 {
		ttl += time.Millisecond - rest
	}
	if err := r.client.Set(ctx, r.Name(key), value, ttl).Err(); err != nil {
		return fmt.Errorf("mlcache: redis set: %w", err)
	}
	return nil
}

// Delete removes key by one DEL.
func (r *Redis) Delete(ctx context.Context, key []byte) error {
	if r == nil {
		return nil
	}
	if err := r.client.Del(ctx, r.Name(key)).Err(); err != nil {
		return fmt.Errorf("mlcache: redis del: %w", err)
	}
	return nil
}

// Name is the name of the key in Redis. It shows nothing of the key. It is empty
// when the level is switched off.
func (r *Redis) Name(key []byte) string {
	if r == nil {
		return ""
	}
	sum := sha256.Sum256(key)
	var stack [128]byte
	name := append(stack[:0], r.prefix...)
	return string(base64.RawURLEncoding.AppendEncode(name, sum[:]))
}
