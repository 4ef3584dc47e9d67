package cache

import (
	"bytes"
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coocood/freecache"
)

// The limits of freecache that its interface does not show are met in this
// file: an arena is at least 512 KiB; it has 256 segments, and an entry (a
// header, the key, the value) may take a quarter of one, 1/1024 of the whole;
// times are whole seconds, and zero or less means for ever.
const (
	minMemory     = 512 << 10
	arenaSegments = 256
	segmentShare  = 4
	maxSeconds    = 1 << 30 // keeps sums of times within their 32 bits
)

// This much may wait while the arena is being made.
const (
	maxPending      = 64
	maxPendingBytes = 1 << 20
)

// Memory is the first level: entries in this process's memory, in an arena
// of freecache that the garbage collector does not look into. A nil *Memory is
// a level that is switched off: every Get is a miss and Set stores nothing.
//
// The arena is made in the background at the first Set, because touching tens
// of megabytes takes milliseconds that no query should wait for. Until it is
// ready a few entries are held beside it.
type Memory struct {
	size  int
	clock secondClock
	arena atomic.Pointer[freecache.Cache]

	// waiting is true while the arena is being made. Lookups look at it first, so
	// that a level where nothing is ever stored costs no lock.
	waiting atomic.Bool

	stored, storedBytes atomic.Int64

	mu      sync.Mutex
	pending map[string]pendingValue // nil before the first Set and once the arena is ready
	bytes   int                     // of keys and values in pending
	made    chan struct{}           // closed when the arena has been made; nil before the first Set
	closed  bool
}

type pendingValue struct {
	value   []byte
	expires uint32
}

var _ Store = (*Memory)(nil)

// NewMemory returns a level that takes about sizeBytes of memory once it is
// used. A size of zero or less returns nil, the level that is switched off; a size below
// 512 KiB counts as 512 KiB, freecache's least. Close it after use.
func NewMemory(sizeBytes int64) *Memory {
	if sizeBytes <= 0 {
		return nil
	}
	return &Memory{size: int(min(max(sizeBytes, minMemory), math.MaxInt))}
}

// Lookup returns the value stored under key, in buf's memory when its capacity suffices.
// It is Get for the hot path: without a context and without an error.
func (m *Memory) Lookup(key, buf []byte) (value []byte, ok bool) {
	if m == nil {
		return nil, false
	}
	arena := m.arena.Load()
	if arena == nil {
		if m.waiting.Load() {
			return m.lookupPending(key, buf)
		}
		// It may have become ready just now.
		if arena = m.arena.Load(); arena == nil {
			return nil, false
		}
	}
	value, err := arena.GetWithBuf(key, buf)
	return value, err == nil
}

// Get is Lookup as Store has it. Its only error is ErrMiss.
func (m *Memory) Get(_ context.Context, key, buf []byte) ([]byte, error) {
	if value, ok := m.Lookup(key, buf); ok {
		return value, nil
	}
	return nil, ErrMiss
}

// Set stores a copy of value under key for ttl, rounded up to whole seconds.
// Its errors are ErrTTL and ErrTooLarge, the latter when key and value
// together take more than MaxEntry or the key more than MaxKeySize.
func (m *Memory) Set(_ context.Context, key, value []byte, ttl time.Duration) error {
	if ttl <= 0 {
		return ErrTTL
	}
	if m == nil {
		return nil
	}
	if len(key) > MaxKeySize || len(key)+len(value) > m.MaxEntry() {
		return ErrTooLarge
	}
	m.stored.Add(1)
	m.storedBytes.Add(int64(len(key) + len(value)))
	seconds := wholeSeconds(ttl)
	arena := m.arena.Load()
	if arena == nil {
		if arena = m.setPending(key, value, seconds); arena == nil {
			return nil
		}
	}
	if err := arena.Set(key, value, seconds); err != nil {
		return ErrTooLarge // the only reason that freecache has
	}
	return nil
}

// Delete removes key. Its error is always nil.
func (m *Memory) Delete(_ context.Context, key []byte) error {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	m.dropPending(key)
	m.mu.Unlock()
	if arena := m.arena.Load(); arena != nil {
		arena.Del(key)
	}
	return nil
}

// MaxEntry is the most that a key and its value may take together, in bytes:
// a little under 1/1024 of the size. It is zero when the level is off.
func (m *Memory) MaxEntry() int {
	if m == nil {
		return 0
	}
	return m.size/arenaSegments/segmentShare - freecache.ENTRY_HDR_SIZE
}

// Size is the memory that the level may use, in bytes; zero when it is off.
func (m *Memory) Size() int64 {
	if m == nil {
		return 0
	}
	return int64(m.size)
}

