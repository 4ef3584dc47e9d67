package mlcache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/internal/dbconn"
	"github.com/mlcache/mlcache/invalidation"
)

// schemaState is what is known of the database at one time: its catalog, and the
// session that a new connection starts with. It never changes once made.
type schemaState struct {
	// snapshot is nil if the origin has no catalog that can be read (a mock,
	// another database): then the rules without a catalog apply.
	snapshot *catalog.Snapshot
	// base is the state of a fresh session.
	base *session
	// params are a fresh session's reported parameters, to compare a new
	// connection's with at no cost. Nil if the origin is not pgx itself.
	params map[string]string
	loaded time.Time
	// seen is what the server said of itself before all this was read.
	seen witness
	// cell is the schema's version, and version the one that it had before the
	// snapshot was taken, as far as this process knew; 0 if it did not.
	cell    *invalidation.Cell
	version atomic.Uint64
	// direct: the connection that read this spoke to the server itself, and not to a pooler.
	direct bool
	// server stands for the server in names of holders.
	server string
	// libraries are the settings that libraries bring with them.
	libraries librarySettings
}

// assumption is what is assumed by whom goes by the state.
func (st *schemaState) assumption() invalidation.Assumption {
	if st.snapshot == nil {
		return invalidation.Assumption{} // every write changes everything
	}
	return invalidation.Assumption{Cell: st.cell, Version: st.version.Load()}
}

// schemaLoader loads the state when it is first needed, and again after DDL.
type schemaLoader struct {
	engine  *engine
	cell    *invalidation.Cell // of scopeSchema
	current atomic.Pointer[schemaState]

	mu      sync.Mutex
	last    *schemaState   // the newest that had a snapshot
	first   *firstAnswer   // to be kept by the next load; nil for none
	loading *schemaLoading // nil if none is under way
	hasty   bool           // the last load took longer than statements wait, or failed slowly
	stale   uint64         // how often the state was dropped; a load that lost a race is thrown away
	told    bool           // another process, or another pool, has told of the last change
	retryAt time.Time      // after a failure, not before this
	thrown  int            // loads in a row that were thrown away
	calmAt  time.Time      // after some of those, not before this
	warned  bool
	watched bool // watch runs

	libraries libraries // used by one load at a time
	// hidden is a state that is not to be used before somebody has looked whether it
	// is true still. Nil mostly.
	hidden *schemaState

	own    ownConns
	kicked chan struct{}
	// wanted: a user's connection is to look, since the cache may have none of its own.
	wanted atomic.Bool
	// afresh: the next look is to be over a new connection.
	afresh atomic.Bool
	looks  looks
	storm  storm
	// doubting: a look is about to come, see doubt.
	doubting atomic.Bool
}

// schemaLoading is one load of the state.
type schemaLoading struct {
	done chan struct{} // closed at its end
	// late is closed when it takes longer than a statement waits.
	late     chan struct{}
	lateOnce sync.Once
	// connected: what is waited for is the server's answers.
	connected atomic.Bool
}

func (ld *schemaLoading) isLate() { ld.lateOnce.Do(func() { close(ld.late) }) }

const (
	schemaLoadTimeout = 10 * time.Second
	schemaRetry       = time.Second

	// schemaTries is how many loads a caller waits for, and how many are thrown away in a row before nobody waits. While the schema changes, or
	// versions are lost, again and again, none is of use.
	schemaTries = 2
	changeTries = 4
	schemaCalm  = 100 * time.Millisecond

	// A statement waits for the state for so long after its load began: for a
	// connection to be there, of which the origin may have none left, and for all.
	connectPatience = 500 * time.Millisecond
	schemaPatience  = 2 * time.Second
	// failurePatience is after what time a failure is one that was waited for: another
	// session's lock, say, which the next load would wait for again.
	failurePatience = 250 * time.Millisecond
)

// soon is get for a statement. It does not wait for long: without the state the
// statement goes past the cache. changes says that it then counts as a change of
// everything. That is a reason for all processes to read the schema again, so while
// the schema changes again and again it waits for some more readings than others do:
// else such statements would keep the schema from standing for ever.
func (l *schemaLoader) soon(ctx context.Context, changes bool) *schemaState {
	tries := schemaTries
	if changes {
		tries = changeTries
	}
	return l.wait(ctx, true, tries)
}

// get returns the state, loading it if need be. It returns nil if the state
// cannot be had now: the statement then goes to the origin.
func (l *schemaLoader) get(ctx context.Context) *schemaState { return l.wait(ctx, false, schemaTries) }

