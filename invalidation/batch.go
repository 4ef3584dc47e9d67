package invalidation

import (
	"context"
	"slices"
	"sync"
	"time"
)

// order is a fence or a release on its way to Redis.
type order struct {
	op     string
	args   []any  // the script's, behind those that every call has
	states int    // how many of the answer's are its own
	fence  *Fence // that goes on as soon as the command is written, and hears the answer then; nil where somebody waits for it

	self  [1]*order    // the batch of one that it mostly is
	like  *order       // in the same batch, which is sent for this one as well; nil for itself
	part  []state      // of the answer, its own
	came  chan outcome // what it comes to, once; nil for one that never had to wait
	leads bool         // it has been told to; guarded by batches.mu
}

// turn is what an order comes to.
type turn int

const (
	lead     turn = iota + 1 // it sends those that wait, itself among them
	written                  // all of its command is in the operating system's hands
	answered                 // there is a reply or an error; with an error it may not have been sent
	alone                    // it must be sent through go-redis
)

type outcome struct {
	turn  turn
	sent  time.Time // before the command was written
	reply reply
	err   error
}

// batches makes one call of the script out of the orders that come while others are under way, as a database commits in
// groups: what a call costs, on both sides, hardly depends on how much it carries. Who comes alone does not wait.
type batches struct {
	mu      sync.Mutex
	busy    int      // calls under way
	waiting []*order // none while busy is below its limit
}

const (
	// maxBusy is how many calls of orders are under way at a time: while one is answered, the next is written.
	maxBusy = 2
	// maxBatch bounds the arguments of a call that is made of several orders.
	maxBatch = 1024
)

// submit sends an order, perhaps with others. It is written in the end, for an order with a fence, or answered, or alone;
// answered, with ctx's error, when ctx ends before.
func (v *Versions) submit(ctx context.Context, o *order) outcome {
	if !v.cfg.OwnConnections || v.single == nil || !v.loaded.Load() {
		return outcome{turn: alone} // by what can send the script, if Redis does not have it
	}
	b := &v.batches
	b.mu.Lock()
	if b.busy < maxBusy {
		b.busy++
		b.mu.Unlock()
		return v.lead(ctx, o)
	}
	o.came = make(chan outcome, 1)
	b.waiting = append(b.waiting, o)
	b.mu.Unlock()
	select {
	case got := <-o.came:
		if got.turn == lead {
			return v.lead(ctx, o)
		}
		return got
	case <-ctx.Done():
		b.mu.Lock()
		at := slices.Index(b.waiting, o)
		if at >= 0 && !o.leads {
			b.waiting = slices.Delete(b.waiting, at, at+1)
		}
		b.mu.Unlock()
		switch {
		case at >= 0 && o.leads:
			return v.lead(ctx, o) // the others are waiting for it
		case at < 0 && o.fence != nil:
			return <-o.came // it is just being written
		}
		return outcome{turn: answered, err: ctx.Err()}
	}
}

// lead sends o and what waits.
func (v *Versions) lead(ctx context.Context, o *order) outcome {
	l := v.lines.get(v, true)
	batch := v.batches.take(o)
	if l == nil {
		v.batches.next(nil)
		return share(batch, outcome{turn: alone})
	}
	c := batchCall{l: l, op: o.op, orders: batch}
	args, own := o.args, ctx
	if len(batch) > 1 {
		for i, other := range batch[1:] {
			if other.like = firstLike(batch[:i+1], other); other.like == nil {
				c.op = "batch"
				args = append(args, other.args...)
			}
		}
		ctx = context.WithoutCancel(ctx) // the call is the others', too, and ends by the line's time-out
	}
	c.args, c.heard = v.args(c.op, args)
	c.sent = time.Now()
	if err := l.writeCall(ctx, v, c.args); err != nil {
		err = v.lines.drop(l, err)
		v.batches.next(err)
		if err == nil {
			return share(batch, outcome{turn: alone})
		}
		v.counters.callErrors.Add(1)
		return share(batch, outcome{turn: answered, err: callError(c.op, err)})
	}
	v.counters.calls.Add(1)
	for _, other := range batch[1:] {
		if other.fence != nil {
			other.came <- outcome{turn: written}
		}
	}
	switch {
	case o.fence != nil:
		// The caller's context may end with the statement; the fence is needed until its release.
		go v.hear(context.WithoutCancel(ctx), c)
		return outcome{turn: written}
	case len(batch) > 1 && own.Done() != nil:
		got := make(chan outcome, 1)
		v.tasks.Go(func() { got <- v.hear(ctx, c) }) // the caller is a task itself
		select {
		case first := <-got:
			return first
		case <-own.Done():
			return outcome{turn: answered, err: own.Err()}
		}
	}
	return v.hear(ctx, c)
}

