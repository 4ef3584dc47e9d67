package demo

import (
	"sync"
	"time"

	"github.com/mlcache/mlcache/cmd/mlcache/internal/shop"
)

// sighting sums up all reads of one question that gave one answer. For the
// judgement the two extremes say as much as every single read would: each answer
// is right in one stretch of time.
type sighting struct {
	answer      shop.Answer
	latestStart moment
	earliestEnd moment
	reads       uint64
}

// sightings are all answers that one process got through the cache.
type sightings struct {
	mu  sync.Mutex
	all map[shop.Question][]sighting
}

func newSightings() *sightings { return &sightings{all: map[shop.Question][]sighting{}} }

func (s *sightings) add(q shop.Question, answer shop.Answer, start, end moment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.all[q]
	for i := range of {
		if of[i].answer == answer {
			of[i].latestStart = max(of[i].latestStart, start)
			of[i].earliestEnd = min(of[i].earliestEnd, end)
			of[i].reads++
			return
		}
	}
	s.all[q] = append(of, sighting{answer: answer, latestStart: start, earliestEnd: end, reads: 1})
}

func (s *sightings) questions() []shop.Question {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]shop.Question, 0, len(s.all))
	for q := range s.all {
		list = append(list, q)
	}
	return list
}

// of returns the answers to q. The caller must not change them, nor call it while
// reads go on.
func (s *sightings) of(q shop.Question) []sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[q]
}

// verdict on an answer.
type verdict string

const (
	right    verdict = ""
	unknown  verdict = "the database never gave this answer"
	tooOld   verdict = "older than the bound allows"
	tooEarly verdict = "seen before the change was made"
)

// judge compares what a process saw with what was right when. age is how long
// after its end an answer was still given, at most; negative if it was not.
func judge(seen sighting, versions []Version, process int, bound time.Duration) (v verdict, age time.Duration) {
	v = unknown
	for _, w := range versions {
		if w.Answer != seen.answer {
			continue
		}
		limit := time.Duration(0)
		if w.EndedBy != process {
			limit = bound
		}
		age = -1
		if w.Until != 0 {
			age = time.Duration(seen.latestStart - w.Until)
		}
		switch {
		case age > limit:
			v = tooOld
		case seen.earliestEnd < w.From:
			v = tooEarly
		default:
			return right, age
		}
	}
	return v, age
}
