package invalidation

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Invalidate gives the scopes new versions, everything when there are none, for changes that were made elsewhere. On
// return no older answer can be used in this process. Errors are those of Release.
func (v *Versions) Invalidate(ctx context.Context, scopes ...string) error {
	_, err := v.change(ctx, scopes)
	return err
}

// change is Invalidate, and gives the versions that it made; 0 for one that could not be read.
func (v *Versions) change(ctx context.Context, scopes []string) (map[string]uint64, error) {
	cells := make([]*Cell, 0, len(scopes))
	seen := make(map[*Cell]bool, len(scopes))
	v.mu.Lock()
	v.start()
	for _, s := range scopes {
		if c := v.cell(s); !seen[c] {
			seen[c] = true
			c.hold()
			cells = append(cells, c)
		}
	}
	if len(scopes) == 0 {
		v.epoch.hold()
	}
	v.mu.Unlock()
	made := make(map[string]uint64, len(cells))
	err := v.release(context.WithoutCancel(ctx), news{outcome: Committed, all: len(scopes) == 0, cells: cells, made: made})
	return made, err
}

// news is what Redis is told at the end of a change.
type news struct {
	ids     []string // of the fences that end
	outcome Outcome
	all     bool
	cells   []*Cell // one hold of each ends, and of the epoch when all is set
	assumes Assumption
	made    map[string]uint64 // takes the versions that were made; nil for nobody who asks
}

// release tells Redis, or only this process, and ends the holds. When Redis cannot be told, the queue takes them over.
func (v *Versions) release(ctx context.Context, n news) error {
	if v.client == nil {
		v.releaseHere(n)
		return nil
	}
	if n.outcome == Unknown {
		v.leaveOver(n.ids)
	}
	err := v.tell(ctx, n)
	if err == nil {
		v.left(n.ids)
		return nil
	}
	v.counters.releaseErrors.Add(1)
	v.mu.Lock()
	if n.outcome == RolledBack {
		// Nothing changed, so there is nothing to deliver. But the fence changed the versions.
		for _, c := range n.cells {
			c.forget(c.seq)
			c.unhold()
		}
		if n.all {
			v.epoch.forget(v.epoch.seq)
			v.epoch.unhold()
		}
		v.leftLocked(n.ids)
	} else {
		w := waiting{ids: n.ids, holds: 1}
		if n.outcome == Unknown {
			w.unknownUntil = time.Now().Add(v.cfg.FenceLease)
		}
		v.queue.assume(v.epoch, n.assumes)
		v.leftLocked(v.queue.add(v.epoch, w, n.all, n.cells))
	}
	v.mu.Unlock()
	v.kick()
	return err
}

// left notes that Redis has been told of the end of fences, or that it is not going to be.
func (v *Versions) left(ids []string) {
	if len(ids) == 0 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.leftLocked(ids)
}

func (v *Versions) leftLocked(ids []string) {
	for _, id := range ids {
		delete(v.leaving, strings.TrimPrefix(id, overtaking))
	}
}

// tell sends a release and applies the answer, which ends one hold of each cell.
func (v *Versions) tell(ctx context.Context, n news) error {
	wide, assumed, version := "", "", ""
	if n.all {
		wide = "*"
	}
	if n.assumes.Cell != nil {
		assumed, version = n.assumes.Cell.Scope(), formatNonce(n.assumes.Version)
	}
	args := make([]any, 0, 7+len(n.cells))
	args = append(args, "release", strings.Join(n.ids, ","), n.outcome.code(), wide, assumed, version, strconv.Itoa(len(n.cells)))
	for _, c := range n.cells {
		args = append(args, c.Scope())
	}
	got := v.submit(ctx, &order{op: "release", args: args, states: len(n.cells)})
	if got.turn == alone {
		got.sent = time.Now()
		got.reply, got.err = v.callGoRedis(ctx, "release", args)
	}
	r := got.reply
	if got.err != nil {
		return got.err
	}
	if n.outcome != RolledBack {
		v.mu.Lock()
		if v.echoes.sent(r.seq, got.sent); r.published < r.seq {
			v.echoes.received(r.seq, time.Now()) // nobody else listens, and here it is known
		}
		v.mu.Unlock()
	}
	// An answer that cannot be read makes everything unknown, which is as good: the release has been carried out.
	_ = v.learn(r, n.cells, true)
	if n.made != nil && len(r.states) == len(n.cells) {
		for i, c := range n.cells {
			n.made[c.Scope()] = r.states[i].nonce
		}
	}
	if n.all {
		v.mu.Lock()
		v.epoch.unhold()
		v.mu.Unlock()
	}
	return nil
}

// Hold is a fence that needs no memory of its own, for a namespace without Redis only: from here until LetGo the cells
// read 0. They must be of this Versions.
func (v *Versions) Hold(cells []*Cell) {
	v.counters.fences.Add(1)
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range cells {
		c.hold()
	}
}

// LetGo ends what Hold began; it must be called once for it. a is what the scopes were derived from, and holder as in
// FenceOptions.
func (v *Versions) LetGo(cells []*Cell, outcome Outcome, a Assumption, holder string) {
	v.counters.releases.Add(1)
	if outcome == Unknown && holder != "" && v.findsOut() {
		v.mu.Lock()
		v.doubtCells(&doubt{cells: cells, assumes: a, holder: holderName(holder)})
		v.mu.Unlock()
		outcome = Committed // as far as it has been; the doubt tells of the rest
	}
	v.releaseHere(news{outcome: outcome, cells: cells, assumes: a})
}

// releaseHere is release for a namespace without Redis.
func (v *Versions) releaseHere(n news) {
	var calls []func()
	v.mu.Lock()
	if !n.all && n.outcome != RolledBack && !n.assumes.Holds() {
		n.all = true
		v.epoch.hold()
	}
	if n.all {
		n.cells = append(slices.Clip(n.cells), v.epoch)
		if n.outcome != RolledBack {
			v.newEpoch(&calls)
			v.tellEverything(&calls)
		}
	}
	for _, c := range n.cells {
		if n.outcome == Unknown {
			c.shutUntil = time.Now().Add(v.cfg.FenceLease)
		}
		if n.outcome != RolledBack {
			calls = c.tellChange(calls)
			if c != v.epoch {
				v.changed(c)
			}
			c.nonce = 0
			if c.shutUntil.IsZero() || !time.Now().Before(c.shutUntil) {
				c.nonce = newNonce()
			}
		}
		if n.made != nil {
			n.made[c.Scope()] = c.nonce
		}
		c.unhold()
	}
	v.mu.Unlock()
	run(calls)
}