func (l *schemaLoader) wait(ctx context.Context, soon bool, tries int) *schemaState {
	patient := tries > schemaTries
	for range tries {
		if st := l.current.Load(); st != nil {
			return st
		}
		l.mu.Lock()
		if st := l.current.Load(); st != nil {
			l.mu.Unlock()
			return st
		}
		if l.loading == nil {
			if l.rests(time.Now()) && !(patient && l.onlyCalm(time.Now())) {
				l.mu.Unlock()
				return nil
			}
			l.start()
		}
		loading, storm := l.loading, l.thrown >= schemaTries && !patient
		l.mu.Unlock()
		if storm {
			return nil
		}
		var late <-chan struct{}
		if soon {
			late = loading.late
		}
		select {
		case <-loading.done:
			if l.current.Load() == nil && l.failed() {
				return nil
			}
		case <-late:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
	return l.current.Load()
}

// rests reports whether no load is to be started now. Called with l.mu held.
func (l *schemaLoader) rests(now time.Time) bool {
	return l.hidden != nil || now.Before(l.retryAt) || now.Before(l.calmAt)
}

// onlyCalm reports whether a load rests for no other reason than that the last ones
// were thrown away. Called with l.mu held.
func (l *schemaLoader) onlyCalm(now time.Time) bool {
	return l.hidden == nil && !now.Before(l.retryAt)
}

// begin starts loading, if the state is not there and nothing speaks against it.
func (l *schemaLoader) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current.Load() == nil && l.loading == nil && !l.rests(time.Now()) {
		l.start()
	}
}

// hold is begin, with an answer that is to be kept when the state is there. It
// returns false if a load is under way or done.
func (l *schemaLoader) hold(a *firstAnswer) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current.Load() != nil || l.loading != nil || l.rests(time.Now()) {
		return false
	}
	l.first = a
	l.start()
	return true
}

// start is called with l.mu held.
func (l *schemaLoader) start() {
	ld := &schemaLoading{done: make(chan struct{}), late: make(chan struct{})}
	l.loading = ld
	if l.hasty {
		ld.isLate()
	}
	// Not in the caller's context: others wait for the same load.
	stale := l.stale
	l.engine.tasks.Go(func() {
		defer time.AfterFunc(schemaPatience, ld.isLate).Stop()
		defer time.AfterFunc(connectPatience, func() {
			if !ld.connected.Load() {
				ld.isLate()
			}
		}).Stop()
		began := time.Now()
		ok := l.load(ld, stale)
		took := time.Since(began)
		l.mu.Lock()
		l.hasty = took > schemaPatience || !ok && took > failurePatience || !ld.connected.Load()
		l.mu.Unlock()
	})
}

func (l *schemaLoader) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.retryAt)
}

// drop forgets the state: the schema has changed. The state of an origin without
// a catalog stays: there is nothing to read again.
func (l *schemaLoader) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if st := l.current.Load(); st != nil && st.snapshot == nil {
		return
	}
	l.stale++
	l.retryAt = time.Time{}
	l.hidden = nil
	l.current.Store(nil)
}

// news is drop after somebody else has found the change, and made it known.
func (l *schemaLoader) news() {
	l.mu.Lock()
	l.told = true
	l.mu.Unlock()
	l.drop()
}

// load returns false if there is no answer that could be used.
func (l *schemaLoader) load(ld *schemaLoading, stale uint64) (ok bool) {
	ctx := l.engine.background
	l.mu.Lock()
	last, first := l.last, l.first
	l.first = nil
	l.mu.Unlock()
	st, err := l.engine.loadSchema(ctx, last, first, &ld.connected)
	l.engine.loginWrites(ctx, st)

	tell := func() {}
	defer func() { tell() }() // without the lock: a log may be kept in this database
	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(ld.done)
	l.loading = nil
	switch {
	case err != nil:
		l.retryAt = time.Now().Add(schemaRetry)
		if dbconn.Refused(err) {
			l.retryAt = time.Now().Add(schemaCheckEvery) // whoever asks waits for the answer
		}
		if ctx.Err() == nil && !l.warned {
			l.warned = true
			tell = func() {
				l.engine.cfg.Logger.Warn("mlcache: cannot read the database's catalog yet, so nothing is cached", "error", dbconn.SafeError(err))
			}
		}
	case l.stale != stale:
		// DDL came in between; the next caller loads again.
		if l.thrown++; l.thrown >= schemaTries {
			l.calmAt = time.Now().Add(schemaCalm)
		}
	default:
		l.thrown = 0
		l.warned = false
		told := l.told
		l.told = false
		tell = func() {
			l.tell(st, last)
			l.settle(st, last, told)
		}
		l.current.Store(st)
		l.engine.plans.keepOnly(st)
		if st.snapshot == nil {
			break
		}
		l.last = st
		l.looks.done(time.Now())
		if !l.watched && !l.engine.off() {
			l.watched = true
			l.engine.tasks.Go(l.watch)
		}
	}
	return err == nil
}

// tell tells an operator of a catalog that was read, unless it is the same as the one before.
func (l *schemaLoader) tell(st, last *schemaState) {
	log := l.engine.cfg.Logger
	switch {
	case st.snapshot == nil || st == last || last != nil && st.snapshot == last.snapshot:
	case last == nil:
		log.Debug("mlcache: the catalog was read", "namespace", l.engine.cfg.Namespace, "took", time.Since(st.loaded))
	default:
		log.Info("mlcache: the catalog was read again, since the schema has changed", "namespace", l.engine.cfg.Namespace, "took", time.Since(st.loaded))
	}
}

// reason is why there is no state now.
func (l *schemaLoader) reason() Reason {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hidden != nil {
		return ReasonUnwatched
	}
	return ReasonNoCatalog
}

// announce gives the schema a new version, after a change that was made past
// mlcache: what was written since by the schema as it was known, in any process, may
// have changed more than was fenced.
func (l *schemaLoader) announce() {
	fence, _ := l.engine.hub.fence(l.engine.background, []string{scopeSchema}, invalidation.FenceOptions{All: true})
	_ = fence.Release(l.engine.background, invalidation.Committed) // what Redis cannot be told now is queued
}
