package cache

import (
	"context"
	"math/rand/v2"
	"sync"
)

// DefaultBuckets is how many buckets Versions have unless told otherwise.
const DefaultBuckets = 4096

// LocalVersions are Versions that live in this process alone.
type LocalVersions struct {
	mu     sync.RWMutex
	stamps []uint64
}

var _ Versions = (*LocalVersions)(nil)

// NewLocalVersions gives n buckets, DefaultBuckets if n is not positive.
func NewLocalVersions(n int) *LocalVersions {
	if n <= 0 {
		n = DefaultBuckets
	}
	v := &LocalVersions{stamps: make([]uint64, n)}
	for i := range v.stamps {
		v.stamps[i] = newStamp()
	}
	return v
}

// newStamp is random, so that no version ever comes back; zero means "unknown".
func newStamp() uint64 { return rand.Uint64() | 1 }

// Buckets is how many there are.
func (v *LocalVersions) Buckets() int { return len(v.stamps) }

// Stamps appends the versions of the buckets; ok is always true.
func (v *LocalVersions) Stamps(_ context.Context, dst []uint64, buckets []int) (stamps []uint64, ok bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, b := range buckets {
		dst = append(dst, v.stamps[b])
	}
	return append(dst, 1), true
}

// Change gives the buckets new versions. Its error is always nil.
func (v *LocalVersions) Change(_ context.Context, buckets []int) ([]uint64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, b := range buckets {
		v.stamps[b] = newStamp()
	}
	stamps := make([]uint64, len(buckets))
	for i, b := range buckets {
		stamps[i] = v.stamps[b]
	}
	return stamps, nil
}
