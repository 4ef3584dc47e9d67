package monotonic

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/invalidation"
)

// neverAsked are versions of a process that has a Redis and has not asked it yet, so that nothing is settled.
func neverAsked(t testing.TB) *Reads {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	v, err := invalidation.Open(invalidation.Config{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close(); client.Close() })
	return New(v, false)
}

// oneMemory holds one answer, or none.
type oneMemory struct{ sum uint64 }

func (m *oneMemory) give(a *Read, sum uint64) bool {
	return a.Give(sum, func() { m.sum = sum }, func(everywhere bool) {
		if everywhere {
			m.sum = 0
		}
	})
}

// Of two answers that were found at the same time nobody knows which is newer, so that memory has neither;
// unless they are the same. One that was looked for after the other had been given is the newer one.
func TestAnswersAreKeptInTheirOrder(t *testing.T) {
	t.Parallel()
	l, m, key := neverAsked(t), &oneMemory{}, uint64(7)
	first := l.Begin(key)
	if !m.give(&first, 1) || m.sum != 1 {
		t.Error("the first answer is not kept")
	}
	early, late := l.Begin(key), l.Begin(key)
	if !m.give(&late, 2) || m.sum != 2 {
		t.Error("a newer answer is not kept")
	}
	if m.give(&early, 1) || m.sum != 0 {
		t.Error("an answer was kept, or left, that may be older than one that was given")
	}
	after := l.Begin(key)
	if after.Agrees(2) || after.Agrees(1) {
		t.Error("an answer of Redis passes, of which nobody knows how old it is")
	}
	if !m.give(&after, 2) || m.sum != 2 {
		t.Error("an answer that was looked for later is not kept")
	}
	again := l.Begin(key)
	if !again.Agrees(2) || again.Agrees(3) {
		t.Error("an answer of Redis counts as another than it is")
	}
	same, other := l.Begin(key), l.Begin(key)
	if !m.give(&same, 2) || !m.give(&other, 2) || m.sum != 2 {
		t.Error("one answer found twice is not kept")
	}
	passed := l.Begin(key)
	if m.give(&passed, 0) || m.sum != 0 {
		t.Error("after an answer that cannot be kept memory has an older one")
	}
	last := l.Begin(key)
	last.Confirm(7)
	if !last.Agrees(7) {
		t.Error("what Redis has confirmed does not pass")
	}
	for _, a := range []*Read{&first, &early, &late, &after, &again, &same, &other, &passed, &last} {
		a.End()
	}
}

// hashOf is the hash of one question's key.
func hashOf(n int) uint64 { return xxhash.Sum64String(strconv.Itoa(n)) }

// What is remembered is bounded whatever is asked; what had to be forgotten counts as anything.
func TestWhatIsRememberedOfQuestionsIsBounded(t *testing.T) {
	t.Parallel()
	l, m := neverAsked(t), &oneMemory{}
	const questions = 3 * shardCount * shardSize
	for n := range questions {
		a := l.Begin(hashOf(n))
		m.give(&a, 1)
		a.End()
	}
	remembered := 0
	for i := range l.shards {
		remembered += len(l.shards[i].of)
	}
	if remembered > shardCount*shardSize {
		t.Errorf("%d questions are remembered", remembered)
	}
	for n := range 100 {
		a := l.Begin(hashOf(n))
		if a.Agrees(2) {
			t.Fatalf("question %d was forgotten, and any answer passes", n)
		}
		a.End()
	}
	v, err := invalidation.Open(invalidation.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	alone := &Reads{versions: v, alone: true}
	for n := range 100 {
		a := alone.Begin(hashOf(n))
		m.give(&a, 1)
		a.End()
	}
	for i := range alone.shards {
		if len(alone.shards[i].of) > 0 {
			t.Fatal("without a Redis a question is remembered that nobody asks")
		}
	}
}

// Many readers who find answers of a growing number beside each other, in memory, in a Redis that has any of them, and
// at the origin, never see it shrink. The readers are told that Redis has not confirmed anything.
func TestNobodyGoesBackWhateverTheOrder(t *testing.T) {
	t.Parallel()
	l, key := neverAsked(t), uint64(7)
	var origin, shared, seen atomic.Uint64
	var memory struct {
		sync.Mutex
		sum uint64
	}
	origin.Store(1)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	var readers sync.WaitGroup
	readers.Go(func() {
		for ctx.Err() == nil {
			origin.Add(1)
			time.Sleep(50 * time.Microsecond)
		}
	})
	for g := range 8 {
		readers.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(g)))
			pause := func() { time.Sleep(time.Duration(random.IntN(100)) * time.Microsecond) }
			read := func() uint64 {
				memory.Lock()
				sum := memory.sum
				memory.Unlock()
				if sum != 0 && random.IntN(4) > 0 { // it can be evicted
					return sum
				}
				a := l.Begin(key)
				defer a.End()
				keep := func(sum uint64) uint64 {
					a.Give(sum, func() { memory.Lock(); memory.sum = sum; memory.Unlock() }, func(everywhere bool) {
						if everywhere {
							memory.Lock()
							memory.sum = 0
							memory.Unlock()
						}
					})
					return sum
				}
				if sum := shared.Load(); sum != 0 && random.IntN(2) == 0 {
					pause()
					if a.Agrees(sum) {
						return keep(sum)
					}
				}
				sum = origin.Load()
				pause()
				keep(sum)
				pause()
				shared.Store(sum)
				return sum
			}
			for ctx.Err() == nil {
				before := seen.Load()
				got := read()
				if got < before {
					t.Errorf("%d after %d", got, before)
					cancel()
				}
				for old := seen.Load(); old < got && !seen.CompareAndSwap(old, got); old = seen.Load() {
				}
			}
		})
	}
	readers.Wait()
}
