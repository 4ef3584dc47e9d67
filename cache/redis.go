package cache

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Redis is the second level: entries in a Redis server, cluster or sentinel
// group, shared by all processes that use the same prefix. A nil *Redis is a
// level that is switched off: every Get is a miss and Set stores nothing.
//
// A key's name in Redis is the prefix, ":e:" and the SHA-256 of the key in
// base64url, so it shows nothing of the key. The value is stored as it is, or
// encrypted ([Redis.Sealed]). What Get returns
// has come from outside the process: check it with Verify before use.
type Redis struct {
	client redis.UniversalClient
	prefix string
	sealer *Sealer // nil: nothing is encrypted
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
	if r.sealer == nil {
		return append(buf[:0], val...), nil
	}
	return r.Open(key, []byte(val))
}

// GetHashed is Get for several keys of which only the last parts of their names are
// known, in one round trip; in a cluster one for each server. What cannot be had is nil.
func (r *Redis) GetHashed(ctx context.Context, hashes []string) [][]byte {
	out := make([][]byte, len(hashes))
	if r == nil {
		return out
	}
	cmds := make([]*redis.StringCmd, len(hashes))
	// An error is that of each command as well.
	_, _ = r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, hash := range hashes {
			cmds[i] = p.Get(ctx, r.prefix+hash)
		}
		return nil
	})
	for i, cmd := range cmds {
		raw, err := cmd.Bytes()
		if err == nil && r.sealer != nil {
			raw, err = r.open(r.prefix+hashes[i], raw)
		}
		if err == nil && len(raw) > 0 {
			out[i] = raw
		}
	}
	return out
}

// Sealed returns the same level with its values encrypted by s, each bound to its
// key, and what does not open an error that wraps ErrCorrupt. A nil s returns the
// level as it is.
func (r *Redis) Sealed(s *Sealer) *Redis {
	if r == nil || s == nil {
		return r
	}
	return &Redis{client: r.client, prefix: r.prefix, sealer: s}
}

// Open is what Get does with the bytes that it gets, for bytes that were read in
// another way from under Name(key).
func (r *Redis) Open(key, raw []byte) ([]byte, error) {
	if r == nil || r.sealer == nil {
		return raw, nil
	}
	return r.open(r.Name(key), raw)
}

func (r *Redis) open(name string, raw []byte) ([]byte, error) {
	if len(raw) == 0 || raw[0] != packedSealed {
		return nil, fmt.Errorf("%w: not encrypted", ErrCorrupt)
	}
	return r.sealer.open(raw[1:], []byte(name))
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
	name := r.Name(key)
	if r.sealer != nil {
		sealed := append(make([]byte, 0, 1+len(value)+sealOverhead), packedSealed)
		value = r.sealer.seal(sealed, value, []byte(name))
	}
	if err := r.client.Set(ctx, name, value, ttl).Err(); err != nil {
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

// Lease asks for the right to renew what is stored under key, which nobody else gets
// for ttl. It is false if somebody has it or Redis cannot be asked; true when the level is
// switched off.
func (r *Redis) Lease(ctx context.Context, key []byte, ttl time.Duration) bool {
	if r == nil {
		return true
	}
	name := strings.TrimSuffix(r.prefix, ":e:") + ":r:" + strings.TrimPrefix(r.Name(key), r.prefix)
	ok, err := r.client.SetNX(ctx, name, 1, max(ttl.Round(time.Millisecond), time.Millisecond)).Result()
	return ok && err == nil
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
