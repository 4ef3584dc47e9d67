package invalidation

import (
	"context"
	"slices"
	"time"
)

// A burst is a row of writes of this process to the same scopes, each right behind the one before. Its fence stays up
// between them, so that each is one call of the script and not two. In the protocol's words the burst is one more writer
// that shares the fence and changes nothing: that keeps the cache shut there for longer, and no more. An answer that
// somebody stored between two of the writes would hardly have been used.
//
// A read of this process ends it at once, and waits for that; in other processes it ends what they are shut out from when
// no write has come for burstGap. Where fences are waited for there are none: who asks for that wants to know at once.

const (
	// burstGap is how soon a write must follow the one before. A process that has nothing else to do may notice a
	// millisecond late that it has passed.
	burstGap = 200 * time.Microsecond
	// burstLeast is how many writes come in a row before their fence stays up. At the end one call is made for it.
	burstLeast = 4
	// burstPause is how long there is none of a scope after a read of this process has ended one.
	burstPause = 100 * time.Millisecond
)

// row counts writes of the same scopes that come right behind each other. It is kept in the cell of the first of the
// scopes, guarded by Versions.mu.
type row struct {
	of     []*Cell
	n      int
	ended  time.Time // the last of them
	wanted time.Time // when somebody wanted to read and found a burst
}

// countInRow counts a write of the fence's scopes. Called with Versions.mu held.
func (f *Fence) countInRow() {
	if f.v.client == nil || f.wait || f.all || len(f.cells) == 0 || len(f.cells) > maxJoined {
		return
	}
	r := &f.cells[0].row
	if time.Since(r.ended) >= burstGap || !slices.Equal(r.of, f.cells) {
		r.of, r.n = append(r.of[:0], f.cells...), 0
	}
	r.n++
}

// beginBurst keeps f, whose last user ends so, up for the burst that it may be a part of. Called with f.mu and Versions.mu held.
func (f *Fence) beginBurst(outcome Outcome) {
	v := f.v
	if v.client == nil || v.closed || f.wait || f.all || f.unknown || f.failed || f.pending > 0 || outcome != Committed || len(f.cells) == 0 {
		return
	}
	r := &f.cells[0].row
	if r.n < burstLeast || time.Since(r.wanted) < burstPause || !slices.Equal(r.of, f.cells) ||
		slices.ContainsFunc(f.cells, func(c *Cell) bool { return len(c.listeners) > 0 }) {
		return
	}
	f.burst = true
	f.users++
	for _, c := range f.cells {
		c.hold()
	}
	if v.bursts == nil {
		v.bursts = map[*Fence]struct{}{}
	}
	v.bursts[f] = struct{}{}
	v.bursting.Store(true)
}

// passed notes the end of a write. h is the fence that stood for f, and stays says that f has not left it yet.
func (f *Fence) passed(ctx context.Context, h *Fence, stays bool) {
	v := f.v
	if v.client == nil || len(f.cells) == 0 {
		return
	}
	h.mu.Lock()
	v.mu.Lock()
	now := time.Now()
	f.cells[0].row.ended = now
	var left parting
	if stays {
		left = h.part()
		switch {
		case left.last: // the burst has ended meanwhile
			for _, c := range h.cells {
				c.hold()
			}
		case h.burst && h.users == 1:
			h.calm = now
			switch {
			case h.watch == nil:
				h.watch = time.AfterFunc(burstGap, h.lookAtBurst)
			case !h.watched:
				h.watch.Reset(burstGap)
			}
			h.watched = true
		}
	}
	v.mu.Unlock()
	h.mu.Unlock()
	if left.last {
		_ = left.takeDown(ctx)
	}
}

// lookAtBurst ends the burst if no write has come for long enough.
func (f *Fence) lookAtBurst() {
	v := f.v
	v.mu.Lock()
	f.watched = false
	if !f.burst || v.closed || f.users > 1 {
		v.mu.Unlock()
		return
	}
	if rest := burstGap - time.Since(f.calm); rest > 0 {
		f.watch.Reset(rest)
		f.watched = true
		v.mu.Unlock()
		return
	}
	v.tasks.Add(1)
	v.mu.Unlock()
	defer v.tasks.Done()
	f.endBurst(v.ctx)
}

// endBurst takes the fence down, unless writes need it: then the last of them does. When it returns the fence is down, also
// where somebody else has begun to take it down.
func (f *Fence) endBurst(ctx context.Context) {
	v := f.v
	f.mu.Lock()
	v.mu.Lock()
	over := f.over
	var left parting
	if f.burst {
		f.burst = false
		if left = f.part(); left.last {
			f.over = make(chan struct{})
		} else {
			f.forgetBurst()
			for _, c := range f.cells {
				c.unhold()
			}
		}
	}
	v.mu.Unlock()
	f.mu.Unlock()
	switch {
	case left.last:
		_ = left.takeDown(context.WithoutCancel(ctx))
		v.mu.Lock()
		f.forgetBurst()
		v.mu.Unlock()
		close(f.over)
	case over != nil:
		<-over
	}
}

// forgetBurst is called with Versions.mu held.
func (f *Fence) forgetBurst() {
	delete(f.v.bursts, f)
	f.v.bursting.Store(len(f.v.bursts) > 0)
}

// burstsOver returns the bursts over any of the cells, and notes that somebody wants to read there. Called with v.mu held.
func (v *Versions) burstsOver(cells []*Cell) (over []*Fence) {
	for f := range v.bursts {
		if slices.ContainsFunc(f.cells, func(c *Cell) bool { return slices.Contains(cells, c) }) {
			f.cells[0].row.wanted = time.Now()
			over = append(over, f)
		}
	}
	return over
}

// want ends the bursts over cells that somebody wants to read, and does not wait for that longer than ctx.
func (v *Versions) want(ctx context.Context, cells []*Cell) {
	if !v.bursting.Load() {
		return
	}
	v.mu.Lock()
	over := v.burstsOver(cells)
	if len(over) == 0 || v.closed {
		v.mu.Unlock()
		return
	}
	v.tasks.Add(1)
	v.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer v.tasks.Done()
		defer close(done)
		for _, f := range over {
			f.endBurst(ctx)
		}
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// takeDown tells Redis that a fence is down that nothing has been changed behind, or that those who have changed something
// have told of. It ends one hold of each of its cells.
func (p parting) takeDown(ctx context.Context) error {
	p.f.renewals.Wait() // one could set the fence again
	outcome := RolledBack
	if p.unknown {
		outcome = Unknown
	}
	return p.f.v.release(ctx, news{ids: p.ids, outcome: outcome, cells: p.f.cells})
}
