package mlcache

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mlcache/mlcache/catalog"
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
	// cell is the schema's version, and version the one that it had before the
	// snapshot was taken, as far as this process knew; 0 if it did not.
	cell    *invalidation.Cell
	version atomic.Uint64
	// direct: the connection that read this spoke to the server itself, and not to a pooler.
	direct bool
	// server stands for the server in names of holders.
	server string
	// system is the answer to systemQuery; empty if the server gives none.
	system [][]*string
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
	last    *schemaState  // the newest that had a snapshot
	first   *firstAnswer  // to be kept by the next load; nil for none
	loading chan struct{} // closed when the load in progress ends; nil if none
	stale   uint64        // how often the state was dropped; a load that lost a race is thrown away
	retryAt time.Time     // after a failure, not before this
	thrown  int           // loads in a row that were thrown away
	calmAt  time.Time     // after some of those, not before this
	warned  bool
	watched bool // watch runs

	libraries libraries // used by one load at a time
}

const (
	schemaLoadTimeout = 10 * time.Second
	schemaRetry       = time.Second

	// schemaTries is how many loads a caller waits for, and how many are thrown away in a row before nobody waits. While the schema changes, or
	// versions are lost, again and again, none is of use.
	schemaTries = 2
	schemaCalm  = 100 * time.Millisecond

	// schemaCheckEvery is how often the schema is compared, while queries come,
	// for changes that were made past mlcache.
	schemaCheckEvery = 10 * time.Second
)

