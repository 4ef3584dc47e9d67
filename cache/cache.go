package cache

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/redis/go-redis/v9"
)

// Versions tells a [Cache] whether what it has stored is still good. Keys are
// spread over a fixed number of buckets, each of which has a version, so that the
// memory for versions is bounded whatever the number of keys.
//
// invalidation.Buckets is one that many processes share; [NewLocalVersions] serves
// one process.
type Versions interface {
	// Buckets is how many there are, at least 1. It must be the same wherever the
	// same entries are read.
	Buckets() int

	// Stamps appends what identifies the present state of the buckets, a number
	// for each and in their order, and then one for everything. ok is false while
	// one of them is unknown or being changed: then nothing may be served or
	// stored. It may ask another server when something is not known yet.
	Stamps(ctx context.Context, dst []uint64, buckets []int) (stamps []uint64, ok bool)

	// Change gives the buckets new versions, for everybody, before it returns,
	// and returns them in their order: those that this call has made, not those of
	// a change that came right after it.
	Change(ctx context.Context, buckets []int) (stamps []uint64, err error)
}

// Config says what a [Cache] is made of. The zero value of each field is its
// default.
type Config struct {
	// L1 is the level in this process; nil: none.
	L1 *Memory
	// Redis is the client of the level that processes share; nil: none. It stays
	// the caller's to close.
	Redis redis.UniversalClient
	// Versions are what invalidation stands on; nil: [NewLocalVersions], for a
	// cache without Redis in one process.
	Versions Versions
	// Prefix begins every key in Redis; "mlcache" by default. Programs that share
	// a prefix share their entries.
	Prefix string
	// HideKeys: Redis sees the SHA-256 of a key instead of the key. DeletePrefix
	// then frees nothing in Redis; what it names is gone all the same.
	HideKeys bool
	// L1TTL and L2TTL are how long entries live in each level unless [WithTTL]
	// says otherwise: 30 seconds and 5 minutes by default. L1's must not be longer,
	// if there are two levels.
	L1TTL, L2TTL time.Duration
	// Jitter is the part of a time to live that may be cut off at random, so that
	// entries stored together do not end together: 0.1 by default, none below 0.
	Jitter float64
	// Adaptive lets entries that are asked for often live in L1 for longer than
	// L1TTL; nil: all live as long.
	Adaptive *Adaptive
	// Sealer encrypts what goes to Redis; nil: nothing is encrypted.
	Sealer *Sealer
	// Compressor makes large values smaller on their way to Redis; nil: none is.
	Compressor Compressor
	// CompressAbove is the size in bytes from which on Compressor is used: 1024
	// by default.
	CompressAbove int
	// LeaseTTL is how long the other processes wait for the one that loads under
	// [WithClusterFlight] before one of them loads as well: 5 seconds by default.
	LeaseTTL time.Duration
}

// ErrConfig is returned by New for a Config that contradicts itself.
var ErrConfig = errors.New("mlcache: bad cache configuration")

// Cache holds values of any kind in two levels, this process's memory and Redis.
// What one process deletes or replaces no other serves any more, within the bound
// of its Versions. A process that dies in the middle of a change may leave what the
// others hold in memory to its time to live, L1TTL. It is safe for concurrent use.
type Cache struct {
	*core
	// space is the namespace's name, and precedes each key.
	space string
}

// core is what all namespaces of a cache share.
type core struct {
	cfg     Config
	shared  *shared             // nil without Redis
	alone   bool                // there is no other process
	changes [64]sync.Mutex      // by bucket: orders changes and loads where L1 is all there is
	changed [1024]atomic.Uint64 // by bucket: counts the changes that this process has made
	flights *Flights
	stats   Stats
}

