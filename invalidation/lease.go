package invalidation

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// Valid reports whether Redis is known to hold the whole fence still: it answered, and the lease has not run out since.
func (f *Fence) Valid() bool {
	if f.v.client == nil {
		return true
	}
	for _, m := range f.added() {
		if !m.Valid() {
			return false
		}
	}
	h := f.standing()
	h.mu.Lock()
	defer h.mu.Unlock()
	empty := len(h.cells) == 0 && !h.all
	return empty || h.pending == 0 && !h.failed && time.Since(h.leased) < h.v.cfg.FenceLease
}

// standing is the fence that stands in Redis for f.
func (f *Fence) standing() *Fence {
	if f.host != nil {
		return f.host
	}
	return f
}

func (f *Fence) added() []*Fence {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.more
}

// Ensure makes sure that the fence stands for half of its lease more, and is called just before the change is made
// visible: a process can have been stopped for any time since Fence returned, and nobody renews the leases of a stopped
// process. It looks at the clock only, unless half of the lease has gone or a command has failed; then it asks Redis, which sets the
// fence again, with new versions, if it had ended. An error says that Redis did not answer, or too late again and again.
//
// What it cannot exclude is a stop between its return and the moment at which the database has the COMMIT. If that stop lasts longer
// than half of the lease, the change becomes visible while nothing fences it, and only the Release, or a new version by
// anybody, makes it known.
func (f *Fence) Ensure(ctx context.Context) error {
	for _, m := range f.added() {
		if err := m.Ensure(ctx); err != nil {
			return err
		}
	}
	for range ensureTries {
		if f.stands() {
			return nil
		}
		if err := f.v.renewSome(ctx, []*Fence{f.standing()}, true); err != nil {
			return err
		}
	}
	if f.stands() {
		return nil
	}
	return errLapsed
}

// ensureTries is how often Ensure asks: an answer that took half a lease proves nothing.
const ensureTries = 3

var errLapsed = errors.New("mlcache: invalidation: a fence's lease ends faster than it is renewed")

// stands reports whether half of the fence's lease is left by this process's clocks: the monotonic one may stand still
// while the machine sleeps. A fence that was not to be waited for counts from when its command was sent.
func (f *Fence) stands() bool {
	if f.v.client == nil {
		return true
	}
	h := f.standing()
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.standsFor(f.wait)
}

// standsFor is stands for a fence that f stands for, called with f.mu held. wait says that it was to be waited for.
func (f *Fence) standsFor(wait bool) bool {
	since := f.leased
	switch {
	case len(f.cells) == 0 && !f.all:
		return true
	case wait && (f.pending > 0 || f.failed):
		return false
	case since.IsZero():
		since = f.begun
	}
	now, half := time.Now(), f.v.cfg.FenceLease/2
	return now.Sub(since) < half && now.Round(0).Sub(since.Round(0)) < half
}

// renew extends the leases of open fences, of all or of those that are due, and sets again what Redis has lost.
func (v *Versions) renew(ctx context.Context, all bool) {
	v.mu.Lock()
	open := make([]*Fence, 0, len(v.fences))
	for f := range v.fences {
		open = append(open, f)
	}
	v.mu.Unlock()
	for len(open) > 0 {
		n := min(len(open), renewAtOnce)
		_ = v.renewSome(ctx, open[:n], all) // the next look tries again
		open = open[n:]
	}
}

// renewAtOnce is how many fences one command renews.
const renewAtOnce = 32

func (v *Versions) renewSome(ctx context.Context, fences []*Fence, all bool) error {
	sent := time.Now()
	var args []any
	var named []*Fence
	var taken []int
	var told uint64
	if v.cfg.Over != nil {
		v.mu.Lock()
		args, told = v.holders.registration(v.process, sent)
		v.mu.Unlock()
	}
	for _, f := range fences {
		f.mu.Lock()
		since := f.leased
		if since.IsZero() && f.pending > 0 { // its command is on its way, and a renewal must not overtake it
			since = f.begun
		}
		if !f.ended && (all || sent.Sub(since) >= v.cfg.FenceLease/3) {
			f.renewals.Add(1)
			named, taken = append(named, f), append(taken, f.taken)
			args = append(args, "renew", f.id, strconv.Itoa(len(f.cells)))
			for _, c := range f.cells {
				args = append(args, c.Scope())
			}
			if f.all {
				args = append(args, "renew", f.id, "*")
			}
		}
		f.mu.Unlock()
	}
	if named == nil {
		if told > 0 { // with the next fence, or renewal
			v.mu.Lock()
			v.holders.heard(told, false)
			v.mu.Unlock()
		}
		return nil
	}
	r, err := v.call(ctx, "renew", args...)
	if err == nil {
		v.notice(r)
	}
	if told > 0 {
		v.mu.Lock()
		v.holders.heard(told, err == nil)
		v.mu.Unlock()
	}
	for i, f := range named {
		if err == nil {
			f.mu.Lock()
			f.leased = sent
			if f.taken == taken[i] {
				f.failed = false
			}
			f.mu.Unlock()
		}
		f.renewals.Done()
	}
	return err
}
