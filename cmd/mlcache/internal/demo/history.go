package demo

import (
	"context"

	"github.com/mlcache/mlcache/cmd/mlcache/internal/shop"
)

// Version is one answer of the database to one question and the time in which it
// was the right one.
type Version struct {
	Answer shop.Answer
	// From is when the change that led to it was sent: it may be seen from then
	// on. Zero means from the beginning.
	From moment
	// Until is when the change that ended it had returned: nobody need see it any
	// longer. Zero means it is still right.
	Until moment
	// EndedBy is the process that made that change.
	EndedBy int
}

// Past is the history of one question.
type Past struct {
	Question shop.Question
	Versions []Version
}

// history holds the answers that changed, as a connection beside the cache saw
// them. Questions that no change affects are not in it. Changes must come one at
// a time.
type history struct {
	direct *shop.Asker
	pasts  map[shop.Question]*Past
}

func newHistory(direct *shop.Asker) *history {
	return &history{direct: direct, pasts: map[shop.Question]*Past{}}
}

// Span is when a change was sent and when it had returned.
type Span struct{ Sent, Acked moment }

// change makes a change by calling apply in the given process, and records what
// the affected answers were before and are after it.
func (h *history) change(ctx context.Context, c shop.Change, process int, apply func(shop.Change) (Span, error)) (Span, error) {
	affected, err := h.direct.Affected(ctx, c)
	if err != nil {
		return Span{}, err
	}
	for _, q := range affected {
		if h.pasts[q] != nil {
			continue
		}
		answer, _, err := h.direct.Ask(ctx, q)
		if err != nil {
			return Span{}, err
		}
		h.pasts[q] = &Past{Question: q, Versions: []Version{{Answer: answer}}}
	}
	s, err := apply(c)
	if err != nil {
		return Span{}, err
	}
	for _, q := range affected {
		answer, _, err := h.direct.Ask(ctx, q)
		if err != nil {
			return Span{}, err
		}
		h.pasts[q].add(answer, s, process)
	}
	return s, nil
}

func (p *Past) add(answer shop.Answer, s Span, process int) {
	last := &p.Versions[len(p.Versions)-1]
	if last.Answer == answer {
		return
	}
	last.Until, last.EndedBy = s.Acked, process
	p.Versions = append(p.Versions, Version{Answer: answer, From: s.Sent})
}

func (h *history) list() []Past {
	all := make([]Past, 0, len(h.pasts))
	for _, p := range h.pasts {
		all = append(all, *p)
	}
	return all
}
