package invalidation

import (
	"context"
	"strings"
	"time"
)

// Invalidate gives the scopes new versions, everything when there are none, for changes that were made elsewhere. On
// return no older answer can be used in this process. Errors are those of Release.
func (v *Versions) Invalidate(ctx context.Context, scopes ...string) error {
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
	return v.release(context.WithoutCancel(ctx), "", Committed, len(scopes) == 0, cells)
}

// release tells Redis, or only this process, and ends one hold of each cell, and of the epoch when all is set. When
// Redis cannot be told, the queue takes the holds over.
func (v *Versions) release(ctx context.Context, id string, outcome Outcome, all bool, cells []*Cell) error {
	if v.client == nil {
		v.releaseHere(outcome, all, cells)
		return nil
	}
	var ids []string
	if id != "" {
		ids = []string{id}
	}
	err := v.tell(ctx, ids, outcome, all, cells)
	if err == nil {
		return nil
	}
	v.counters.releaseErrors.Add(1)
	v.mu.Lock()
	if outcome == RolledBack {
		// Nothing changed, so there is nothing to deliver. But the fence changed the versions.
		for _, c := range cells {
			c.forget(c.seq)
			c.unhold()
		}
		if all {
			v.epoch.forget(v.epoch.seq)
			v.epoch.unhold()
		}
	} else {
		w := waiting{ids: ids, holds: 1}
		if outcome == Unknown {
			w.unknownUntil = time.Now().Add(v.cfg.FenceLease)
		}
		v.queue.add(v.epoch, w, all, cells)
	}
	v.mu.Unlock()
	v.kick()
	return err
}

// tell sends a release and applies the answer, which ends one hold of each cell.
func (v *Versions) tell(ctx context.Context, ids []string, outcome Outcome, all bool, cells []*Cell) error {
	wide := ""
	if all {
		wide = "*"
	}
	args := make([]any, 0, 3+len(cells))
	args = append(args, strings.Join(ids, ","), outcome.code(), wide)
	for _, c := range cells {
		args = append(args, c.scope)
	}
	r, err := v.call(ctx, "release", args...)
	if err != nil {
		return err
	}
	// An answer that cannot be read makes everything unknown, which is as good: the release has been carried out.
	_ = v.learn(r, cells, true)
	if all {
		v.mu.Lock()
		v.epoch.unhold()
		v.mu.Unlock()
	}
	return nil
}

// releaseHere is release for a namespace without Redis.
func (v *Versions) releaseHere(outcome Outcome, all bool, cells []*Cell) {
	var calls []func()
	now := time.Now()
	v.mu.Lock()
	if all {
		cells = append(cells, v.epoch)
		if outcome != RolledBack {
			v.allListeners(&calls)
		}
	}
	for _, c := range cells {
		if outcome == Unknown {
			c.shutUntil = now.Add(v.cfg.FenceLease)
		}
		if outcome != RolledBack {
			calls = append(calls, c.listeners...)
			c.nonce = 0
			if !now.Before(c.shutUntil) {
				c.nonce = newNonce()
			}
		}
		c.unhold()
	}
	v.mu.Unlock()
	run(calls)
}