// batchCall is a call that was written to a line.
type batchCall struct {
	l      *line
	op     string
	args   []any
	orders []*order
	sent   time.Time
	heard  uint64 // see header
}

// hear reads the answer, tells all but the first of the orders, and returns what the first comes to. A fence is told of
// its answer, wherever it stands.
func (v *Versions) hear(ctx context.Context, c batchCall) outcome {
	r, ok, err := v.answerTo(c.l, c.op)
	r.heard = c.heard
	v.batches.next(err)
	switch {
	case err != nil:
		v.counters.callErrors.Add(1)
		err = callError(c.op, err)
	case !ok:
		r, err = v.run(ctx, c.op, c.args, c.heard)
	}
	states, all := r.states, 0
	for _, o := range c.orders {
		if o.like == nil {
			all += o.states
		}
	}
	if len(states) != all {
		states = nil // it cannot be told what is whose: each misses its own
	}
	var first outcome
	for i, o := range c.orders {
		own := outcome{turn: answered, sent: c.sent, reply: r, err: err}
		if o.like != nil {
			o.part = o.like.part
		} else {
			o.part = states[:min(o.states, len(states))]
			states = states[len(o.part):]
		}
		own.reply.states = o.part
		switch {
		case o.fence != nil:
			_ = o.fence.answered(own.sent, own.reply, own.err)
			v.tasks.Done()
		case i == 0:
			first = own
		default:
			o.came <- own
		}
	}
	return first
}

// firstLike returns the release among the orders that tells exactly what o tells, nil if there is none. Once is enough: all
// their changes have been made.
func firstLike(orders []*order, o *order) *order {
	if o.op != "release" {
		return nil
	}
	for _, other := range orders {
		if other.op == o.op && other.like == nil && slices.Equal(other.args, o.args) {
			return other
		}
	}
	return nil
}

// share tells all but the first of the orders what they come to, and returns it.
func share(orders []*order, got outcome) outcome {
	for _, o := range orders[1:] {
		o.came <- got
	}
	return got
}

// take returns o and what of the rest fits beside it.
func (b *batches) take(o *order) []*order {
	b.mu.Lock()
	defer b.mu.Unlock()
	o.self[0] = o
	batch, size := o.self[:], len(o.args)
	b.waiting = slices.DeleteFunc(b.waiting, func(other *order) bool {
		switch {
		case other == o:
			return true
		case other.leads || size+len(other.args) > maxBatch:
			return false
		}
		batch, size = append(batch, other), size+len(other.args)
		return true
	})
	return batch
}

// next gives the place of a call that has ended to what waits. After a time-out that is over, too: it has waited for the same Redis.
func (b *batches) next(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	failed := err != nil && isTimeout(err)
	for i := 0; i < len(b.waiting); {
		switch o := b.waiting[i]; {
		case o.leads:
			i++
		case failed:
			b.waiting = slices.Delete(b.waiting, i, i+1)
			o.came <- outcome{turn: answered, err: callError(o.op, err)}
		default:
			o.leads = true
			o.came <- outcome{turn: lead}
			return
		}
	}
	b.busy--
}
