package invalidation

import (
	"context"
	"maps"
	"slices"
	"time"
)

const (
	// lastQuestions is how long Close tries to find out what has become of changes in doubt. Who is left over by it is fenced
	// until others have found out, and they begin when the lease of the fence has ended.
	lastQuestions = time.Second
	// lastWord is how long it takes at most to leave that to others.
	lastWord = time.Second
)

// Close ends the background work and waits for it. Changes that Redis has not been told of are tried once more; the
// error says that some were lost. Changes in doubt are asked about once more, for a second at most: what is not over by then is left
// to other processes. Afterwards every cell reads 0 and Live is false. Close may be called again.
func (v *Versions) Close() error {
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		v.tasks.Wait()
		return nil
	}
	v.closed = true
	bursts := slices.Collect(maps.Keys(v.bursts))
	v.mu.Unlock()
	for _, f := range bursts {
		f.endBurst(v.ctx)
	}
	var err error
	if v.client != nil {
		err = v.drain(v.ctx)
		if err == nil {
			v.resolveLast()
		}
	}
	v.lines.rest(true)
	v.cancel()
	v.tasks.Wait()
	v.resign()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.epoch.hold()
	for _, w := range v.cells {
		if c := w.Value(); c != nil {
			c.hold()
		}
	}
	v.validated.Store(nil)
	return err
}

func (v *Versions) isClosed() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.closed
}

// resolveLast takes the place of resolve once this process is closed: a process that does not live long would leave its
// tables fenced. It gives a session that has just been given up the time to end.
func (v *Versions) resolveLast() {
	ctx, cancel := context.WithTimeout(v.ctx, lastQuestions)
	defer cancel()
	v.mu.Lock()
	resolving := v.resolving
	v.mu.Unlock()
	if resolving != nil {
		select {
		case v.wakeDoubt <- struct{}{}:
		default:
		}
		select {
		case <-resolving:
		case <-ctx.Done():
			return
		}
	}
	for pause := doubtSoon; ; pause *= 2 {
		v.resolveDue(ctx, time.Now().Add(doubtPause)) // all of them
		v.mu.Lock()
		own := false
		for _, d := range v.doubts {
			own = own || d.orphan == nil
		}
		v.mu.Unlock()
		if !own {
			return // others have time for what others have left
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// resign gives back what this process was to find out for others, since nobody else is told of it for long; and where it has left
// nothing behind, it takes out who can carry out its changes. No poll is under way any more.
func (v *Versions) resign() {
	if v.client == nil {
		return
	}
	v.mu.Lock()
	var args []any
	if v.failures == 0 && v.asked {
		args = append(args, "resign", v.process, "0")
	}
	if v.failures == 0 && v.holders.come > 0 && len(v.fences)+len(v.doubts)+len(v.leaving)+len(v.leftovers) == 0 {
		args = append(args, "leave", v.process, "0")
	}
	v.mu.Unlock()
	if args == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastWord)
	defer cancel()
	_, _ = v.callGoRedis(ctx, args[0].(string), args) // without it they wait until its time is up
}
