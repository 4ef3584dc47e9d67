package invalidation

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// Doubt is a change of which nobody knows whether it has been made, or is being made still: its writer has lost its
// connection, or the writer's process has not renewed its fence.
type Doubt struct {
	// ID names it for as long as it lasts.
	ID string
	// Holders are the names of those who can still carry it out, as they were given in FenceOptions; none where that is not
	// known.
	Holders []string
	// Since is from when on this process has known of it. It had been begun by then.
	Since time.Time
}

// doubt is one that this process is to resolve. Guarded by Versions.mu.
type doubt struct {
	Doubt
	next  time.Time // when to ask
	pause time.Duration

	// Of another process, or of a former fence of this one:
	orphan *orphan
	key    string    // in Versions.doubts
	known  bool      // of a fence of this process that has been released
	seen   time.Time // when Redis last said so

	// Of this process: a hold of each of these, and what is left of the fence; nil without Redis.
	fence   *Fence
	cells   []*Cell
	all     bool
	assumes Assumption
	holder  string
}

// orphan is a fence whose lease has ended without a release, as a poll tells of it.
type orphan struct {
	id      string
	number  string // of its process's registration, '-' for none
	holders []string
	scope   string
	all     bool // in place of scope
}

const (
	doubtSoon  = 20 * time.Millisecond
	doubtPause = time.Second
	// leavingAtMost is longer than any command to Redis takes.
	leavingAtMost = time.Minute
	// leftOverFor is as long as Redis remembers who can carry out what is behind a fence.
	leftOverFor = 24 * time.Hour
	// maxLeftovers is how many are told apart. With more, every fence of this process that has ended counts as one.
	maxLeftovers = 1024
	// orphanKept is how long Redis may say nothing of an orphan that it has told this process of.
	orphanKept = 10 * time.Second
)

// parseOrphan reads what versions.lua says of one.
func parseOrphan(id, holders, field string) (orphan, bool) {
	o := orphan{id: id}
	number, names, _ := strings.Cut(holders, " ")
	if o.number = number; names != "" {
		o.holders = strings.Split(names, ",")
	}
	if field == "w" {
		o.all = true
		return o, true
	}
	var ok bool
	o.scope, ok = strings.CutPrefix(field, "s")
	return o, ok && len(id) > 16
}

func (o *orphan) key() string {
	if o.all {
		return o.id + "*"
	}
	return o.id + " " + o.scope
}

// args are what tells Redis that it is over.
func (o *orphan) args(guard string) []any {
	if o.all {
		return []any{"settle", o.id, guard, "*"}
	}
	return []any{"settle", o.id, guard, "1", o.scope}
}

// adoptOrphans takes the orphans of a poll's answer over; complete: there are no others. One that was none in between is
// another doubt: somebody may have joined the fence meanwhile. Called with v.mu held.
func (v *Versions) adoptOrphans(list []orphan, complete bool) {
	now := time.Now()
	for key, d := range v.doubts {
		if complete && d.orphan != nil && !slices.ContainsFunc(list, func(o orphan) bool { return o.key() == key }) {
			delete(v.doubts, key)
		}
	}
	v.asked = v.asked || len(list) > 0
	for id, since := range v.leaving {
		if now.Sub(since) > leavingAtMost {
			delete(v.leaving, id)
		}
	}
	for _, o := range list {
		own := strings.HasPrefix(o.id, v.process)
		switch {
		case own && v.isOpen(o.id):
			v.refence = true
			continue
		case !own && v.cfg.Over == nil:
			continue
		case own && v.leftOver(o.id, now):
			own = false // nobody here knows more of it than others do
		}
		key := o.key()
		d := v.doubts[key]
		if d == nil {
			v.doubtNumber++
			d = &doubt{Doubt: Doubt{ID: key + " " + formatNonce(v.doubtNumber), Since: now}, key: key, known: own, next: now, pause: doubtPause / 4}
			v.counters.orphans.Add(1)
			v.inDoubt(key, d)
		}
		d.orphan, d.Holders, d.seen = &o, o.holders, now
	}
}

// isOpen says whether a fence of this process stands, or waits for Redis to be told of its end. Called with v.mu held.
func (v *Versions) isOpen(id string) bool {
	if _, ok := v.leaving[id]; ok {
		return true
	}
	for f := range v.fences {
		if f.id == id {
			return true
		}
	}
	return false
}

// inDoubt adds a doubt. Called with v.mu held.
func (v *Versions) inDoubt(key string, d *doubt) {
	if v.doubts == nil {
		v.doubts = map[string]*doubt{}
	}
	v.doubts[key] = d
	select {
	case v.wakeDoubt <- struct{}{}:
	default:
	}
	if v.resolving != nil || v.closed {
		return
	}
	v.resolving = make(chan struct{})
	v.tasks.Go(v.resolve)
}

// resolve asks what has become of the changes in doubt, until there are none, or Close does it.
func (v *Versions) resolve() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-v.ctx.Done():
			return
		case <-v.wakeDoubt:
		case <-timer.C:
		}
		if !v.isClosed() {
			v.resolveDue(v.ctx, time.Now())
		}
		v.mu.Lock()
		if len(v.doubts) == 0 || v.closed {
			close(v.resolving)
			v.resolving = nil
			v.mu.Unlock()
			return
		}
		next := time.Now().Add(doubtPause)
		for _, d := range v.doubts {
			if d.next.Before(next) {
				next = d.next
			}
		}
		v.mu.Unlock()
		timer.Reset(max(time.Until(next), time.Millisecond))
	}
}

