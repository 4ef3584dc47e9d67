package invalidation

import "context"

const (
	queueMax    = 16384 // scopes; beyond it everything is invalidated
	queueIDs    = 8     // fences remembered per scope; others end by their lease
	drainAtOnce = 512   // scopes in one command
)

// queue holds the changes that Redis could not be told of: each scope once, and beyond a limit "everything" in their
// place. Each queued cell is held, so that it reads 0. Guarded by Versions.mu.
type queue struct {
	cells map[*Cell]*waiting
	all   *waiting // not nil: everything
}

type waiting struct {
	ids   []string
	holds int
}

func (w *waiting) join(ids []string, holds int) {
	w.holds += holds
	w.ids = append(w.ids, ids...)
	if len(w.ids) > queueIDs {
		w.ids = w.ids[len(w.ids)-queueIDs:]
	}
}

func (q *queue) empty() bool { return len(q.cells) == 0 && q.all == nil }

// add takes over one hold of each cell, and one of the epoch when all is set.
func (q *queue) add(epoch *Cell, id string, all bool, cells []*Cell) {
	var ids []string
	if id != "" {
		ids = []string{id}
	}
	if all {
		q.everything(ids, 1)
	}
	for _, c := range cells {
		q.one(c, ids, 1)
	}
	if len(q.cells) <= queueMax {
		return
	}
	epoch.hold()
	q.everything(nil, 1)
	for c, w := range q.cells {
		for range w.holds {
			// The cell itself may not be readable before everything has been delivered: its version is gone.
			c.forget(c.seq)
			c.unhold()
		}
	}
	q.cells = nil
}

func (q *queue) everything(ids []string, holds int) {
	if q.all == nil {
		q.all = &waiting{}
	}
	q.all.join(ids, holds)
}

func (q *queue) one(c *Cell, ids []string, holds int) {
	if q.cells == nil {
		q.cells = map[*Cell]*waiting{}
	}
	w := q.cells[c]
	if w == nil {
		w = &waiting{}
		q.cells[c] = w
	}
	w.join(ids, holds)
}

// drain tells Redis what is queued and returns the error of the first command that failed; what was not delivered stays
// queued.
func (v *Versions) drain(ctx context.Context) error {
	for {
		v.mu.Lock()
		all := v.queue.all
		v.queue.all = nil
		var cells []*Cell
		var taken []*waiting
		var ids []string
		for c, w := range v.queue.cells {
			if len(cells) == drainAtOnce {
				break
			}
			cells, taken = append(cells, c), append(taken, w)
			ids = append(ids, w.ids...)
			delete(v.queue.cells, c)
		}
		v.mu.Unlock()
		if all == nil && cells == nil {
			return nil
		}
		if all != nil {
			ids = append(ids, all.ids...)
		}
		err := v.tell(ctx, ids, Committed, all != nil, cells)
		v.mu.Lock()
		if err != nil {
			for i, c := range cells {
				v.queue.one(c, taken[i].ids, taken[i].holds)
			}
			if all != nil {
				v.queue.everything(all.ids, all.holds)
			}
			v.mu.Unlock()
			return err
		}
		for i, c := range cells {
			for range taken[i].holds - 1 {
				c.unhold()
			}
		}
		if all != nil {
			for range all.holds - 1 {
				v.epoch.unhold()
			}
		}
		v.mu.Unlock()
	}
}
