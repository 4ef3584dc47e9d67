package invalidation

import (
	"context"
	"time"
)

// owed is an answer that Redis owes to a fence that was not to be waited for. Nobody reads it before the release, which
// goes over the same line: a goroutine that waits for it would cost more than writing the fence does. Only where the release takes
// long does sweep read it, so that what Redis has refused is sent again.
type owed struct {
	fence *Fence
	line  *line
	call  []any
	sent  time.Time
}

// oweFor is how long an answer may be owed before it is read for its own sake.
const oweFor = 5 * time.Millisecond

// fenceOn writes a fence's command to a line, if there is one, and reports whether all of it is in the operating system's hands; the
// answer is owed then. A mark is not needed.
func (f *Fence) fenceOn(ctx context.Context, args []any) bool {
	v := f.v
	if !v.loaded.Load() {
		return false // Redis may answer that it does not have the script, and nobody would be left to send it
	}
	l := v.lines.get(v)
	if l == nil {
		return false
	}
	o := &owed{fence: f, line: l, sent: time.Now()}
	o.call = v.args("fence", append(args, ""))
	// The caller's context may end with the statement; the fence is needed until its release.
	if err := l.writeCall(context.WithoutCancel(ctx), v, o.call); err != nil {
		_ = v.lines.drop(l, err) // go-redis is asked
		return false
	}
	v.counters.calls.Add(1)
	f.mu.Lock()
	first := f.owed == nil
	if first {
		f.owed = o
	}
	f.mu.Unlock()
	switch {
	case !first:
		go o.collect()
	case v.ctx.Err() != nil:
		if o := f.takeOwed(); o != nil {
			go o.collect()
		}
	case v.sweeping.CompareAndSwap(false, true):
		v.tasks.Go(v.sweep)
	}
	return true
}

// takeOwed returns the answer that the fence is owed, nil for none. Who takes it must have it settled.
func (f *Fence) takeOwed() *owed {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.owed
	f.owed = nil
	return o
}

// on returns the line on which the answer will come, nil where none is owed.
func (o *owed) on() *line {
	if o == nil {
		return nil
	}
	return o.line
}

func (o *owed) answers() int {
	if o == nil {
		return 0
	}
	return 1
}

// settle notes the answer, or that there is none.
func (o *owed) settle(r reply, err error) {
	if o == nil {
		return
	}
	_ = o.fence.answered(o.sent, r, err)
	o.fence.v.tasks.Done()
}

// collect reads the answer for its own sake. What Redis has refused, or has not received, is sent again.
func (o *owed) collect() {
	v := o.fence.v
	var r reply
	answered := false
	err := o.line.await(time.Now(), time.Time{}) // it may be there since long
	if err == nil {
		err = o.line.receive(1)
	}
	if err == nil {
		r, answered, err = v.answerTo(o.line, "fence")
	} else {
		err = v.lines.drop(o.line, err)
	}
	switch {
	case err != nil:
		v.counters.callErrors.Add(1)
	case !answered:
		r, err = v.run(context.Background(), "fence", o.call)
	}
	o.settle(r, err)
}

// sweep has answers collected that have been owed for long, until none has been owed for a while.
func (v *Versions) sweep() {
	const restAfter = 20
	tick := time.NewTicker(oweFor)
	defer tick.Stop()
	for quiet := 0; ; {
		over := false
		select {
		case <-tick.C:
		case <-v.ctx.Done():
			over = true
		}
		any := false
		for _, f := range v.openFences() {
			f.mu.Lock()
			o := f.owed
			any = any || o != nil
			if o != nil && (over || time.Since(o.sent) >= oweFor) {
				f.owed = nil
			} else {
				o = nil
			}
			f.mu.Unlock()
			if o != nil {
				go o.collect()
			}
		}
		if quiet++; any {
			quiet = 0
		}
		if over {
			return
		}
		if quiet < restAfter {
			continue
		}
		v.sweeping.Store(false)
		// Who came just before that has not begun another one.
		if !v.owing() || !v.sweeping.CompareAndSwap(false, true) {
			return
		}
		quiet = 0
	}
}

func (v *Versions) owing() bool {
	for _, f := range v.openFences() {
		f.mu.Lock()
		o := f.owed
		f.mu.Unlock()
		if o != nil {
			return true
		}
	}
	return false
}

func (v *Versions) openFences() []*Fence {
	v.mu.Lock()
	defer v.mu.Unlock()
	open := make([]*Fence, 0, len(v.fences))
	for f := range v.fences {
		open = append(open, f)
	}
	return open
}
