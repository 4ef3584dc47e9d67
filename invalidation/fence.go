package invalidation

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// FenceOptions says what a fence covers and what it waits for.
type FenceOptions struct {
	// Wait makes Fence return only when Redis has answered: no process that asks Redis can use an old answer from then
	// on. Without it Fence returns as soon as the command cannot be lost by the death of this process.
	Wait bool
	// All fences everything, whatever the scopes.
	All bool
}

// Outcome is what became of a change.
type Outcome int

const (
	// Unknown: the change may be visible now, or later, or never. It counts as committed, and its scopes stay fenced
	// for FenceLease, because it may become visible after Release.
	Unknown Outcome = iota
	// Committed: the change is visible.
	Committed
	// RolledBack: the change never became visible, and never will.
	RolledBack
)

func (o Outcome) code() string {
	switch o {
	case Committed:
		return "c"
	case RolledBack:
		return "r"
	default:
		return "u"
	}
}

var fenceNames atomic.Uint64

// Fence keeps every process from storing, and this process from using, answers of its scopes while a change may become
// visible. It must be released. Its methods are safe for concurrent use.
type Fence struct {
	v    *Versions
	id   string
	wait bool

	flights sync.WaitGroup // fence commands not answered yet

	mu       sync.Mutex
	cells    map[string]*Cell
	all      bool
	released bool
	leased   time.Time // when the newest answered fence or renewal of the whole fence was sent
}

// Fence must be called before a change can become visible. From its return until Release the scopes' cells read 0 in
// this process. The fence is never nil: after an error, which tells that Redis does not know of the fence, the change
// may still be made and must still be released. Without scopes and without All the fence is empty; Add may widen it.
func (v *Versions) Fence(ctx context.Context, scopes []string, o FenceOptions) (*Fence, error) {
	f := &Fence{v: v, wait: o.Wait, cells: map[string]*Cell{}}
	if v.client != nil {
		f.id = newSeed()[:16] + strconv.FormatUint(fenceNames.Add(1), 36)
	}
	v.counters.fences.Add(1)
	return f, f.widen(ctx, scopes, o.All)
}

// Add fences more scopes, for a transaction that learns of them late. Errors are those of Versions.Fence; after Release
// it is an error.
func (f *Fence) Add(ctx context.Context, scopes ...string) error {
	return f.widen(ctx, scopes, false)
}

func (f *Fence) widen(ctx context.Context, scopes []string, all bool) error {
	v := f.v
	f.mu.Lock()
	if f.released {
		f.mu.Unlock()
		return fmt.Errorf("mlcache: invalidation: the fence has been released")
	}
	args := make([]any, 2, len(scopes)+4)
	v.mu.Lock()
	closed := v.closed
	for _, s := range scopes {
		if f.cells[s] == nil {
			c := v.cell(s)
			c.hold()
			f.cells[s] = c
			args = append(args, s)
		}
	}
	args[0], args[1] = f.id, strconv.Itoa(len(args)-2)
	if all && !f.all {
		f.all = true
		v.epoch.hold()
		args = append(args, f.id, "*")
	}
	if len(args) == 2 || v.client == nil || closed {
		v.mu.Unlock()
		f.mu.Unlock()
		if closed {
			return ErrClosed
		}
		return nil
	}
	v.start()
	v.fences[f] = struct{}{}
	v.mu.Unlock()
	f.flights.Add(1)
	f.mu.Unlock()

	if f.wait {
		defer f.flights.Done()
		return f.send(ctx, args)
	}
	done := make(chan error, 1)
	v.tasks.Go(func() {
		defer f.flights.Done()
		done <- f.send(context.WithoutCancel(ctx), args)
	})
	return <-done
}

// send asks Redis for the fence. The local cells need no news: they are held.
func (f *Fence) send(ctx context.Context, args []any) error {
	sent := time.Now()
	r, err := f.v.call(ctx, "fence", args...)
	if err != nil {
		f.v.counters.fenceErrors.Add(1)
		return err
	}
	f.v.notice(r)
	f.mu.Lock()
	if f.leased.IsZero() {
		f.leased = sent
	}
	f.mu.Unlock()
	return nil
}

// Valid reports whether Redis is known to hold the fence still: it answered, and the lease has not run out since. Who
// needs the fence to be seen by others asks just before making the change visible.
func (f *Fence) Valid() bool {
	if f.v.client == nil {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.leased.IsZero() && time.Since(f.leased) < f.v.cfg.FenceLease
}

// Release ends the fence. It waits for Redis, whatever the context: a change that was made must become known. When it
// returns, no answer from before the change can be used in this process. An error tells that Redis could not be told;
// the scopes then stay shut in this process, and Redis is told as soon as it answers, before Live becomes true again.
// A second Release does nothing.
func (f *Fence) Release(ctx context.Context, outcome Outcome) error {
	f.mu.Lock()
	if f.released {
		f.mu.Unlock()
		return nil
	}
	f.released = true
	f.mu.Unlock()
	f.v.counters.releases.Add(1)
	// A fence command still under way could set the fence after its release.
	f.flights.Wait()
	f.v.mu.Lock()
	delete(f.v.fences, f)
	f.v.mu.Unlock()
	if len(f.cells) == 0 && !f.all {
		return nil
	}
	cells := make([]*Cell, 0, len(f.cells))
	for _, c := range f.cells {
		cells = append(cells, c)
	}
	return f.v.release(context.WithoutCancel(ctx), f.id, outcome, f.all, cells)
}

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

// release tells Redis, or only this process, and ends one hold of each cell.
func (v *Versions) release(ctx context.Context, id string, outcome Outcome, all bool, cells []*Cell) error {
	if v.client == nil {
		v.releaseHere(outcome, all, cells)
		return nil
	}
	err := v.tell(ctx, []string{id}, outcome, all, cells)
	if err == nil {
		return nil
	}
	v.counters.releaseErrors.Add(1)
	v.mu.Lock()
	if outcome == RolledBack {
		// Nothing changed, so there is nothing to deliver. What Redis knows of the scopes is not known any more.
		for _, c := range cells {
			c.forget(c.seq)
			c.unhold()
		}
		if all {
			v.epoch.forget(v.epoch.seq)
			v.epoch.unhold()
		}
	} else {
		v.queue.add(v.epoch, id, all, cells)
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
	args = append(args, noteIDs(ids), outcome.code(), wide)
	for _, c := range cells {
		args = append(args, c.scope)
	}
	r, err := v.call(ctx, "release", args...)
	if err != nil {
		return err
	}
	// An answer that cannot be read shuts everything until a poll: the release itself has been carried out.
	_ = v.learn(r, cells, 1)
	if all {
		v.mu.Lock()
		v.epoch.unhold()
		v.mu.Unlock()
	}
	return nil
}

// notice applies what an answer says about everything.
func (v *Versions) notice(r reply) {
	var calls []func()
	v.mu.Lock()
	v.header(r.header, &calls)
	v.mu.Unlock()
	run(calls)
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

// renew extends the lease.
func (f *Fence) renew(ctx context.Context) {
	f.mu.Lock()
	if f.released {
		f.mu.Unlock()
		return
	}
	args := []any{f.id, strconv.Itoa(len(f.cells))}
	for s := range f.cells {
		args = append(args, s)
	}
	if f.all {
		args = append(args, f.id, "*")
	}
	f.flights.Add(1)
	f.mu.Unlock()
	defer f.flights.Done()
	sent := time.Now()
	r, err := f.v.call(ctx, "renew", args...)
	if err != nil {
		return
	}
	f.v.notice(r)
	f.mu.Lock()
	f.leased = sent
	f.mu.Unlock()
}
