package mlcache

import (
	"cmp"
	"context"
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// heat counts which answers are asked for most, for the next start. It is told of
// batches of hits only, and forgets rather than waits: these are estimates. What is
// kept is bounded, by the way of Space-Saving (Metwally, Agrawal and El Abbadi,
// "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005), with
// the least of a few instead of the least of all.
type heat struct {
	engine *engine
	keep   int
	seed   maphash.Seed
	shards [heatShards]heatShard
}

type heatShard struct {
	mu     sync.Mutex
	counts map[string]uint32
}

const (
	heatShards = 16
	// heatKey bounds the keys that are counted, in bytes: all of them together take
	// no more than so much for each that is kept.
	heatKey = 512
	// heatLook is among how many the least is looked for.
	heatLook = 8
	// heatEvery is how often Redis is told.
	heatEvery   = 30 * time.Second
	heatTimeout = time.Second
	// A hit of ten minutes ago counts half of one of now. Only this much is kept in
	// Redis after the last word of any process.
	heatHalf = 10 * time.Minute
	heatLife = 24 * time.Hour
)

func newHeat(e *engine) *heat {
	h := &heat{engine: e, keep: e.cfg.WarmKeys, seed: maphash.MakeSeed()}
	for i := range h.shards {
		h.shards[i].counts = make(map[string]uint32)
	}
	return h
}

// note counts n hits. A nil heat counts nothing.
func (h *heat) note(key []byte, n uint32) {
	if h == nil || len(key) > heatKey {
		return
	}
	s := &h.shards[maphash.Bytes(h.seed, key)%heatShards]
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	if count, ok := s.counts[string(key)]; ok || len(s.counts) < max(h.keep/heatShards*2, heatLook) {
		s.counts[string(key)] = count + n
		return
	}
	least, count, looked := "", uint32(math.MaxUint32), 0
	for k, c := range s.counts { // begins anywhere
		if c < count {
			least, count = k, c
		}
		if looked++; looked == heatLook {
			break
		}
	}
	delete(s.counts, least)
	s.counts[string(key)] = count + n
}

// take returns what was counted, the most first, and begins anew.
func (h *heat) take() []redis.Z {
	var all []redis.Z
	since := float64(time.Now().UnixMilli()) / float64(heatHalf.Milliseconds())
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.Lock()
		counts := s.counts
		s.counts = make(map[string]uint32)
		s.mu.Unlock()
		for key, n := range counts {
			// Twice as many hits weigh as much as one half-life, so that nothing has to be
			// halved as time goes by.
			all = append(all, redis.Z{Member: h.engine.hotName([]byte(key)), Score: since + math.Log2(float64(n))})
		}
	}
	slices.SortFunc(all, func(a, b redis.Z) int { return cmp.Compare(b.Score, a.Score) })
	return all[:min(len(all), h.keep)]
}

// hotName is what Redis remembers of a key: the hash in its name, which shows nothing.
func (e *engine) hotName(key []byte) string {
	name := e.l2.Name(key)
	return name[strings.LastIndexByte(name, ':')+1:]
}

// hotKey is the key of the sorted set of a namespace.
func (e *engine) hotKey() string { return e.cfg.Namespace + ":r:hot" }

// run tells Redis now and then, until the engine closes.
func (h *heat) run() {
	tick := time.NewTicker(heatEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			h.tell()
		case <-h.engine.background.Done():
			h.tell()
			return
		}
	}
}

func (h *heat) tell() {
	hot := h.take()
	if len(hot) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), heatTimeout)
	defer cancel()
	key := h.engine.hotKey()
	// What Redis is not told is told the next time that it is asked for.
	_, _ = h.engine.hub.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.ZAddGT(ctx, key, hot...)
		p.ZRemRangeByRank(ctx, key, 0, int64(-h.keep-1))
		p.Expire(ctx, key, heatLife)
		return nil
	})
}