// Taken is the memory that the level holds now, in bytes: Size once it is used, and
// zero before.
func (m *Memory) Taken() int64 {
	if m == nil || m.arena.Load() == nil {
		return 0
	}
	return int64(m.size)
}

// Len is the number of entries, including those that have expired and have
// not been found out yet.
func (m *Memory) Len() int64 {
	if m == nil {
		return 0
	}
	if arena := m.arena.Load(); arena != nil {
		return arena.EntryCount()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(len(m.pending))
}

// Evictions is how often an entry had to move for a new one. It is an upper
// bound of the entries lost, since freecache also counts the recently used ones that it
// moved in order to keep them.
func (m *Memory) Evictions() int64 {
	if m == nil {
		return 0
	}
	if arena := m.arena.Load(); arena != nil {
		return arena.EvacuateCount()
	}
	return 0
}

// Expired is how many entries were found to have ended, when they were asked for or
// when their room was needed.
func (m *Memory) Expired() int64 {
	if m == nil {
		return 0
	}
	if arena := m.arena.Load(); arena != nil {
		return arena.ExpiredCount()
	}
	return 0
}

// Stored is how many entries have been stored so far, also in the place of older
// ones, and the bytes of their keys and values.
func (m *Memory) Stored() (entries, bytes int64) {
	if m == nil {
		return 0, 0
	}
	return m.stored.Load(), m.storedBytes.Load()
}

// Close frees the memory and stops the clock. The level is switched off from
// then on. It may be called more than once, and always returns nil.
func (m *Memory) Close() error {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	m.closed = true
	m.pending, m.bytes = nil, 0
	m.arena.Store(nil)
	m.waiting.Store(false)
	made := m.made
	m.mu.Unlock()
	m.clock.stop()
	if made != nil {
		<-made // no goroutine outlives Close
	}
	return nil
}

// Seconds counts the seconds since the first Set, from 1 on, at the cost of an atomic load; it is 0 before, after Close
// and for nil. It is for what need not be exact: a second can be late.
func (m *Memory) Seconds() uint32 {
	if m == nil || m.arena.Load() == nil {
		return 0
	}
	return m.clock.Now()
}

// lookupPending is Lookup before the arena is ready.
func (m *Memory) lookupPending(key, buf []byte) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if arena := m.arena.Load(); arena != nil {
		value, err := arena.GetWithBuf(key, buf)
		return value, err == nil
	}
	p, ok := m.pending[string(key)]
	if !ok || p.expires <= m.clock.Now() {
		return nil, false
	}
	return append(buf[:0], p.value...), true
}

// setPending is Set before the arena is ready. It returns the arena if it has
// become ready meanwhile, and otherwise nil: the entry is held, or dropped for
// want of room.
func (m *Memory) setPending(key, value []byte, seconds int) *freecache.Cache {
	m.mu.Lock()
	defer m.mu.Unlock()
	if arena := m.arena.Load(); arena != nil || m.closed {
		return arena
	}
	if m.made == nil {
		m.made = make(chan struct{})
		m.pending = make(map[string]pendingValue)
		m.waiting.Store(true)
		m.clock.start()
		go m.makeArena()
	}
	m.dropPending(key)
	if size := len(key) + len(value); len(m.pending) < maxPending && m.bytes+size <= maxPendingBytes {
		m.pending[string(key)] = pendingValue{bytes.Clone(value), m.clock.Now() + uint32(seconds)}
		m.bytes += size
	}
	return nil
}

// dropPending forgets key. The caller holds m.mu.
func (m *Memory) dropPending(key []byte) {
	if p, ok := m.pending[string(key)]; ok {
		m.bytes -= len(key) + len(p.value)
		delete(m.pending, string(key))
	}
}

// makeArena makes the arena, moves into it what has waited, and only then
// shows it to the others.
func (m *Memory) makeArena() {
	defer close(m.made)
	arena := freecache.NewCacheCustomTimer(m.size, &m.clock)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	now := m.clock.Now()
	for key, p := range m.pending {
		if p.expires > now {
			// It fits: Set has checked.
			_ = arena.Set([]byte(key), p.value, int(p.expires-now))
		}
	}
	m.pending, m.bytes = nil, 0
	m.arena.Store(arena)
	m.waiting.Store(false)
}

// wholeSeconds rounds up, since freecache takes zero for "for ever".
func wholeSeconds(ttl time.Duration) int {
	seconds := ttl / time.Second
	if ttl%time.Second != 0 {
		seconds++
	}
	return int(min(seconds, maxSeconds))
}