// New makes a cache. It does not touch the network. Errors wrap ErrConfig.
func New(cfg Config) (*Cache, error) {
	if cfg.Prefix == "" {
		cfg.Prefix = "mlcache"
	}
	if cfg.L1TTL == 0 {
		cfg.L1TTL = 30 * time.Second
	}
	if cfg.L2TTL == 0 {
		cfg.L2TTL = 5 * time.Minute
	}
	if cfg.Jitter == 0 {
		cfg.Jitter = 0.1
	}
	if cfg.CompressAbove == 0 {
		cfg.CompressAbove = 1024
	}
	if cfg.LeaseTTL == 0 {
		cfg.LeaseTTL = 5 * time.Second
	}
	switch {
	case cfg.L1TTL < 0 || cfg.L2TTL < 0 || cfg.LeaseTTL < 0:
		return nil, fmt.Errorf("%w: a time to live is negative", ErrConfig)
	case cfg.L1 != nil && cfg.Redis != nil && cfg.L1TTL > cfg.L2TTL:
		return nil, fmt.Errorf("%w: L1TTL %v is longer than L2TTL %v", ErrConfig, cfg.L1TTL, cfg.L2TTL)
	case cfg.Redis != nil && cfg.Versions == nil:
		return nil, fmt.Errorf("%w: Redis without Versions: other processes would not learn of changes", ErrConfig)
	}
	alone := cfg.Versions == nil
	if alone {
		cfg.Versions = NewLocalVersions(0)
	}
	if cfg.Adaptive != nil {
		if err := cfg.Adaptive.start(cfg.L1TTL); err != nil {
			return nil, err
		}
	}
	c := &core{cfg: cfg, alone: alone, flights: NewFlights()}
	if cfg.Redis != nil {
		c.shared = &shared{client: cfg.Redis, prefix: cfg.Prefix + ":k:", hide: cfg.HideKeys}
	}
	return &Cache{core: c}, nil
}

// options are those of a single call.
type options struct {
	l1, l2  time.Duration
	fixed   bool // the caller has set l1: Adaptive does not stretch it
	cluster bool
}

// Option changes what one call does.
type Option func(*options)

// WithTTL says how long an entry lives in each level; zero stands for the
// default, and a negative time keeps it out of that level.
func WithTTL(l1, l2 time.Duration) Option {
	return func(o *options) { o.l1, o.l2 = l1, l2 }
}

// WithClusterFlight lets one process of all load a value while the others wait for
// it, for [Cache.GetOrLoad]. Should it die, the others go on after Config.LeaseTTL.
func WithClusterFlight() Option { return func(o *options) { o.cluster = true } }

func (c *Cache) options(opts []Option) options {
	var o options
	for _, f := range opts {
		f(&o)
	}
	o.fixed = o.l1 != 0
	if o.l1 == 0 {
		o.l1 = c.cfg.L1TTL
	}
	if o.l2 == 0 {
		o.l2 = c.cfg.L2TTL
	}
	return o
}

// longest is how long an entry may live in L1 if it is asked for often.
func (o options) longest() time.Duration {
	if o.fixed {
		return o.l1
	}
	return math.MaxInt64
}

// maxPrefixes is how many prefixes of a key have versions of their own.
const maxPrefixes = 3

// Separator ends the parts of a key whose prefixes [Cache.DeletePrefix] can tell
// apart: "user:42:" in "user:42:name".
const Separator = ':'

// buckets gives those that a key belongs to: its namespace's, its prefixes', its
// own, which is the last. A change of a bucket of the first kinds ends entries in both
// levels. That of the last ends entries in L1 only: there a key that shares the
// bucket is then fetched from Redis again, where each key is replaced by itself.
func (c *Cache) buckets(dst []int, key string) []int {
	dst = append(dst, c.bucket("n", ""))
	rest := 0
	for range maxPrefixes {
		i := strings.IndexByte(key[rest:], Separator)
		if i < 0 {
			break
		}
		rest += i + 1
		dst = append(dst, c.bucket("p", key[:rest]))
	}
	return append(dst, c.bucket("k", key))
}

// stamps are the versions that a key depends on, as read at one moment.
type stamps struct {
	all []uint64 // namespace, prefixes, own, everything
	own int      // the place of the key's own
}

// read reads the versions; ok is false if nothing may be served or stored.
func (c *Cache) read(ctx context.Context, key string) (s stamps, ok bool) {
	var buf [maxPrefixes + 2]int
	buckets := c.buckets(buf[:0], key)
	s.own = len(buckets) - 1
	s.all, ok = c.cfg.Versions.Stamps(ctx, make([]uint64, 0, len(buckets)+1), buckets)
	return s, ok
}

// memory are those that an entry in L1 stands on. Where L1 is all there is an entry
// is replaced by itself, and needs no stamp of its key.
func (c *Cache) memory(s stamps) []uint64 {
	if c.alone {
		return s.shared()
	}
	return s.all
}

// shared are those that an entry in Redis stands on.
func (s stamps) shared() []uint64 {
	out := append(make([]uint64, 0, len(s.all)), s.all[:s.own]...)
	return append(out, s.all[s.own+1:]...)
}

