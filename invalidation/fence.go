package invalidation

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// FenceOptions says what a fence covers and what it waits for.
type FenceOptions struct {
	// Wait makes Fence return only when Redis has answered: from then on no process that asks Redis can use an older
	// answer. Without it Fence returns as soon as the command was written to Redis's socket, so that the death of this
	// process cannot lose it.
	Wait bool
	// All fences everything, whatever the scopes.
	All bool
	// Assumes is what the scopes were derived from.
	Assumes Assumption
	// Holder names who can still carry out the change when this process is gone or has lost its connection: a session of the
	// database, for Config.Over to find. Letters, digits and "/-?." are taken. Empty: nobody can, or it cannot be found out;
	// the fence then ends with its lease when it is not renewed.
	Holder string
}

// Outcome is what became of a change.
type Outcome int

const (
	// Unknown: the change may be visible now, or later, or never. It counts as committed, and its scopes stay fenced
	// until Config.Over has said that it is over, because it may become visible after Release; for FenceLease where the
	// fence names no holder.
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

var errReleased = errors.New("mlcache: invalidation: the fence has been released")

var fenceNames atomic.Uint64

// Fence keeps every process from storing, and this process from using, answers of its scopes while a change may become
// visible. It must be released. Its methods are safe for concurrent use.
type Fence struct {
	v       *Versions
	id      string
	wait    bool
	assumes Assumption
	holder  string
	needs   bool   // it has told holders of that
	host    *Fence // that stands in Redis for this one, too; nil for one that stands for itself. See join.

	renewals sync.WaitGroup // under way

	mu       sync.Mutex
	cells    []*Cell
	few      [4]*Cell         // room for cells
	named    map[string]*Cell // cells by scope, when they are many
	more     []*Fence         // what was added to a fence that others share
	all      bool
	released bool
	ended    bool      // and so has every fence that it stood for
	taken    int       // commands that widened the fence,
	pending  int       // of which so many are under way,
	told     uint64    // the registration that one of those carries; 0 for none
	failed   bool      // and one has failed that no renewal has made up for
	begun    time.Time // when the first command was sent
	leased   time.Time // when the newest renewal, or else the first command, was sent that Redis answered

	users   int  // fences that need it, itself and its burst included; guarded by Versions.mu
	unknown bool // what became of one of them is unknown

	// Guarded by Versions.mu, see burst.go.
	burst   bool          // it stays up for those that may come
	calm    time.Time     // since when none has
	watch   *time.Timer   // runs lookAtBurst; nil before the first time
	watched bool          // it will
	over    chan struct{} // closed when the fence is down; nil before it is being taken down
}

// Fence must be called before a change can become visible. From its return until Release the scopes' cells read 0 in
// this process. The fence is never nil: an error says that Redis may not know of it, and the change may still be made,
// and must still be released. Without scopes and without All the fence is empty; Add may widen it.
func (v *Versions) Fence(ctx context.Context, scopes []string, o FenceOptions) (*Fence, error) {
	f := &Fence{v: v, wait: o.Wait, assumes: o.Assumes}
	if v.cfg.Over != nil && o.Holder != "" {
		f.holder = holderName(o.Holder)
	}
	f.cells = f.few[:0]
	v.counters.fences.Add(1)
	if !o.All && f.join(scopes) {
		return f, nil
	}
	return f, f.widen(ctx, scopes, o.All)
}

// newFenceID is what Redis knows a fence by.
func newFenceID() string { return newSeed()[:16] + strconv.FormatUint(fenceNames.Add(1), 36) }

// Add fences more scopes, for a transaction that learns of them late. Errors are those of Versions.Fence; after Release
// nothing is fenced and it is an error.
func (f *Fence) Add(ctx context.Context, scopes ...string) error {
	if f.alone() {
		return f.widen(ctx, scopes, false)
	}
	f.mu.Lock()
	if f.released {
		f.mu.Unlock()
		return errReleased
	}
	more := &Fence{v: f.v, wait: f.wait, assumes: f.assumes, holder: f.holder}
	f.more = append(f.more, more)
	f.mu.Unlock()
	return more.widen(ctx, scopes, false)
}

func (f *Fence) widen(ctx context.Context, scopes []string, all bool) error {
	args, err := f.take(scopes, all)
	if err != nil || args == nil {
		return err
	}
	v := f.v
	o := &order{op: args[0].(string), args: args}
	if !f.wait {
		o.fence = f
	}
	switch got := v.submit(ctx, o); {
	case got.turn == written:
		f.offer()
		return nil
	case got.turn == answered:
		defer v.tasks.Done()
		return f.offerUnless(f.answered(got.sent, got.reply, got.err))
	case f.wait:
		defer v.tasks.Done()
		return f.offerUnless(f.send(ctx, args))
	}
	mark, handed := v.writes.expect()
	if !v.loaded.Load() {
		handed = nil // Redis may answer that it does not have the script, and nobody would be left to send it
	}
	done := make(chan error, 1)
	go func() {
		defer v.tasks.Done()
		// The caller's context may end with the statement; the fence is needed until its release.
		done <- f.send(context.WithoutCancel(ctx), append(args, mark))
		v.writes.forget(mark)
	}()
	select {
	case <-handed:
		f.offer()
		return nil
	case err := <-done:
		return f.offerUnless(err)
	case <-ctx.Done():
		// The command goes on by itself, and counts as unanswered. The caller's time is for the change.
		v.counters.fenceErrors.Add(1)
		return ctx.Err()
	}
}

// take holds the local cells and returns the arguments of the command to send, nil when there is nothing to send. When
// there is, it has added to v.tasks.
func (f *Fence) take(scopes []string, all bool) ([]any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.released {
		return nil, errReleased
	}
	v := f.v
	v.mu.Lock()
	defer v.mu.Unlock()
	var args []any // nil without Redis
	if v.client != nil {
		if f.id == "" {
			f.id = v.fenceID(f.holder != "")
		}
		args = make([]any, 3, len(scopes)+12)
	}
	for _, s := range scopes {
		if !f.covers(s) {
			c := v.cell(s)
			c.hold()
			f.add(s, c)
			if args != nil {
				args = append(args, s)
			}
		}
	}
	if args != nil {
		args[0], args[1], args[2] = "fence", f.id, strconv.Itoa(len(args)-3)
	}
	if all && !f.all {
		f.all = true
		v.epoch.hold()
		if args != nil {
			args = append(args, "fence", f.id, "*")
		}
	}
	switch {
	case v.closed:
		return nil, ErrClosed
	case len(args) <= 3:
		return nil, nil
	}
	v.start()
	v.fences[f] = struct{}{}
	if f.users == 0 {
		f.users = 1
		f.countInRow()
		if f.holder != "" {
			v.holders.need(f.holder, f.wait)
			f.needs = true
		}
	}
	v.fencedAt = time.Now()
	if f.holder != "" {
		if first, number := v.holders.registration(v.process, v.fencedAt); number > 0 {
			f.told = number
			args = append(first, args...)
		}
	}
	v.tasks.Add(1)
	f.taken++
	f.pending++
	if f.begun.IsZero() {
		f.begun = v.fencedAt
	}
	return args, nil
}

// manyCells is how many cells are looked through one by one.
const manyCells = 16

func (f *Fence) covers(scope string) bool {
	if f.named != nil {
		return f.named[scope] != nil
	}
	return slices.ContainsFunc(f.cells, func(c *Cell) bool { return c.Scope() == scope })
}

func (f *Fence) add(scope string, c *Cell) {
	f.cells = append(f.cells, c)
	if len(f.cells) < manyCells {
		return
	}
	if f.named == nil {
		f.named = make(map[string]*Cell, 2*manyCells)
		for _, c := range f.cells {
			f.named[c.Scope()] = c
		}
	}
	f.named[scope] = c
}

// send tells Redis of the fence. The answer says nothing new about the local cells: they are held.
func (f *Fence) send(ctx context.Context, args []any) error {
	sent := time.Now()
	r, err := f.v.callGoRedis(ctx, args[0].(string), args)
	return f.answered(sent, r, err)
}

// answered takes note of the answer to a command that was sent then.
func (f *Fence) answered(sent time.Time, r reply, err error) error {
	if err == nil {
		f.v.notice(r)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending--
	if f.told > 0 && (err != nil || f.pending == 0) {
		f.v.mu.Lock()
		f.v.holders.heard(f.told, err == nil)
		f.v.mu.Unlock()
		f.told = 0
	}
	if err != nil {
		f.failed = true
		f.v.counters.fenceErrors.Add(1)
		return err
	}
	if f.leased.IsZero() {
		f.leased = sent
	}
	return nil
}

// Release ends the fence. It waits for Redis, whatever the context: a change that was made must become known. When it
// returns, no answer from before the change can be used in this process. An error says that Redis could not be told;
// the scopes then stay shut in this process, and Redis is told as soon as it answers, before the lease of Live is
// extended again. A second Release does nothing.
func (f *Fence) Release(ctx context.Context, outcome Outcome) error {
	f.mu.Lock()
	if f.released {
		f.mu.Unlock()
		return nil
	}
	f.released = true
	more := f.more
	f.mu.Unlock()
	v := f.v
	v.counters.releases.Add(1)
	if v.client != nil {
		ctx = context.WithoutCancel(ctx)
	}
	var err error
	for _, m := range more {
		err = errors.Join(err, m.Release(ctx, outcome))
	}
	if outcome == Unknown && f.doubtHere() {
		outcome = Committed // as far as it has been; the doubt tells of the rest
	}
	h := f.standing()
	ids, outcome, stays := f.leave(outcome)
	if len(f.cells) == 0 && !f.all {
		return err
	}
	err = errors.Join(err, v.release(ctx, news{ids: ids, outcome: outcome, all: f.all, cells: f.cells, assumes: f.assumes}))
	f.passed(ctx, h, stays)
	return err
}

// overtaking marks, in a release, a fence whose command may come later. See versions.lua.
const overtaking = "!"
