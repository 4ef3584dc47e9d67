package invalidation

import (
	"context"
	"errors"
	"time"
)

// busPause is the least time between polls that messages ask for: whoever can publish must not make this process poll
// without end.
const busPause = 5 * time.Millisecond

// smallEnough is how many scopes are read again, rather than forgotten, when a poll cannot tell what has changed.
const smallEnough = 1024

// kick asks for a poll at once. It never blocks.
func (v *Versions) kick() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// kickLater asks for a poll soon.
func (v *Versions) kickLater() {
	select {
	case v.wakeLater <- struct{}{}:
	default:
	}
}

// loop polls, renews the leases of open fences and delivers the queue, until Close.
func (v *Versions) loop() {
	v.tasks.Go(v.listen)
	// A lease is renewed when a third of it has passed; looking twice as often makes it half at most.
	look := v.cfg.FenceLease / 6
	now := time.Now()
	nextPoll, nextLook, used := now.Add(v.every()), now.Add(look), now
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if nextLook.Before(nextPoll) {
			timer.Reset(time.Until(nextLook))
		} else {
			timer.Reset(time.Until(nextPoll))
		}
		woken := false
		select {
		case <-v.ctx.Done():
			return
		case <-v.wake:
			woken = true
		case <-v.wakeLater:
			if soon := time.Now().Add(busPause); soon.Before(nextPoll) && !v.paused.Load() {
				nextPoll = soon
			}
			continue
		case <-timer.C:
		}
		now := time.Now()
		if v.touched.Swap(false) {
			used = now
		}
		if woken || !now.Before(nextPoll) {
			nextPoll = v.pollUnlessIdle(now, used, woken)
		}
		v.mu.Lock()
		refence := v.refence
		v.refence = false
		v.mu.Unlock()
		if refence || !now.Before(nextLook) {
			v.renew(v.ctx, refence)
			nextLook = now.Add(look)
		}
	}
}

// pollUnlessIdle polls, unless nobody has read since used or the pause after a failure lasts, and returns when to look
// again. Who reads after a pause finds the lease run out and asks for a poll, and so does who has something to tell.
func (v *Versions) pollUnlessIdle(now, used time.Time, woken bool) time.Time {
	v.mu.Lock()
	idle := !woken && now.Sub(used) > v.cfg.IdleAfter && v.queue.empty()
	if !v.fencedAt.IsZero() && now.Sub(v.fencedAt) > v.cfg.IdleAfter {
		// Once more behind its writes: a fence that has come late, behind its release, stands until its process
		// says that it is none of its own.
		idle, v.fencedAt = false, time.Time{}
	}
	retryAt := v.retryAt
	v.mu.Unlock()
	switch {
	case now.Before(retryAt):
		return retryAt
	case idle:
		v.paused.Store(true)
		v.lines.rest(false)
		return now.Add(max(v.every(), time.Second))
	}
	v.poll(v.ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.failures > 0:
		return v.retryAt
	case v.trustAt.After(now) && v.trustAt.Before(now.Add(v.every())):
		return v.trustAt
	}
	return now.Add(v.every())
}

// poll asks once what has changed, after delivering the queue, and extends the lease of Live when nothing is left open.
func (v *Versions) poll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	v.counters.polls.Add(1)
	asked := time.Now()
	err := v.drain(ctx)
	sent := time.Now()
	current, proven := false, time.Duration(0)
	if err == nil {
		if current, proven, err = v.catchUp(ctx); err == nil && proven >= time.Duration(v.bound.Load()) {
			err = errUnproven
		}
	}
	var calls []func() // without the lock: a log may be kept in a database
	defer func() { run(calls) }()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.pollErr = err
	if err == nil {
		v.mended(time.Now())
		recovering := v.recovering(sent)
		if recovering {
			v.pollErr = errRecovering
		}
		if current && v.queue.empty() {
			if !recovering {
				at := sent.Add(-proven)
				v.validated.Store(&at)
			}
			v.paused.Store(false)
		}
		if v.failures > 0 {
			failures := v.failures
			calls = append(calls, func() {
				v.log.Info("mlcache: Redis answers again, and this process knows what has changed", "namespace", v.cfg.Namespace, "failures", failures)
			})
		}
		v.failures, v.retryAt = 0, time.Time{}
	} else if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		if v.failures == 0 {
			calls = append(calls, func() { v.log.Warn(pollFailure(err), "namespace", v.cfg.Namespace, "error", err) })
		}
		v.counters.pollErrors.Add(1)
		v.broken(asked)
		pause := min(10*time.Millisecond<<min(v.failures, 7), max(v.every(), 10*time.Millisecond), retryPause)
		v.failures++
		v.retryAt = time.Now().Add(pause)
	}
	close(v.round)
	v.round = make(chan struct{})
}

