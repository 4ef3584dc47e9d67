package invalidation

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed versions.lua
var source string

var script = redis.NewScript(source)

// args returns what every call of the script begins with, and the operation's own after it; and Versions.heard as of now.
func (v *Versions) args(op string, rest []any) (args []any, heard uint64) {
	v.mu.Lock()
	birth := v.birth
	heard = v.heard
	v.mu.Unlock()
	bus := v.bus
	if v.listens.Load() {
		bus = v.heardBus
	}
	return append([]any{op, newSeed(), v.cfg.FenceLease.Milliseconds(), bus, birth}, rest...), heard
}

// call runs the script: one round trip, or two when Redis does not have it in its memory.
func (v *Versions) call(ctx context.Context, op string, rest ...any) (reply, error) {
	v.counters.calls.Add(1)
	args, heard := v.args(op, rest)
	if l := v.lines.get(v, true); l != nil {
		r, answered, err := v.callOn(ctx, l, op, args)
		r.heard = heard
		if err != nil {
			v.counters.callErrors.Add(1)
			return r, callError(op, err)
		}
		if answered {
			return r, nil
		}
	}
	return v.run(ctx, op, args, heard)
}

func (v *Versions) callOn(ctx context.Context, l *line, op string, args []any) (r reply, answered bool, err error) {
	if err := l.writeCall(ctx, v, args); err != nil {
		return r, false, v.lines.drop(l, err)
	}
	return v.answerTo(l, op)
}

// callGoRedis is call where there is no line.
func (v *Versions) callGoRedis(ctx context.Context, op string, rest []any) (reply, error) {
	v.counters.calls.Add(1)
	args, heard := v.args(op, rest)
	return v.run(ctx, op, args, heard)
}

func callError(op string, err error) error {
	return fmt.Errorf("mlcache: invalidation: %s: %w", op, err)
}

// run is call through go-redis. The same call may have been made before: its answer was not read.
func (v *Versions) run(ctx context.Context, op string, args []any, heard uint64) (reply, error) {
	r, err := v.answer(op, script.Run(ctx, v.client, []string{v.key}, args...))
	if err == nil {
		v.lines.reached()
	}
	r.heard = heard
	return r, err
}

// callWith is call in one pipeline with the commands that extra adds.
func (v *Versions) callWith(ctx context.Context, extra func(redis.Pipeliner), op string, rest ...any) (reply, error) {
	if extra == nil {
		return v.call(ctx, op, rest...)
	}
	v.counters.calls.Add(1)
	args, heard := v.args(op, rest)
	pipe := v.client.Pipeline()
	cmd := pipe.EvalSha(ctx, script.Hash(), []string{v.key}, args...)
	extra(pipe)
	// The pipeline's error may be that of one of the caller's commands: only our own counts.
	_, _ = pipe.Exec(ctx)
	if err := cmd.Err(); err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		cmd = script.Eval(ctx, v.client, []string{v.key}, args...)
	}
	r, err := v.answer(op, cmd)
	r.heard = heard
	return r, err
}

func (v *Versions) answer(op string, cmd *redis.Cmd) (reply, error) {
	raw, err := cmd.Result()
	if err != nil {
		v.counters.callErrors.Add(1)
		return reply{}, callError(op, err)
	}
	v.loaded.Store(true)
	r, err := parseReply(op, raw)
	if err != nil {
		v.counters.callErrors.Add(1)
	}
	return r, err
}

