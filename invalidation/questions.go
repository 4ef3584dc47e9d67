package invalidation

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Ensure makes unknown cells, and the epoch, known, and renews the lease that Live checks when it has run out. It costs
// one round trip when something is missing, none otherwise. Cells that stay 0 are fenced. An error means that Redis did
// not answer; cells may still be 0 then.
func (v *Versions) Ensure(ctx context.Context, cells []*Cell) error {
	v.want(ctx, cells)
	now := time.Now()
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return ErrClosed
	}
	if v.client == nil {
		defer v.mu.Unlock()
		for _, c := range cells {
			if c.wanting(now) {
				c.nonce = newNonce()
				c.publish()
			}
		}
		if v.epoch.wanting(now) {
			v.epoch.nonce = newNonce()
			v.epoch.publish()
		}
		return nil
	}
	v.start()
	var want []*Cell
	for _, c := range cells {
		if c != v.epoch && c.wanting(now) {
			want = append(want, c)
		}
	}
	round := v.round
	dead := !v.Live(time.Duration(v.bound.Load())) || v.epoch.wanting(now)
	if (dead || want != nil) && now.Before(v.retryAt) {
		defer v.mu.Unlock()
		return v.pollErr
	}
	if dead && now.Before(v.trustAt) {
		defer v.mu.Unlock()
		return errRecovering
	}
	v.mu.Unlock()
	if dead {
		v.kick()
	}
	if want != nil {
		if err := v.read(ctx, want); err != nil {
			return err
		}
	}
	if !dead {
		return nil
	}
	select {
	case <-round:
	case <-ctx.Done():
		return ctx.Err()
	case <-v.ctx.Done():
		return ErrClosed
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.pollErr
}

// read asks for the cells' versions and applies them.
func (v *Versions) read(ctx context.Context, cells []*Cell) error {
	args := make([]any, len(cells))
	for i, c := range cells {
		args[i] = c.Scope()
	}
	r, err := v.call(ctx, "read", args...)
	if err != nil {
		return err
	}
	return v.learn(r, cells, false)
}

// Current asks Redis now whether the cells still have these versions, in one round trip, and applies what it learns. It
// returns nil when they do, ErrStale when they do not, and another error when Redis did not answer, or has not been known to take changes
// for longer than MaxStaleness, which Current finds out by one more round trip after a pause. The epoch's cell
// may be among them. After ErrStale nothing is said of what they are now: see Update. extra, when not nil, may add commands to the same pipeline; their errors are left to the caller. It may be called twice; what counts is then the
// second time.
func (v *Versions) Current(ctx context.Context, cells []*Cell, nonces []uint64, extra func(redis.Pipeliner)) error {
	return v.current(ctx, cells, nonces, nil, extra)
}

// Update is Current, and where that returns ErrStale it leaves in nonces the versions that Redis has told, 0 for what is
// fenced, or what this process is changing. The cells may know better by then, from messages, or worse: anybody who may
// publish can send one.
func (v *Versions) Update(ctx context.Context, cells []*Cell, nonces []uint64, extra func(redis.Pipeliner)) error {
	return v.current(ctx, cells, nonces, nonces, extra)
}

// current is Current. now, if it is not nil, takes the versions that are told after ErrStale; it may be nonces.
func (v *Versions) current(ctx context.Context, cells []*Cell, nonces, now []uint64, extra func(redis.Pipeliner)) error {
	if len(cells) != len(nonces) {
		return fmt.Errorf("mlcache: invalidation: %d cells and %d versions", len(cells), len(nonces))
	}
	if v.client == nil {
		for i, c := range cells {
			if n := c.Load(); n == 0 || n != nonces[i] {
				known(cells, now)
				return ErrStale
			}
		}
		return nil
	}
	v.touched.Store(true)
	v.want(ctx, cells)
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return ErrClosed
	}
	v.start()
	sent := time.Now()
	if v.recovering(sent) {
		defer v.mu.Unlock()
		return errRecovering
	}
	v.mu.Unlock()
	if err := v.proven(ctx, sent); err != nil {
		return err
	}
	if extra == nil {
		same, err := v.confirm(ctx, sent, cells, nonces)
		if err != nil {
			v.unanswered(ctx, sent)
			return err
		}
		if same {
			// What is not still known is so by a message, or by a change of this process that is under way.
			if err := v.stillKnown(cells, nonces); err == nil || now == nil {
				return err
			}
		}
	}
	var ask []*Cell
	for _, c := range cells {
		if c != v.epoch {
			ask = append(ask, c)
		}
	}
	r, err := v.ask(ctx, extra, ask)
	if err != nil {
		v.unanswered(ctx, sent)
		return err
	}
	if err := v.learn(r, ask, false); err != nil {
		return err
	}
	// Where this process knows better than Redis, it is of a change that Redis has not been told of yet.
	shut := v.epoch.Load() == 0 || r.shut > 0
	k, stale := 0, shut
	for i, c := range cells {
		version := r.epoch
		if c != v.epoch {
			if version = r.states[k].nonce; r.states[k].fenced > 0 {
				version = 0
			}
			k++
		}
		here := c.Load()
		if here == 0 || shut {
			version = 0
		}
		stale = stale || version == 0 || version != nonces[i] || here != nonces[i]
		if now != nil {
			now[i] = version
		}
	}
	if stale {
		return ErrStale
	}
	return nil
}

// known sets versions, if it is not nil, to what the cells say.
func known(cells []*Cell, versions []uint64) {
	for i := range versions {
		versions[i] = cells[i].Load()
	}
}

// stillKnown returns ErrStale where this process knows better than Redis: of a change that Redis has not been told of yet.
func (v *Versions) stillKnown(cells []*Cell, nonces []uint64) error {
	if v.epoch.Load() == 0 {
		return ErrStale
	}
	for i, c := range cells {
		if c.Load() != nonces[i] {
			return ErrStale
		}
	}
	return nil
}
