package cache

import (
	"context"
	"errors"
	"time"
)

// MaxKeySize is the longest key in bytes that every level accepts. It is the
// limit of freecache, whose entries hold the key's length in 16 bits.
const MaxKeySize = 65535

var (
	// ErrMiss is returned by Get when a level was asked and does not have the key.
	ErrMiss = errors.New("mlcache: cache miss")

	// ErrTooLarge is returned by Set when a level can never hold an entry of
	// this size. The other level may.
	ErrTooLarge = errors.New("mlcache: entry too large for this cache level")

	// ErrTTL is returned by Set when the time to live is zero or negative.
	// There is no "for ever".
	ErrTTL = errors.New("mlcache: time to live must be positive")
)

// Store is one level of the cache. Implementations are safe for concurrent use.
// Keys are at most [MaxKeySize] bytes and values at least one byte.
type Store interface {
	// Get returns the value that was stored last under key. The result is
	// the caller's own; it uses buf's memory when buf's capacity is large
	// enough, and buf may be nil. Its outcomes are:
	//   - a value and nil;
	//   - ErrMiss: the level was asked and has no such key;
	//   - any other error: the level could not be asked. Callers treat it as
	//     a miss and count it.
	// A level may evict at any time. It may return a value for up to one second
	// after its time to live has ended, so an entry that needs an exact end
	// carries it in its header (Header.Deadline).
	Get(ctx context.Context, key, buf []byte) ([]byte, error)

	// Set stores a copy of value under key for at most ttl, rounded up to
	// what the level can count: a second in memory, a millisecond in Redis. It
	// replaces what was there. Its outcomes are:
	//   - nil: stored, although it may be evicted again at any time;
	//   - ErrTooLarge: this level can never hold it. An older value under the
	//     same key may remain;
	//   - ErrTTL: ttl is zero or negative;
	//   - any other error: the level could not be asked.
	Set(ctx context.Context, key, value []byte, ttl time.Duration) error

	// Delete removes key. A key that is absent is no error.
	Delete(ctx context.Context, key []byte) error
}