// learn applies the answer to a question about cells, in their order. own says that the question was the release of a
// change, which ends one hold of each. When the state of Redis turns out to be another one than the state known here, everything becomes unknown, which
// is safe, until a poll has found out; the holds end all the same.
func (v *Versions) learn(r reply, cells []*Cell, own bool) error {
	var calls []func()
	v.mu.Lock()
	ok := len(r.states) == len(cells)
	if ok {
		ok = v.header(r.header, &calls)
	} else {
		v.forgetAll(&calls)
		v.kick()
	}
	now := time.Now()
	for i, c := range cells {
		// A version learnt for the first time is news, but no change.
		first := c.last == 0 && !own
		if ok && c.set(r.states[i].nonce, r.header, r.states[i].fenced, now) && !first {
			v.changed(c)
			calls = c.tellChange(calls)
		}
		if own {
			c.unhold()
		}
	}
	v.mu.Unlock()
	run(calls)
	if len(r.states) != len(cells) {
		return errReply
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

// header applies what an answer says about everything and reports whether its states may be applied. Called with v.mu
// held.
func (v *Versions) header(h header, calls *[]func()) bool {
	if v.birth == "" {
		v.adopt(h, calls)
		return true
	}
	if v.lost {
		v.noteLost(h)
		return false
	}
	if h.birth != v.birth {
		// Which of the two is the older one cannot be told from here. Who asks after this moment gets the newer one.
		v.forgetAll(calls)
		v.lostTo = h
		v.kick()
		return false
	}
	if h.epoch != v.epoch.last && v.epoch.takes(h.seq, h.heard) {
		v.newEpoch(calls)
		v.tellEverything(calls)
	}
	v.quarantine(h)
	v.epoch.set(h.epoch, h, h.shut, time.Now())
	return true
}

// newEpoch counts that everything was invalidated, and tells an operator: not each time where it
// happens again and again. Called with v.mu held; what writes to a log comes later, since a log may be kept in a database.
func (v *Versions) newEpoch(calls *[]func()) {
	v.counters.epochs.Add(1)
	v.epochsUntold++
	if time.Since(v.epochTold) < epochPause {
		return
	}
	times := v.epochsUntold
	v.epochsUntold, v.epochTold = 0, time.Now()
	*calls = append(*calls, func() {
		v.log.Info("mlcache: everything is invalidated", "namespace", v.cfg.Namespace, "times", times)
	})
}

// epochPause is the least time between two lines in the log on new epochs, on lost versions, and on versions that are read again.
const epochPause = 10 * time.Second

// noteLost keeps the newest of the answers that arrive while nothing is known: an own change may be among them, and what
// is adopted in the end must not be older.
func (v *Versions) noteLost(h header) {
	switch {
	case h.birth == v.lostTo.birth:
		if h.seq > v.lostTo.seq {
			v.lostTo = h
		}
	case h.birth != v.birth:
		v.lostTo = h
		v.losses++
	}
}

// adopt takes the state of a birth not known before.
func (v *Versions) adopt(h header, calls *[]func()) {
	if v.birth != "" {
		if v.lossesUntold++; time.Since(v.lossTold) >= epochPause {
			times := v.lossesUntold
			v.lossesUntold, v.lossTold = 0, time.Now()
			*calls = append(*calls, func() {
				v.log.Warn("mlcache: Redis has lost the versions, so everything is invalidated", "namespace", v.cfg.Namespace, "quarantine", h.quarantine, "times", times)
			})
		}
	}
	v.refence = v.birth != "" && len(v.fences) > 0
	v.birth, v.lost, v.lostTo = h.birth, false, header{}
	v.losses++
	v.holders.lost()
	v.epoch.lost(0)
	clear(v.hinted)
	for _, w := range v.cells {
		if c := w.Value(); c != nil {
			// Unknown as of now: an answer from before must not make it known.
			c.lost(h.seq)
		}
	}
	v.allListeners(calls)
	v.polled, v.published = h.seq, h.published
	v.counters.epochs.Add(1)
	v.quarantined = time.Time{}
	v.quarantine(h)
	v.epoch.set(h.epoch, h, h.shut, time.Now())
}

// quarantine never shortens what is known: answers may come in another order than they were given.
func (v *Versions) quarantine(h header) {
	if h.quarantine > 0 {
		if until := time.Now().Add(h.quarantine); until.After(v.quarantined) {
			v.quarantined = until
		}
	}
}

// forgetAll makes everything unknown until a poll has succeeded.
func (v *Versions) forgetAll(calls *[]func()) {
	v.lost, v.lostTo = true, header{}
	v.losses++
	v.validated.Store(nil)
	v.epoch.lost(0)
	clear(v.hinted)
	for _, w := range v.cells {
		if c := w.Value(); c != nil {
			c.lost(0)
		}
	}
	v.allListeners(calls)
}

// allListeners is for a state that is not known any more.
func (v *Versions) allListeners(calls *[]func()) {
	for _, c := range v.listening {
		*calls = c.tellChange(*calls)
	}
}

// tellEverything is for a new epoch: everything has been invalidated, and the state is known still.
func (v *Versions) tellEverything(calls *[]func()) {
	for _, c := range v.listening {
		for _, l := range c.listeners {
			*calls = append(*calls, l.everything)
		}
	}
}

// tellChange adds what is to be called after a change of the cell's scope.
func (c *Cell) tellChange(calls []func()) []func() {
	for _, l := range c.listeners {
		calls = append(calls, l.changed)
	}
	return calls
}

func run(calls []func()) {
	for _, f := range calls {
		f()
	}
}
