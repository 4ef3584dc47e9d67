package invalidation

import (
	"slices"
	"time"
)

// Writers of one process that change the same scopes at the same time need one fence in Redis, not one each: it stands from
// before the first of their changes can become visible until the last of them has been released. So a fence that is up
// hosts others. A release in between makes new versions, as every release does, and leaves the fence where it is. The
// fence of a process that dies ends by its lease, and everything read meanwhile was read fenced.

// maxJoined is how many scopes a fence may have that is looked for among those that are up.
const maxJoined = manyCells

// join makes an open fence of the same scopes stand for f as well, if there is one on which f can rely as on its own.
func (f *Fence) join(scopes []string) bool {
	v := f.v
	if v.client == nil || len(scopes) == 0 || len(scopes) > maxJoined {
		return false
	}
	v.mu.Lock()
	h := v.hosts[scopes[0]]
	v.mu.Unlock()
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	same := slices.EqualFunc(h.cells, scopes, func(c *Cell, s string) bool { return c.Scope() == s })
	if !same || h.all || h.failed || f.wait && h.leased.IsZero() || !h.standsFor(f.wait) {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if h.users == 0 || v.hosts[scopes[0]] != h || v.closed || (f.holder == "") != (h.holder == "") {
		return false
	}
	// Redis must know of all who can carry out what is behind the fence. Who is new tells it with a fence of his own.
	if f.holder != "" && (!v.holders.toldOf(f.holder, f.wait) || f.wait && !v.holders.toldOf(h.holder, true)) {
		return false
	}
	if f.holder != "" {
		v.holders.need(f.holder, false)
		f.needs = true
	}
	h.users++
	f.host = h
	for _, c := range h.cells {
		c.hold()
		f.add(c.Scope(), c)
	}
	f.countInRow()
	return true
}

// offer lets others join f, whose command is with Redis, or in the operating system's hands.
func (f *Fence) offer() {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.v
	if f.all || f.released || len(f.cells) > maxJoined || len(f.cells) == 0 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.hosts == nil {
		v.hosts = map[string]*Fence{}
	}
	v.hosts[f.cells[0].Scope()] = f
}

func (f *Fence) offerUnless(err error) error {
	if err == nil {
		f.offer()
	}
	return err
}

// alone reports whether f stands for itself and for nobody else, and sees to it that nobody joins it any more.
func (f *Fence) alone() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.v
	v.mu.Lock()
	defer v.mu.Unlock()
	if f.host != nil || f.users > 1 {
		return false
	}
	f.withdraw()
	return true
}

// withdraw is called with f.mu and Versions.mu held.
func (f *Fence) withdraw() {
	if len(f.cells) > 0 && f.v.hosts[f.cells[0].Scope()] == f {
		delete(f.v.hosts, f.cells[0].Scope())
	}
}

// leave ends what f needed of the fence that stands for it, and returns the ids that its release ends, none while others
// need that fence, and the outcome to end them with: if that of any of them is unknown, the fence stays for a lease. stays says that f
// has not left yet, since the fence is that of a burst: passed is called when the release is through.
func (f *Fence) leave(outcome Outcome) (ids []string, _ Outcome, stays bool) {
	v, h := f.v, f.standing()
	h.mu.Lock()
	v.mu.Lock()
	if f.needs {
		f.needs = false
		v.holders.leave(f.holder, time.Now())
	}
	h.unknown = h.unknown || outcome == Unknown
	if h.users == 1 && !f.wait {
		h.beginBurst(outcome)
	}
	if h.burst {
		v.mu.Unlock()
		h.mu.Unlock()
		return nil, outcome, true
	}
	left := h.part()
	v.mu.Unlock()
	h.mu.Unlock()
	if left.last {
		h.renewals.Wait() // one could set the fence again
		if left.unknown {
			outcome = Unknown
		}
	}
	return left.ids, outcome, false
}

// parting is what is left to do for who has left a fence in Redis.
type parting struct {
	f       *Fence
	last    bool // nobody needs it any more
	ids     []string
	unknown bool // what became of one of those who needed it
}

// part ends what one user needed of f. Called with f.mu and Versions.mu held.
func (f *Fence) part() parting {
	last := f.users == 1
	f.users = max(f.users-1, 0) // it was 0 without Redis, and without scopes
	p := parting{f: f, last: last, unknown: f.unknown}
	if last {
		f.ended = true
		f.withdraw()
		delete(f.v.fences, f)
		p.ids = []string{f.id}
		if f.holder != "" && f.v.client != nil {
			f.v.leaving[f.id] = time.Now()
		}
		if f.pending > 0 || f.failed {
			// The release may come to Redis before the fence's command does. It need not wait for it: what it leaves in Redis
			// makes the late command do nothing.
			p.ids[0] = overtaking + f.id
		}
	}
	return p
}
