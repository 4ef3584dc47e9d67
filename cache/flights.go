package cache

import (
	"context"
	"hash/maphash"
	"sync"
)

const (
	flightShards = 64

	// maxFlightsPerShard bounds the memory that a flood of different keys can
	// take. Beyond it calls are led without being shared.
	maxFlightsPerShard = 1024
)

// Flights lets one caller per key compute an answer while others who want the
// same wait for it. The zero value is not ready; use NewFlights. It is safe
// for concurrent use.
//
//	leader, call := flights.Join(key)
//	if !leader {
//		if v, ok := call.Wait(ctx); ok { … check v, use it … }
//		// otherwise load without sharing
//	}
//	defer call.Done(nil, false) // so that a panic releases those who wait
//	v, err := load(ctx)
//	call.Done(v, err == nil)
type Flights struct {
	seed   maphash.Seed
	shards [flightShards]flightShard
}

type flightShard struct {
	mu    sync.Mutex
	calls map[string]*Call
}

// Call is one computation in flight.
type Call struct {
	shard *flightShard // nil when the call is not shared
	key   string
	done  chan struct{}
	once  sync.Once
	value any
	ok    bool
}

// NewFlights returns an empty set of flights.
func NewFlights() *Flights {
	f := &Flights{seed: maphash.MakeSeed()}
	for i := range f.shards {
		f.shards[i].calls = make(map[string]*Call)
	}
	return f
}

// Join enters the flight for key. The first to come leads: it computes the
// answer and must call Done, whatever happens. The others may Wait.
//
// When too many keys are in flight, Join returns a call that nobody else can
// join, with leader true.
func (f *Flights) Join(key []byte) (leader bool, call *Call) {
	s := &f.shards[maphash.Bytes(f.seed, key)%flightShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.calls[string(key)]; ok {
		return false, c
	}
	if len(s.calls) >= maxFlightsPerShard {
		return true, &Call{done: make(chan struct{})}
	}
	c := &Call{shard: s, key: string(key), done: make(chan struct{})}
	s.calls[c.key] = c
	return true, c
}

// Done ends the flight. With ok, value is handed to all who wait, and must
// not be changed any more; without, they are told that there is no answer and
// go their own ways. Who joins later starts anew. Only the first Done of
// a call counts, so that it can be deferred against panics. It must be called by the
// leader only.
func (c *Call) Done(value any, ok bool) {
	c.once.Do(func() {
		if c.shard != nil {
			c.shard.mu.Lock()
			delete(c.shard.calls, c.key)
			c.shard.mu.Unlock()
		}
		c.value, c.ok = value, ok
		close(c.done)
	})
}

// Wait waits until the leader is done or ctx ends. It returns ok false when
// ctx ended or the leader had no answer to give. That one caller
// leaves does not touch the leader or the others.
//
// The answer may have been computed before this caller joined; whether it is
// still good is the caller's to check.
func (c *Call) Wait(ctx context.Context) (value any, ok bool) {
	select {
	case <-c.done:
		return c.value, c.ok
	default:
	}
	select {
	case <-c.done:
		return c.value, c.ok
	case <-ctx.Done():
		return nil, false
	}
}
