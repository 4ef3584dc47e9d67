package mlcache

import (
	"hash/maphash"
	"sync"
)

// planCache shares plans between the connections of one Connector. Each
// connection has a small map of its own in front of it, so its locks are off the
// path of a repeated statement.
type planCache struct {
	seed   maphash.Seed
	shards [planShards]planShard
}

const (
	planShards = 16
	// maxShardText bounds the texts that a shard keeps alive, in bytes; a plan's
	// own size is counted as planOverhead. All shards together stay under 32 MiB.
	maxShardText = 2 << 20
	planOverhead = 1 << 10
	// A longer text is planned anew by each connection.
	maxSharedText = 64 << 10

	// A connection's own map: plans and bytes of text.
	maxConnPlans = 512
	maxConnText  = 256 << 10
)

type planShard struct {
	mu    sync.Mutex
	plans map[planKey]*plan
	bytes int
}

// planKey: plans differ by text, by how names resolve (session.names, zero for
// unknown) and by the state of the schema.
type planKey struct {
	text   string
	names  [16]byte
	schema *schemaState
}

func newPlanCache() *planCache { return &planCache{seed: maphash.MakeSeed()} }

func (pc *planCache) get(k planKey, make func() *plan) *plan {
	if len(k.text) > maxSharedText {
		return make()
	}
	s := &pc.shards[maphash.String(pc.seed, k.text)%planShards]
	s.mu.Lock()
	p := s.plans[k]
	s.mu.Unlock()
	if p != nil {
		return p
	}
	p = make()
	s.put(k, p)
	return p
}

// put drops about half of a full shard, at random: which texts come back is not
// known, and one that does costs a few microseconds.
func (s *planShard) put(k planKey, p *plan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.plans == nil {
		s.plans = make(map[planKey]*plan)
	}
	size := len(k.text) + planOverhead
	if s.bytes+size > maxShardText {
		for old := range s.plans {
			delete(s.plans, old)
			if s.bytes -= len(old.text) + planOverhead; s.bytes <= maxShardText/2 {
				break
			}
		}
	}
	if _, ok := s.plans[k]; !ok {
		s.bytes += size
	}
	s.plans[k] = p
}
