package mlcache

import (
	"hash/maphash"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/mlcache/mlcache/internal/memsize"
	"github.com/mlcache/mlcache/invalidation"
)

// planCache shares plans between the connections of one Connector. Each
// connection has a small map of its own in front of it, so its locks are off the
// path of a repeated statement.
//
// Whoever can choose texts chooses how much there is to remember of them. So all
// that is kept by text is bounded by the bytes that it really takes.
type planCache struct {
	seed    maphash.Seed
	shards  [planShards]planShard
	dropped atomic.Uint64 // counts how often plans had to go for others
}

const (
	planShards = 16
	// maxShardBytes bounds what the plans of a shard take, with their texts. All shards
	// together stay under 32 MiB.
	maxShardBytes = 2 << 20
	// A longer text, or one with a larger plan, is planned anew each time.
	maxSharedText = 64 << 10
	maxPlanSize   = maxShardBytes / 4

	// A connection's own map: plans, and the bytes that these take. Nearly all of them are the
	// shared ones: see keepPlan.
	maxConnPlans = 512
	maxConnBytes = 1 << 20

	// planOverhead is what a place in the maps takes, of all that plans are in.
	planOverhead = 256
	// cellSize is about what a version costs that only one plan refers to.
	cellSize = 300
)

type planShard struct {
	mu    sync.Mutex
	plans map[planKey]sharedPlan
	bytes int
}

// sharedPlan is a plan with the bytes that it counts for.
type sharedPlan struct {
	*plan
	counted int
}

// planKey: plans differ by text, by how names resolve (session.names, zero for
// unknown) and by the state of the schema.
type planKey struct {
	text   string
	names  [16]byte
	schema *schemaState
}

// planHome is where a plan is shared.
type planHome struct {
	cache *planCache
	shard *planShard
	key   planKey
}

func newPlanCache() *planCache { return &planCache{seed: maphash.MakeSeed()} }

func (pc *planCache) get(k planKey, make func() *plan) *plan {
	if len(k.text) > maxSharedText {
		return make()
	}
	s := &pc.shards[maphash.String(pc.seed, k.text)%planShards]
	s.mu.Lock()
	p := s.plans[k].plan
	s.mu.Unlock()
	if p != nil {
		return p
	}
	p = make()
	p.measure(k.text)
	if p.size.Load() <= maxPlanSize {
		p.home.Store(&planHome{pc, s, k})
		s.count(pc, k, p, true)
	}
	return p
}

// count counts what a plan takes by now, if it is kept here, or is to be.
func (s *planShard) count(pc *planCache, k planKey, p *plan, put bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.plans[k]
	if !put && old.plan != p {
		return
	}
	if s.plans == nil {
		s.plans = make(map[planKey]sharedPlan)
	}
	if ok {
		s.bytes -= old.counted
	}
	size := int(p.size.Load())
	s.plans[k] = sharedPlan{p, size}
	if s.bytes += size; s.bytes <= maxShardBytes {
		return
	}
	// About half of a full shard goes, at random: which texts come back is not known, and one that
	// does costs a few microseconds.
	pc.dropped.Add(1)
	for key, other := range s.plans {
		if other.plan == p {
			continue
		}
		delete(s.plans, key)
		if s.bytes -= other.counted; s.bytes <= maxShardBytes/2 {
			break
		}
	}
}

// keepOnly lets go of the plans of all other states of the schema: nobody asks for them
// again, and each holds the whole state.
func (pc *planCache) keepOnly(schema *schemaState) {
	for i := range pc.shards {
		s := &pc.shards[i]
		s.mu.Lock()
		for key, p := range s.plans {
			if key.schema != schema {
				delete(s.plans, key)
				s.bytes -= p.counted
			}
		}
		s.mu.Unlock()
	}
}

// notThePlans are what plans refer to and do not hold.
var notThePlans = map[reflect.Type]int{
	reflect.TypeFor[*schemaState]():       0,
	reflect.TypeFor[*invalidation.Cell](): cellSize,
}

// measure notes what a new plan takes.
func (p *plan) measure(text string) {
	p.size.Store(int64(planOverhead + len(text) + memsize.Of(p, notThePlans)))
}

// grow notes that the plan takes so many bytes more than before.
func (p *plan) grow(n int) {
	p.size.Add(int64(n))
	if h := p.home.Load(); h != nil {
		h.shard.count(h.cache, h.key, p, false)
	}
}
