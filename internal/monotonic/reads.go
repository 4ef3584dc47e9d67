// Package monotonic keeps the reads of a process in order: nobody is given an older answer to a question than somebody was
// given before (monotonic reads: Terry et al., "Session Guarantees for Weakly Consistent Replicated Data", 1994).
package monotonic

import (
	"sync"
	"time"

	"github.com/mlcache/mlcache/invalidation"
)

// Reads sees to it that nobody answers a question with less than another answer to it has shown before.
//
// A database shows a change of another process a moment before this process hears of it. In that moment two answers under
// the same versions can differ, and only the order in which they were found tells which is the newer one. So of each
// question that Redis or the database has answered lately the last answer is remembered, by its sum; memory holds that one or none; and
// what comes from Redis and is another one is asked about first. When a question to Redis, sent after an answer was given, has
// found the versions unchanged, that answer is what everybody reads under them, and need not be remembered.
type Reads struct {
	versions *invalidation.Versions
	alone    bool
	shards   [shardCount]shard
}

// New makes one. alone says that there is no Redis, hence no other process.
func New(versions *invalidation.Versions, alone bool) *Reads {
	return &Reads{versions: versions, alone: alone}
}

const (
	shardCount = 64
	// shardSize is how many questions a shard remembers, beside those that are being answered.
	shardSize = 256
)

type shard struct {
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

// Read is one way to an answer, from before it is looked for until it has been given. The zero value is none.
type Read struct {
	reads    *Reads
	shard    *shard
	hash     uint64
	question *question
	turn     uint64 // of the question when the way began
}

// IsZero says whether it is none.
func (a *Read) IsZero() bool { return a.reads == nil }

// Turn is one number for all ways to answers to the question that begin while nobody has been given another one.
func (a *Read) Turn() uint64 { return a.turn }

// Begin begins to look for an answer to the question whose key has this hash. End must follow.
func (t *Reads) Begin(hash uint64) Read {
	s := &t.shards[hash%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.of[hash]
	if q == nil {
		if s.of == nil {
			s.of = make(map[uint64]*question)
		}
		if len(s.of) >= shardSize {
			t.sweep(s)
		}
		q = &question{}
		if !t.settled(s.forgotten) {
			q.end = s.forgotten // it may have been this one
		}
		s.of[hash] = q
	}
	q.askers++
	return Read{t, s, hash, q, q.turn}
}

// settled reports whether what was answered until then is what everybody reads under the versions of now.
func (t *Reads) settled(end time.Time) bool {
	return end.IsZero() || t.versions.CurrentSince(end)
}

// sweep makes room. Called with the shard's mu held.
func (t *Reads) sweep(s *shard) {
	for hash, q := range s.of {
		if q.askers == 0 && t.settled(q.end) {
			delete(s.of, hash)
		}
	}
	for hash, q := range s.of {
		if len(s.of) < shardSize*3/4 {
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

// End ends what Begin began.
func (a *Read) End() {
	a.shard.mu.Lock()
	defer a.shard.mu.Unlock()
	if a.question.askers--; a.question.askers == 0 && (a.reads.alone || a.question.end.IsZero()) && a.shard.of[a.hash] == a.question {
		delete(a.shard.of, a.hash)
	}
}

// Agrees reports whether an answer with this sum may be given after those that were given before.
func (a *Read) Agrees(sum uint64) bool {
	a.shard.mu.Lock()
	defer a.shard.mu.Unlock()
	return a.question.sum == sum || a.reads.settled(a.question.end)
}

// Confirm says that an answer with this sum is the one of now, since Redis was asked after the last one was given.
func (a *Read) Confirm(sum uint64) {
	a.shard.mu.Lock()
	defer a.shard.mu.Unlock()
	if a.question.turn == a.turn {
		a.question.sum = sum
	}
}

// Give notes that an answer with this sum is given, and before anybody else can give one it runs keep, which replaces what
// memory has in the place of who asks, and drop, which takes out what memory has elsewhere, or everywhere. It reports
// whether the answer is to be kept: not if another one was given while this one was being found, since nobody knows
// which is newer; and not if sum is 0, for an answer that cannot be kept.
func (a *Read) Give(sum uint64, keep func(), drop func(everywhere bool)) bool {
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