// resolveDue asks of the doubts that are due by then whether they are over, and ends those that are.
func (v *Versions) resolveDue(ctx context.Context, by time.Time) {
	var due []*doubt
	var list []Doubt
	var own []*doubt // fences of this process itself, of which it knows
	var here []bool  // of due: a change of this process, and no orphan
	v.mu.Lock()
	for key, d := range v.doubts {
		switch {
		case d.orphan != nil && time.Since(d.seen) > orphanKept:
			delete(v.doubts, key)
		case by.Before(d.next):
		case d.known:
			own = append(own, d)
		default:
			due, list, here = append(due, d), append(list, d.Doubt), append(here, d.orphan == nil)
		}
	}
	v.mu.Unlock()
	for _, d := range own {
		v.settle(ctx, d, "=")
	}
	if len(due) == 0 {
		return
	}
	over := v.cfg.Over(ctx, list)
	for i, d := range due {
		switch {
		case i >= len(over) || !over[i]:
			v.mu.Lock()
			d.next = time.Now().Add(d.pause)
			d.pause = min(2*d.pause, doubtPause)
			v.mu.Unlock()
		case here[i]:
			v.overHere(ctx, d)
		default:
			v.settle(ctx, d, "")
		}
	}
}

// settle takes down the fence of an orphan. guard is "=" for one of this process, of which it knows, and else empty: what Redis
// said of who can carry the change out must be the same still. If Redis does not answer, a poll tells of it again.
func (v *Versions) settle(ctx context.Context, d *doubt, guard string) {
	v.mu.Lock()
	if v.doubts[d.key] == d {
		delete(v.doubts, d.key)
	}
	o := *d.orphan
	v.mu.Unlock()
	if guard == "" {
		guard = o.number
	}
	r, err := v.call(ctx, "settle", o.args(guard)...)
	if err != nil {
		return
	}
	v.notice(r)
	v.counters.settled.Add(1)
	v.kick()
}

// findsOut says whether anybody here can be asked what has become of a change.
func (v *Versions) findsOut() bool {
	return v.cfg.Over != nil && (v.cfg.FindsOut == nil || v.cfg.FindsOut())
}

// leaveOver notes fences whose changes are in doubt and left to other processes: when the lease ends, they are not known to
// be over.
func (v *Versions) leaveOver(ids []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.leftovers == nil {
		v.leftovers = map[string]time.Time{}
	}
	now := time.Now()
	for _, id := range ids {
		if !strings.Contains(id, "~") {
			continue // it names no holders, and ends with its lease
		}
		if len(v.leftovers) >= maxLeftovers {
			maps.DeleteFunc(v.leftovers, func(_ string, since time.Time) bool { return now.Sub(since) > leftOverFor })
		}
		if len(v.leftovers) < maxLeftovers {
			v.leftovers[strings.TrimPrefix(id, overtaking)] = now
		}
	}
}

// leftOver is called with v.mu held.
func (v *Versions) leftOver(id string, now time.Time) bool {
	since, ok := v.leftovers[id]
	return ok && now.Sub(since) <= leftOverFor || len(v.leftovers) >= maxLeftovers
}

// doubtHere keeps the fence of a change of this process up until nobody can make the change visible any more. What the fence
// needs for that is a user more, as a burst is one. It returns false where that cannot be found out.
func (f *Fence) doubtHere() bool {
	v := f.v
	if f.holder == "" || !v.findsOut() {
		return false
	}
	h := f.standing()
	h.mu.Lock()
	defer h.mu.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	d := &doubt{cells: slices.Clone(f.cells), all: f.all, assumes: f.assumes, holder: f.holder}
	if v.client != nil {
		if h.users == 0 {
			return false
		}
		h.users++
		d.fence = h
	}
	v.doubtCells(d)
	return true
}

// doubtCells takes one hold of each cell more for a doubt. Called with v.mu held.
func (v *Versions) doubtCells(d *doubt) {
	now := time.Now()
	for _, c := range d.cells {
		c.hold()
	}
	if d.all {
		v.epoch.hold()
	}
	if v.client != nil {
		v.holders.need(d.holder, false)
	}
	v.doubtNumber++
	d.Doubt = Doubt{ID: "own " + formatNonce(v.doubtNumber), Holders: []string{d.holder}, Since: now}
	d.next, d.pause = now.Add(doubtSoon), doubtSoon
	v.inDoubt(d.ID, d)
}

// overHere ends a doubt of this process: the change is visible by now, or never will be.
func (v *Versions) overHere(ctx context.Context, d *doubt) {
	n := news{outcome: Committed, all: d.all, cells: d.cells, assumes: d.assumes}
	if d.fence == nil {
		v.mu.Lock()
		delete(v.doubts, d.ID)
		v.mu.Unlock()
		v.releaseHere(n)
		return
	}
	d.fence.mu.Lock()
	v.mu.Lock()
	delete(v.doubts, d.ID)
	v.holders.leave(d.holder, time.Now())
	left := d.fence.part()
	v.mu.Unlock()
	d.fence.mu.Unlock()
	if left.last {
		left.f.renewals.Wait() // one could set the fence again
		n.ids = left.ids
		if left.unknown {
			n.outcome = Unknown
		}
	}
	_ = v.release(ctx, n) // what cannot be told is queued
}
