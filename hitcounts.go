package mlcache

// hitCounts are a connection's hits that it has not told the plans of yet: a hit
// must not write to what other connections read.
type hitCounts [hitSlots]struct {
	plan  *plan
	hits  uint32
	batch uint32 // so many are told at once
}

const (
	hitSlots = 8
	tellHits = 16
)

// hit counts one, and returns how many the caller shall tell the plan of: mostly 0.
// The first statements of a connection are told of sooner, so that those who look at
// the counts of a quiet program see something.
func (h *hitCounts) hit(p *plan) (tell uint32) {
	s := &h[p.digest[0]%hitSlots]
	if s.plan != p {
		s.batch = tellHits
		if s.plan == nil {
			s.batch = 1
		} else if s.hits > 0 {
			s.plan.told(s.hits)
		}
		s.plan, s.hits = p, 0
	}
	if s.hits++; s.hits < s.batch {
		return 0
	}
	tell = s.hits
	s.hits, s.batch = 0, min(2*s.batch, tellHits)
	return tell
}

// tell tells the plan of its hits.
func (h *hitCounts) tell(p *plan) {
	if s := &h[p.digest[0]%hitSlots]; s.plan == p && s.hits > 0 {
		p.told(s.hits)
		s.hits = 0
	}
}
