package mlcache

import "time"

// lateness says how long answers may be used beyond their bound, and how long
// before their end they are renewed. In options and hints zero stands for "not
// said", and negative for "none".
type lateness struct{ stale, onError, early time.Duration }

// or fills in what is not said.
func (l lateness) or(other lateness) lateness {
	for _, d := range []struct{ to, from *time.Duration }{
		{&l.stale, &other.stale}, {&l.onError, &other.onError}, {&l.early, &other.early},
	} {
		if *d.to == 0 {
			*d.to = *d.from
		}
	}
	return l
}

// said is without "none".
func (l lateness) said() lateness {
	return lateness{max(l.stale, 0), max(l.onError, 0), max(l.early, 0)}
}

// keep is how much longer than until its end an entry is of use in memory.
func (l lateness) keep() time.Duration { return max(l.stale, l.onError) }

// steering is what a statement's hint and the rules of its tables say. It never
// changes once made.
type steering struct {
	rules *ruleSet // from which it was made
	off   bool
	ttl   time.Duration // zero for none
	late  lateness
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
	var late lateness
	first := true
	for _, cell := range p.cells[1:] {
		var r Rule
		if found := set.of(cell.Scope()); found != nil {
			r = *found
		}
		s.off = s.off || r.Off
		s.ttl = shorter(s.ttl, r.TTL)
		if first {
			first = false
			late = lateness{r.Stale, r.StaleIfError, r.EarlyRefresh}
		} else {
			late = lateness{min(late.stale, r.Stale), min(late.onError, r.StaleIfError), min(late.early, r.EarlyRefresh)}
		}
	}
	s.late = lateness{hint.Stale, hint.StaleIfError, hint.EarlyRefresh}.or(late)
	return s
}

// shorter is the smaller of two times to live, of which zero is none.
func shorter(a, b time.Duration) time.Duration {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}

// lateness is what holds for a query: its caller's word before the hint's, and that
// before the rules'. Strict promises more than any of it allows.
func (e *engine) lateness(s *steering, opts *options) lateness {
	if s.late == (lateness{}) && opts.late == (lateness{}) || e.l1 == nil || e.cfg.Consistency == Strict && e.l2 != nil {
		return lateness{}
	}
	return opts.late.or(s.late).said()
}
