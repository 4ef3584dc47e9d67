package mlcache

import (
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/mlcache/mlcache/invalidation"
)

// latest sees to it that no pool of a hub answers a question with less than another answer to it has shown before.
//
// A database shows a change of another process a moment before this process hears of it. In that moment two answers under
// the same versions can differ, and only the order in which they were found tells which is the newer one. So of each
// question that Redis or the database has answered lately the last answer is remembered, by its sum; memory holds that one or none; and
// what comes from Redis and is another one is asked about first. When a question to Redis, sent after an answer was given, has
// found the versions unchanged, that answer is what everybody reads under them, and need not be remembered.
type latest struct {
	versions *invalidation.Versions
	alone    bool // there is no Redis, hence no other process
	shards   [latestShards]latestShard
}

const (
	latestShards = 64
	// latestEach is how many questions a shard remembers, beside those that are being answered.
	latestEach = 256
)

type latestShard struct {
	mu sync.Mutex
	of map[uint64]*question
	// forgotten is when the newest was answered of those that were forgotten too early.
	forgotten time.Time
}

// question is one that is being answered, or was lately. Guarded by the shard's mu.
type question struct {
	askers int
	turn   uint64    // counts the answers that were others than the one before
	sum    uint64    // of the last answer; 0: not known
	end    time.Time // when it was given; zero: there was none
}

// asking is one way to an answer, from before it is looked for until it has been given.
type asking struct {
	latest   *latest
	shard    *latestShard
	hash     uint64
	question *question
	turn     uint64 // of the question when the way began
}

// ask begins to look for an answer to the question that has this key. leave must follow.
func (t *latest) ask(key []byte) asking {
	hash := keyStamp(key)
	s := &t.shards[hash%latestShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.of[hash]
	if q == nil {
		if s.of == nil {
			s.of = make(map[uint64]*question)
		}
		if len(s.of) >= latestEach {
			t.sweep(s)
		}
		q = &question{}
		if !t.settled(s.forgotten) {
			q.end = s.forgotten // it may have been this one
		}
		s.of[hash] = q
	}
	q.askers++
	return asking{t, s, hash, q, q.turn}
}

// settled reports whether what was answered until then is what everybody reads under the versions of now.
func (t *latest) settled(end time.Time) bool {
	return end.IsZero() || t.versions.CurrentSince(end)
}

// sweep makes room. Called with the shard's mu held.
func (t *latest) sweep(s *latestShard) {
	for hash, q := range s.of {
		if q.askers == 0 && t.settled(q.end) {
			delete(s.of, hash)
		}
	}
	for hash, q := range s.of {
		if len(s.of) < latestEach*3/4 {
			return
		}
		if q.askers == 0 {
			delete(s.of, hash)
			if q.end.After(s.forgotten) {
				s.forgotten = q.end
			}
		}
	}
}

// leave ends what ask began.
func (a *asking) leave() {
	a.shard.mu.Lock()
	defer a.shard.mu.Unlock()
	if a.question.askers--; a.question.askers == 0 && (a.latest.alone || a.question.end.IsZero()) && a.shard.of[a.hash] == a.question {
		delete(a.shard.of, a.hash)
	}
}

// agrees reports whether an answer with this sum may be given after those that were given before.
func (a *asking) agrees(sum uint64) bool {
	a.shard.mu.Lock()
	defer a.shard.mu.Unlock()
	return a.question.sum == sum || a.latest.settled(a.question.end)
}

// confirm says that an answer with this sum is the one of now, since Redis was asked after the last one was given.
func (a *asking) confirm(sum uint64) {
	a.shard.mu.Lock()
	defer a.shard.mu.Unlock()
	if a.question.turn == a.turn {
		a.question.sum = sum
	}
}

// give notes that an answer with this sum is given, and before anybody else can give one it runs keep, which replaces what
// memory has in the place of who asks, and drop, which takes out what memory has elsewhere, or everywhere. It reports
// whether the answer is to be kept: not if another one was given while this one was being found, since nobody knows
// which is newer; and not if sum is 0, for an answer that cannot be kept.
func (a *asking) give(sum uint64, keep func(), drop func(everywhere bool)) bool {
	a.shard.mu.Lock()
	defer a.shard.mu.Unlock()
	q := a.question
	q.end = time.Now()
	ordered := sum != 0 && (q.sum == sum || q.turn == a.turn)
	switch {
	case !ordered:
		q.turn++
		q.sum = 0
		drop(true)
	case q.sum != sum:
		q.turn++
		q.sum = sum
		drop(false)
	}
	a.turn = q.turn
	if ordered {
		keep()
	}
	return ordered
}

// sumOf is the sum of an answer, never zero.
func sumOf(payload []byte) uint64 { return max(xxhash.Sum64(payload), 1) }
