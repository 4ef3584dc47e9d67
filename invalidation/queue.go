package invalidation

import (
	"context"
	"slices"
	"strings"
	"time"
)

const (
	queueMax    = 16384 // scopes; beyond it everything is invalidated in their place
	queueIDs    = 8     // fences remembered per scope; of others a poll tells when their lease has ended
	drainAtOnce = 512   // scopes in one command
)

// queue holds the changes that Redis could not be told of: each scope once, and beyond a limit "everything" in their
// place. A queued cell is held, so that it reads 0. Guarded by Versions.mu.
type queue struct {
	cells map[*Cell]waiting
	all   waiting // everything, when it has holds

	assumed Assumption // of what cells holds
}

// waiting is what is to be told about one scope.
type waiting struct {
	ids          []string  // of fences to release
	holds        int       // on the cell, ended by the delivery
	unknownUntil time.Time // the change may become visible until then
}

// and takes over o, and returns the ids for which there is no room.
func (w waiting) and(o waiting) (_ waiting, dropped []string) {
	ids := slices.Concat(w.ids, o.ids)
	room := min(len(ids), queueIDs)
	w.ids, dropped = ids[:room:room], ids[room:]
	w.holds += o.holds
	if o.unknownUntil.After(w.unknownUntil) {
		w.unknownUntil = o.unknownUntil
	}
	return w, dropped
}

// unknown says whether a change is in doubt still. That ends with the lease, but where a fence names who can carry it out:
// others find out then, and until they have the fence must stand.
func (w waiting) unknown(now time.Time) bool {
	if len(w.ids) == 0 || w.unknownUntil.IsZero() {
		return false
	}
	return now.Before(w.unknownUntil) || slices.ContainsFunc(w.ids, func(id string) bool { return strings.Contains(id, "~") })
}

func (q *queue) empty() bool { return len(q.cells) == 0 && q.all.holds == 0 }

// add takes over the holds in w on each cell, and on the epoch when all is set. It returns fences of whose end Redis is not
// going to be told.
func (q *queue) add(epoch *Cell, w waiting, all bool, cells []*Cell) (dropped []string) {
	both := func(w, o waiting) waiting {
		w, without := w.and(o)
		dropped = append(dropped, without...)
		return w
	}
	if all {
		q.all = both(q.all, w)
	}
	if q.cells == nil {
		q.cells = map[*Cell]waiting{}
	}
	for _, c := range cells {
		q.cells[c] = both(q.cells[c], w)
	}
	if len(q.cells) <= queueMax {
		return dropped
	}
	epoch.hold()
	q.all = both(q.all, waiting{holds: 1})
	var heard map[*Cell]waiting // "everything" does not tell their listeners
	for c, w := range q.cells {
		if len(c.listeners) > 0 {
			if heard == nil {
				heard = map[*Cell]waiting{}
			}
			heard[c] = w
			continue
		}
		told := 0
		if w.unknownUntil.After(q.all.unknownUntil) {
			told = min(1, len(w.ids))
			q.all = both(q.all, waiting{ids: w.ids[:told], unknownUntil: w.unknownUntil})
		}
		dropped = append(dropped, w.ids[told:]...)
		// The cell's version is out of date. It is unknown until Redis has been asked, and "everything" comes first.
		c.forget(c.seq)
		for range w.holds {
			c.unhold()
		}
	}
	q.cells = heard
	return dropped
}

// assume notes what the next changes assume. One that differs from that of the changes before makes them "everything".
func (q *queue) assume(epoch *Cell, a Assumption) {
	switch {
	case a.Cell == nil || a == q.assumed:
	case q.assumed.Cell == nil:
		q.assumed = a
	default:
		epoch.hold()
		q.all, _ = q.all.and(waiting{holds: 1})
	}
}

// drain tells Redis what is queued, everything first. It returns the error of the first command that failed; what was
// not delivered stays queued. One at a time: what the other has under way is not in the queue, and may come back to it.
func (v *Versions) drain(ctx context.Context) error {
	v.draining.Lock()
	defer v.draining.Unlock()
	for {
		v.mu.Lock()
		all, cells, taken, unknown := v.queue.take(time.Now())
		assumed := v.queue.assumed
		if v.queue.empty() {
			v.queue.assumed = Assumption{}
		}
		v.mu.Unlock()
		if all.holds == 0 && cells == nil {
			return nil
		}
		ids := append([]string{}, all.ids...)
		for _, w := range taken {
			ids = append(ids, w.ids...)
		}
		outcome := Committed
		if unknown {
			outcome = Unknown
		}
		err := v.tell(ctx, news{ids: ids, outcome: outcome, all: all.holds > 0, cells: cells, assumes: assumed})
		v.mu.Lock()
		if err != nil {
			v.queue.assume(v.epoch, assumed)
			for i, c := range cells {
				v.leftLocked(v.queue.add(v.epoch, taken[i], false, []*Cell{c}))
			}
			if all.holds > 0 {
				v.leftLocked(v.queue.add(v.epoch, all, true, nil))
			}
			v.mu.Unlock()
			return err
		}
		v.leftLocked(ids)
		// The delivery itself ended one hold of each.
		for i, c := range cells {
			for range taken[i].holds - 1 {
				c.unhold()
			}
		}
		for range all.holds - 1 {
			v.epoch.unhold()
		}
		v.mu.Unlock()
	}
}

// take removes a command's worth of what is queued: everything alone, or some scopes whose outcome has the same name.
func (q *queue) take(now time.Time) (all waiting, cells []*Cell, taken []waiting, unknown bool) {
	if q.all.holds > 0 {
		all, q.all = q.all, waiting{}
		return all, nil, nil, all.unknown(now)
	}
	for c, w := range q.cells {
		u := w.unknown(now)
		if cells == nil {
			unknown = u
		}
		if u != unknown {
			continue
		}
		cells, taken = append(cells, c), append(taken, w)
		delete(q.cells, c)
		if len(cells) == drainAtOnce {
			break
		}
	}
	return all, cells, taken, unknown
}
