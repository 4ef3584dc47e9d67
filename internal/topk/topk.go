// Package topk counts which keys are asked for most, and tells Redis, so that the next process can begin with them.
package topk

import (
	"cmp"
	"context"
	"hash/maphash"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Counter counts keys. It is told of batches of hits only, and forgets rather than waits: these are estimates. What is
// kept is bounded, by the way of Space-Saving (Metwally, Agrawal and El Abbadi, "Efficient Computation of Frequent and
// Top-k Elements in Data Streams", 2005), with the least of a few instead of the least of all.
type Counter struct {
	redis  Redis
	keep   int
	seed   maphash.Seed
	shards [shardCount]shard
}

// Redis is who is told, of what: Set is the sorted set, and Name what it remembers of a key.
type Redis struct {
	Client redis.UniversalClient
	Set    string
	Name   func(key []byte) string
}

// SetKey is the key of the sorted set of a namespace.
func SetKey(namespace string) string { return namespace + ":r:hot" }

type shard struct {
	mu     sync.Mutex
	counts map[string]uint32
}

const (
	shardCount = 16
	// maxKey bounds the keys that are counted, in bytes: all of them together take
	// no more than so much for each that is kept.
	maxKey = 512
	// compared is among how many the least is looked for.
	compared = 8
	// reportEvery is how often Redis is told.
	reportEvery   = 30 * time.Second
	reportTimeout = time.Second
	// A hit of ten minutes ago counts half of one of now. After the last word of any process Redis keeps the set for a day.
	halfLife = 10 * time.Minute
	keptFor  = 24 * time.Hour
)

// New makes a Counter of the keep keys that are asked for most.
func New(keep int, r Redis) *Counter {
	c := &Counter{redis: r, keep: keep, seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].counts = make(map[string]uint32)
	}
	return c
}

// Add counts n hits. A nil Counter counts nothing. It never waits.
func (c *Counter) Add(key []byte, n uint32) {
	if c == nil || len(key) > maxKey {
		return
	}
	s := &c.shards[maphash.Bytes(c.seed, key)%shardCount]
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	if count, ok := s.counts[string(key)]; ok || len(s.counts) < max(c.keep/shardCount*2, compared) {
		s.counts[string(key)] = count + n
		return
	}
	least, lowest, looked := "", uint32(math.MaxUint32), 0
	for key, count := range s.counts { // begins anywhere
		if count < lowest {
			least, lowest = key, count
		}
		if looked++; looked == compared {
			break
		}
	}
	delete(s.counts, least)
	s.counts[string(key)] = lowest + n
}

// Drain returns what was counted, the most first, and begins anew.
func (c *Counter) Drain() []redis.Z {
	var all []redis.Z
	since := float64(time.Now().UnixMilli()) / float64(halfLife.Milliseconds())
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		counts := s.counts
		s.counts = make(map[string]uint32)
		s.mu.Unlock()
		for key, n := range counts {
			// Twice as many hits weigh as much as one half-life, so that nothing has to be
			// halved as time goes by.
			all = append(all, redis.Z{Member: c.redis.Name([]byte(key)), Score: since + math.Log2(float64(n))})
		}
	}
	slices.SortFunc(all, func(a, b redis.Z) int { return cmp.Compare(b.Score, a.Score) })
	return all[:min(len(all), c.keep)]
}

// Run tells Redis now and then, until the context ends.
func (c *Counter) Run(ctx context.Context) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.Report()
		case <-ctx.Done():
			c.Report()
			return
		}
	}
}

// Report tells Redis what was counted. What Redis does not take is lost: the next hits are counted anew.
func (c *Counter) Report() {
	top := c.Drain()
	if len(top) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), reportTimeout)
	defer cancel()
	_, _ = c.redis.Client.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.ZAddGT(ctx, c.redis.Set, top...)
		p.ZRemRangeByRank(ctx, c.redis.Set, 0, int64(-c.keep-1))
		p.Expire(ctx, c.redis.Set, keptFor)
		return nil
	})
}