// catchUp applies every change since the last poll and reports whether this process is up to date then, and how long ago
// Redis has proven that it takes changes. Only one runs
// at a time, so that of two births the one asked for later is the newer one.
func (v *Versions) catchUp(ctx context.Context) (current bool, proven time.Duration, err error) {
	v.mu.Lock()
	from, losses := v.polled, v.losses
	v.mu.Unlock()
	finder := v.process
	if !v.findsOut() {
		finder = "" // it cannot find out what has become of fences, and must not keep others from it
	}
	r, err := v.call(ctx, "poll", from, v.proofAge().Milliseconds(), finder)
	if err != nil {
		return false, 0, err
	}
	var calls []func()
	v.mu.Lock()
	again, ok := v.apply(r, losses, &calls)
	v.adoptOrphans(r.orphans, r.complete)
	v.mu.Unlock()
	run(calls)
	for len(again) > 0 {
		n := min(len(again), drainAtOnce)
		if err := v.read(ctx, again[:n]); err != nil {
			return false, 0, err
		}
		again = again[n:]
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if !ok || v.lost || r.birth != v.birth {
		// Something newer has come in between: the answer is of no use.
		v.kick()
		return false, 0, nil
	}
	v.polled = max(v.polled, r.seq)
	if v.published = max(v.published, r.published); r.heard == v.heard {
		v.published = r.published // whatever messages have said
	}
	return true, r.proven, nil
}

// apply takes over the answer to a poll, if it can, and returns the cells that must be read before the process is up to
// date. losses is what v.losses was when the poll was asked: an answer that may be from before a loss that has been noticed
// since would bring the lost state back, and undo own changes. Called with v.mu held.
func (v *Versions) apply(r reply, losses int, calls *[]func()) (again []*Cell, ok bool) {
	if v.lost && r.birth == v.lostTo.birth {
		if v.lostTo.seq > r.seq {
			r.header = v.lostTo
		}
		v.adopt(r.header, calls)
		return nil, true
	}
	if v.lost || r.birth != v.birth {
		if v.losses != losses {
			return nil, false
		}
		v.adopt(r.header, calls)
		return nil, true
	}
	if !v.header(r.header, calls) {
		return nil, false
	}
	now := time.Now()
	if r.complete {
		for _, s := range r.states {
			if c := v.lookup(s.scope); c != nil && c.set(s.nonce, r.header, s.fenced, now) {
				v.changed(c)
				*calls = c.tellChange(*calls)
			}
		}
		v.weigh(r)
		return nil, true
	}
	v.weigh(r)
	for _, w := range v.cells {
		if c := w.Value(); c != nil && c.seq < r.seq {
			again = append(again, c)
			if c.last == 0 {
				// Whether it has changed will not show: there is nothing to compare with.
				*calls = c.tellChange(*calls)
			}
		}
	}
	if len(again) > 0 {
		v.counters.resyncs.Add(1)
		if v.resyncsUntold++; time.Since(v.resyncTold) >= epochPause {
			times := v.resyncsUntold
			v.resyncsUntold, v.resyncTold = 0, time.Now()
			*calls = append(*calls, func() {
				v.log.Info("mlcache: it cannot be told what has changed, so versions are read again", "namespace", v.cfg.Namespace, "tables", len(again), "times", times)
			})
		}
	}
	if len(again) <= smallEnough {
		return again, true
	}
	for _, c := range again {
		c.forget(r.seq)
		*calls = c.tellChange(*calls)
	}
	return nil, true
}