// get returns the state, loading it if need be. It returns nil if the state
// cannot be had now: the statement then goes to the origin.
func (l *schemaLoader) get(ctx context.Context) *schemaState {
	for range schemaTries {
		if st := l.current.Load(); st != nil {
			return st
		}
		l.mu.Lock()
		if st := l.current.Load(); st != nil {
			l.mu.Unlock()
			return st
		}
		if l.loading == nil {
			if l.rests(time.Now()) {
				l.mu.Unlock()
				return nil
			}
			l.start()
		}
		wait, storm := l.loading, l.thrown >= schemaTries
		l.mu.Unlock()
		if storm {
			return nil
		}
		select {
		case <-wait:
			if l.current.Load() == nil && l.failed() {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
	return l.current.Load()
}

// rests reports whether no load is to be started now. Called with l.mu held.
func (l *schemaLoader) rests(now time.Time) bool {
	return now.Before(l.retryAt) || now.Before(l.calmAt)
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
	l.loading = make(chan struct{})
	// Not in the caller's context: others wait for the same load.
	done, stale := l.loading, l.stale
	l.engine.tasks.Go(func() { l.load(done, stale) })
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
	l.current.Store(nil)
}

func (l *schemaLoader) load(done chan struct{}, stale uint64) {
	ctx, cancel := context.WithTimeout(l.engine.background, schemaLoadTimeout)
	defer cancel()
	l.mu.Lock()
	last, first := l.last, l.first
	l.first = nil
	l.mu.Unlock()
	st, err := l.engine.loadSchema(ctx, last, first)

	tell := func() {}
	defer func() { tell() }() // without the lock: a log may be kept in this database
	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(done)
	l.loading = nil
	switch {
	case err != nil:
		l.retryAt = time.Now().Add(schemaRetry)
		if refused(err) {
			l.retryAt = time.Now().Add(schemaCheckEvery) // whoever asks waits for the answer
		}
		if ctx.Err() == nil && !l.warned {
			l.warned = true
			tell = func() {
				l.engine.cfg.Logger.Warn("mlcache: cannot read the database's catalog yet, so nothing is cached", "error", safeError(err))
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
		tell = func() { l.tell(st, last) }
		l.current.Store(st)
		if st.snapshot == nil {
			break
		}
		l.last = st
		if !l.watched {
			l.watched = true
			l.engine.tasks.Go(l.watch)
		}
	}
}

// tell tells an operator of a catalog that was read, unless it is the same as the one before.
func (l *schemaLoader) tell(st, last *schemaState) {
	log := l.engine.cfg.Logger
	switch {
	case st.snapshot == nil || st == last:
	case last == nil:
		log.Debug("mlcache: the catalog was read", "namespace", l.engine.cfg.Namespace, "took", time.Since(st.loaded))
	default:
		log.Info("mlcache: the catalog was read again, since the schema has changed", "namespace", l.engine.cfg.Namespace, "took", time.Since(st.loaded))
	}
}

// watch finds changes of the schema that were made past mlcache, until the
// engine closes.
func (l *schemaLoader) watch() {
	tick := time.NewTicker(schemaCheckEvery)
	defer tick.Stop()
	var before uint64
	for {
		select {
		case <-tick.C:
		case <-l.engine.background.Done():
			return
		}
		l.engine.history.add(l.engine.sample())
		now := l.engine.stats.queries()
		if st := l.current.Load(); st != nil && now != before {
			before = now
			l.compare(st)
		}
	}
}

// compare drops the state if the database's schema is another one by now. If the
// database cannot be asked, the state stays: without it nothing can change the
// schema either, as far as this process could tell.
func (l *schemaLoader) compare(st *schemaState) {
	ctx, cancel := context.WithTimeout(l.engine.background, schemaLoadTimeout)
	defer cancel()
	origin, err := l.engine.origin.Connect(ctx)
	if err != nil {
		return
	}
	defer origin.Close()
	now, err := catalog.Fingerprint(ctx, newQuerier(origin), l.engine.roles)
	if err == nil && now != st.snapshot.Fingerprint() {
		l.engine.cfg.Logger.Info("mlcache: the schema was changed elsewhere; reading it again")
		l.drop()
		l.announce()
	}
}

// announce gives the schema a new version, after a change that was made past
// mlcache: what was written since by the schema as it was known, in any process, may
// have changed more than was fenced.
func (l *schemaLoader) announce() {
	fence, _ := l.engine.hub.fence(l.engine.background, []string{scopeSchema}, invalidation.FenceOptions{All: true})
	_ = fence.Release(l.engine.background, invalidation.Committed) // what Redis cannot be told now is queued
}

// loadSchema reads catalog and session over a connection of its own. It returns
// last, if not nil, where the schema turns out to be the same still: of a text that
// is not understood everything may have changed, and connections lose what they
// know with the state. first, if not nil, is an answer to keep.
func (e *engine) loadSchema(ctx context.Context, last *schemaState, first *firstAnswer) (*schemaState, error) {
	origin, err := e.origin.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer origin.Close()
	if pc := pgxConn(origin); pc != nil {
		e.learnTypes(ownTypesOn(pc.TypeMap()) != 0)
	}
	q := newQuerier(origin)
	st := &schemaState{loaded: time.Now(), cell: e.schema.cell}
	version := e.schema.known(ctx)
	st.version.Store(version)
	if pgxConn(origin) == nil {
		// An origin that is no PostgreSQL (a mock) gives itself away by a
		// statement that looks like none of its user's.
		if _, err := q.Query(ctx, "SHOW server_version_num"); err != nil {
			if !answered(origin, err) {
				return nil, err
			}
			return e.withoutCatalog(ctx, st, err)
		}
	}
	if last != nil {
		if now, err := catalog.Fingerprint(ctx, q, e.roles); err == nil && now == last.snapshot.Fingerprint() {
			last.version.Store(version)
			return last, nil
		}
	}
	snapshot, err := catalog.Load(ctx, q, e.roles)
	if err == nil {
		st.snapshot = snapshot
		if system, err := q.Query(ctx, systemQuery); err == nil {
			st.system = system
		}
		st.server = serverName(st.system)
		st.libraries = e.schema.libraries.of(ctx, q)
		if st.base, err = readSession(ctx, q, st, e.sessionSalt(origin)); err != nil {
			return nil, err
		}
		if pc := pgxConn(origin); pc != nil {
			st.params = reportedParams(pc)
			st.direct = st.base.pid == backendPID(pc)
		}
		if first != nil {
			e.keepFirst(ctx, q, st, first)
		}
		return st, nil
	}
	// A PostgreSQL whose catalog cannot be read has views and policies all the same, and other users' processes may go by them.
	if pgxConn(origin) == nil && answered(origin, err) && sqlState(err) != insufficientPrivilege {
		return e.withoutCatalog(ctx, st, err)
	}
	return nil, err
}

// versionTimeout is how long reading the schema waits for Redis to tell its version.
const versionTimeout = 100 * time.Millisecond

// known returns the schema's version, 0 if Redis does not tell it.
func (l *schemaLoader) known(ctx context.Context) uint64 {
	if l.cell.Load() == 0 {
		ctx, cancel := context.WithTimeout(ctx, versionTimeout)
		defer cancel()
		_ = l.engine.versions.Ensure(ctx, []*invalidation.Cell{l.cell})
	}
	return l.cell.Load()
}

// withoutCatalog is the state of an origin that is up and has no catalog.
func (e *engine) withoutCatalog(ctx context.Context, st *schemaState, cause error) (*schemaState, error) {
	if ctx.Err() != nil {
		return nil, cause
	}
	st.base = e.privateSession
	e.warnNoCatalog.Do(func() {
		e.cfg.Logger.Warn("mlcache: this origin has no catalog that can be read: every identifier counts as a table, and every write drops everything")
	})
	return st, nil
}

const insufficientPrivilege = "42501" // PostgreSQL manual, appendix A

// sqlState returns the code of a server's error, empty for other errors.
func sqlState(err error) string {
	var server interface{ SQLState() string }
	if errors.As(err, &server) {
		return server.SQLState()
	}
	return ""
}

// refused reports whether a server did not carry out a statement for what it asks for, and not for the state that the server is in:
// no such table or function, no right to it (class 42), or nothing of the kind (class 0A). PostgreSQL manual, appendix A.
func refused(err error) bool {
	code := sqlState(err)
	return strings.HasPrefix(code, "42") || strings.HasPrefix(code, "0A")
}

// answered reports whether a failed catalog query shows that the origin is up and
// has no such catalog. A connection that broke, a time-out, a lock or a shutdown
// says nothing: a PostgreSQL that was busy for a moment must not be treated as
// something else from then on.
func answered(origin driver.Conn, err error) bool {
	if sqlState(err) != "" {
		return refused(err)
	}
	if pgxConn(origin) != nil {
		return false
	}
	var network net.Error
	return !errors.Is(err, driver.ErrBadConn) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) &&
		!errors.Is(err, context.Canceled) && !errors.As(err, &network)
}