// bucket spreads names of one kind over the buckets, in every process alike. An
// eighth of them belongs to namespaces and prefixes, so that changes of keys leave
// these alone.
func (c *Cache) bucket(kind, name string) int {
	d := xxhash.New()
	for _, part := range [...]string{kind, c.space, "\x00", name} {
		_, _ = d.WriteString(part) // has no error to give
	}
	all := uint64(c.cfg.Versions.Buckets())
	wide := max(all/8, 1)
	if kind != "k" {
		return int(d.Sum64() % wide)
	}
	if all == 1 {
		return 0
	}
	return int(wide + d.Sum64()%(all-wide))
}

// Get returns the value stored under key, the caller's own. ErrMiss says that there
// is none, or none that is still good; any other error that a level could not be
// asked, and counts as a miss as well.
func (c *Cache) Get(ctx context.Context, key string) ([]byte, error) {
	s, ok := c.read(ctx, key)
	if !ok {
		return nil, ErrMiss
	}
	if value, ok := c.inMemory(key, s); ok {
		return value, nil
	}
	if c.shared == nil {
		return nil, ErrMiss
	}
	raw, err := c.shared.get(ctx, c.space, key)
	return c.arrived(ctx, key, raw, err, s)
}

func (c *Cache) inMemory(key string, s stamps) ([]byte, bool) {
	if c.cfg.L1 == nil {
		return nil, false
	}
	stripe := c.stats.Stripe()
	id := c.id(key)
	entry, found := c.cfg.L1.Lookup(id, nil)
	payload, good := Match(entry, c.memory(s), time.Now().UnixMilli())
	switch {
	case good:
		stripe.L1.Hits.Add(1)
		c.cfg.Adaptive.seen(id)
	case found:
		stripe.L1.Stale.Add(1)
	default:
		stripe.L1.Misses.Add(1)
	}
	return payload, good
}

// arrived looks at what Redis has answered for a key, after the versions were read,
// and takes it into L1.
func (c *Cache) arrived(ctx context.Context, key string, raw []byte, err error, s stamps) ([]byte, error) {
	stripe := c.stats.Stripe()
	switch {
	case errors.Is(err, ErrMiss), err == nil && isMark(raw):
		stripe.L2.Misses.Add(1)
		return nil, ErrMiss
	case err != nil:
		stripe.L2.Errors.Add(1)
		return nil, err
	}
	entry, err := c.unpack(key, raw)
	if err != nil {
		stripe.L2.Corrupt.Add(1)
		return nil, ErrMiss
	}
	now := time.Now()
	payload, good := Match(entry, s.shared(), now.UnixMilli())
	if !good {
		stripe.L2.Stale.Add(1)
		return nil, ErrMiss
	}
	stripe.L2.Hits.Add(1)
	left := time.Duration(Deadline(entry)-now.UnixMilli()) * time.Millisecond
	c.keep(ctx, key, payload, s, min(c.cfg.L1TTL, left), left)
	return payload, nil
}

// keep stores a value in L1, for at most what is left of its life.
func (c *Cache) keep(ctx context.Context, key string, value []byte, s stamps, ttl, left time.Duration) {
	if c.cfg.L1 == nil || ttl <= 0 {
		return
	}
	id := c.id(key)
	ttl = min(c.cfg.Adaptive.stretch(id, ttl), left)
	now := time.Now()
	entry, err := AppendEntry(nil, &Header{Stamps: c.memory(s), StoredAt: now.UnixMilli(), Deadline: now.Add(ttl).UnixMilli()}, value)
	if err != nil {
		return
	}
	stripe := c.stats.Stripe()
	switch err := c.cfg.L1.Set(ctx, id, entry, ttl); {
	case err == nil:
		stripe.L1.Sets.Add(1)
	case errors.Is(err, ErrTooLarge):
		stripe.L1.TooLarge.Add(1)
		_ = c.cfg.L1.Delete(ctx, id) // an older value may be there
	default:
		stripe.L1.SetErrors.Add(1)
	}
}

// id is a key in memory.
func (c *Cache) id(key string) []byte {
	id := make([]byte, 0, len(c.space)+1+len(key))
	id = append(id, c.space...)
	id = append(id, 0)
	return append(id, key...)
}

// Stats is a snapshot of what happened at each level, namespaces included.
func (c *Cache) Stats() Snapshot { return c.stats.Snapshot() }
