package mlcache

import (
	"time"

	"github.com/mlcache/mlcache/internal/policy"
)

// steering is what a statement's hint and the rules of its tables say. It never
// changes once made.
type steering struct {
	rules *ruleSet // from which it was made
	off   bool
	ttl   time.Duration // zero for none
	late  policy.Staleness
}

// steering returns the plan's under the rules of now.
func (e *engine) steering(p *plan) *steering {
	rules := e.rules.now.Load()
	if s := p.steering.Load(); s != nil && s.rules == rules {
		return s
	}
	s := e.steer(p, rules)
	p.steering.Store(s)
	return s
}

func (e *engine) steer(p *plan, set *ruleSet) *steering {
	hint := p.info.Hint
	s := &steering{rules: set, ttl: hint.TTL}
	// The smallest of all tables: what one of them does not allow none does.
	var late policy.Staleness
	first := true
	for _, cell := range p.cells[1:] {
		var r Rule
		if found := set.of(cell.Scope()); found != nil {
			r = *found
		}
		s.off = s.off || r.Off
		s.ttl = policy.Shorter(s.ttl, r.TTL)
		if first {
			first = false
			late = r.staleness()
		} else {
			late = late.Least(r.staleness())
		}
	}
	s.late = policy.Staleness{Stale: hint.Stale, OnError: hint.StaleIfError, Early: hint.EarlyRefresh}.Merge(late)
	return s
}

// lateness is what holds for a query: its caller's word before the hint's, and that
// before the rules'. Strict promises more than any of it allows.
func (e *engine) lateness(s *steering, opts *options) policy.Staleness {
	if s.late == (policy.Staleness{}) && opts.late == (policy.Staleness{}) || e.l1 == nil || e.cfg.Consistency == Strict && e.l2 != nil {
		return policy.Staleness{}
	}
	return opts.late.Merge(s.late).OrZero()
}

func (r *Rule) staleness() policy.Staleness {
	return policy.Staleness{Stale: r.Stale, OnError: r.StaleIfError, Early: r.EarlyRefresh}
}
