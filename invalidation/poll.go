package invalidation

import (
	"context"
	"errors"
	"time"
)

// idleAfter is how long nobody must have asked for polling to pause.
const idleAfter = time.Minute

// kick asks for a poll soon. It never blocks.
func (v *Versions) kick() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// loop polls, renews the leases of open fences and delivers the queue, until Close.
func (v *Versions) loop() {
	v.tasks.Go(v.listen)
	idle := time.Now()
	lease := v.cfg.FenceLease / 3
	renewed := time.Now()
	tick := min(v.every, lease)
	timer := time.NewTimer(tick)
	defer timer.Stop()
	for {
		woken := false
		select {
		case <-v.ctx.Done():
			return
		case <-v.wake:
			woken = true
		case <-timer.C:
		}
		now := time.Now()
		if now.Sub(renewed) >= lease {
			renewed = now
			v.renew(v.ctx)
		}
		v.mu.Lock()
		quiet := len(v.listening) == 0 && v.queue.empty()
		early := now.Before(v.retryAt)
		v.mu.Unlock()
		if v.touched.Swap(false) || woken || !quiet {
			idle = now
		}
		if !early && now.Sub(idle) < idleAfter {
			v.poll(v.ctx)
		}
		wait := tick
		v.mu.Lock()
		if v.failures > 0 {
			wait = max(time.Until(v.retryAt), 0)
		}
		v.mu.Unlock()
		timer.Reset(wait)
	}
}

// poll asks once what has changed, after delivering the queue, and extends the lease of Live when nothing is left open.
func (v *Versions) poll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	v.counters.polls.Add(1)
	err := v.drain(ctx)
	sent := time.Now()
	if err == nil {
		err = v.catchUp(ctx)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.pollErr = err
	if err == nil {
		if v.queue.empty() {
			v.validated.Store(&sent)
		}
		if v.failures > 0 {
			v.log.Info("mlcache: invalidation: Redis answers again")
		}
		v.failures, v.retryAt = 0, time.Time{}
	} else if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		if v.failures == 0 {
			v.log.Warn("mlcache: invalidation: Redis does not answer; the cache stops at the end of its lease", "error", err)
		}
		v.counters.pollErrors.Add(1)
		pause := min(10*time.Millisecond<<min(v.failures, 7), max(v.every, 10*time.Millisecond), time.Second)
		v.failures++
		v.retryAt = time.Now().Add(pause)
	}
	close(v.round)
	v.round = make(chan struct{})
}

// catchUp applies every change since the last poll. Only one runs at a time, so that of two births the one asked for
// later is the newer one.
func (v *Versions) catchUp(ctx context.Context) error {
	v.mu.Lock()
	from, known := v.polled, v.birth
	v.mu.Unlock()
	r, err := v.call(ctx, "poll", from)
	if err != nil {
		return err
	}
	if known != "" && r.birth != known && r.calm {
		// Who made this birth did not know of this process, whose fences, or whose peers' fences, were lost with the
		// old one: nothing stored since may last.
		if r, err = v.call(ctx, "quarantine", r.birth); err != nil {
			return err
		}
	}
	var calls []func()
	defer func() { run(calls) }()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.birth != r.birth || v.lost {
		v.adopt(r.header, &calls)
		return nil
	}
	if !v.header(r.header, &calls) {
		return nil
	}
	now := time.Now()
	if r.complete {
		for _, s := range r.states {
			if c := v.lookup(s.scope); c != nil && c.set(s.nonce, r.seq, s.fenced, now) {
				calls = append(calls, c.listeners...)
			}
		}
	} else {
		v.counters.resyncs.Add(1)
		for _, w := range v.cells {
			if c := w.Value(); c != nil && c.seq < r.seq {
				c.forget(r.seq)
				calls = append(calls, c.listeners...)
			}
		}
	}
	v.polled = max(v.polled, r.seq)
	v.published = max(v.published, r.published)
	return nil
}

// renew extends the leases of the fences that are open, and sets again those that Redis has lost.
func (v *Versions) renew(ctx context.Context) {
	v.mu.Lock()
	open := make([]*Fence, 0, len(v.fences))
	for f := range v.fences {
		open = append(open, f)
	}
	v.mu.Unlock()
	for _, f := range open {
		f.renew(ctx)
	}
}
