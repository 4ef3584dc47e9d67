package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// A mark stands in Redis in the place of a value: while one is being loaded, or after
// it was deleted. Who loads a value remembers the mark that stood there before it
// asked the origin, and stores only if it stands there still. So a value that was
// read before a change cannot come after it, and needs nothing but the key itself,
// in a cluster as well. (The leases of memcached at Facebook do the same: Nishtala
// et al., "Scaling Memcache at Facebook", 2013, section 3.2.1.)
const (
	markLoading byte = 'L'
	markDeleted byte = 'D'
)

// markTTL is how long a mark stands. A load that takes longer is not stored.
const markTTL = time.Minute

const markSize = 1 + 16

// newMark gives a mark like no other.
func newMark(kind byte) []byte {
	m := make([]byte, markSize)
	m[0] = kind
	rand.Read(m[1:]) // never fails
	return m
}

// isMark tells a mark from a value, whose first byte is a small number.
func isMark(b []byte) bool {
	return len(b) == markSize && (b[0] == markLoading || b[0] == markDeleted)
}

// leaseScript gives what stands under the key. Nothing, the mark of something deleted
// and the mark to steal are replaced by one's own mark first.
var leaseScript = redis.NewScript(`local v = redis.call('GET', KEYS[1])
if not v or string.sub(v, 1, 1) == 'D' or v == ARGV[2] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
  return ARGV[1]
end
return v`)

func (s *shared) lease(ctx context.Context, space, key string, mine, steal []byte) ([]byte, error) {
	found, err := leaseScript.Run(ctx, s.client, []string{s.name(space, key)}, mine, steal, markTTL.Milliseconds()).Text()
	if err != nil {
		return nil, fmt.Errorf("mlcache: redis lease: %w", err)
	}
	return []byte(found), nil
}

// swapScript stores a value if the mark stands still.
var swapScript = redis.NewScript(`if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`)

func (s *shared) swap(ctx context.Context, space, key string, mark, b []byte, ttl time.Duration) (bool, error) {
	done, err := swapScript.Run(ctx, s.client, []string{s.name(space, key)}, mark, b, max(ttl.Milliseconds(), 1)).Bool()
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, fmt.Errorf("mlcache: redis swap: %w", err)
	}
	return done, nil
}

// leaveScript removes a mark if it stands still.
var leaveScript = redis.NewScript(`if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`)

// leave lets go of a mark of one's own, for who waits for it. The load may have ended
// with its context.
func (s *shared) leave(space, key string, mark []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	// If it fails the mark ends by itself.
	_ = leaveScript.Run(ctx, s.client, []string{s.name(space, key)}, mark).Err()
}
