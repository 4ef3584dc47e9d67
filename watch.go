package mlcache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/internal/dbconn"
)

// What a process knows of its server holds until somebody changes it past mlcache: the
// schema, the configuration, the server itself. While queries come, the server is
// looked at: for what is cheap to ask, each second over a connection that stays; for the
// schema, every ten. Where connections are scarce, a user's own connection is asked
// before its next statement outside a transaction. If nobody can look, the cache stops.
const (
	watchEvery = time.Second

	// schemaCheckEvery is how often the schema is compared.
	schemaCheckEvery = 10 * time.Second

	// lookBound is for how long the cache serves without a look while the server
	// answers, but not to it.
	lookBound = schemaCheckEvery

	// lendPatience is how long a query has to come that goes to the database anyway,
	// before the next one is sent there to look.
	lendPatience = 2 * time.Second

	// lendLeft is what must be left of a caller's time for its connection to look.
	lendLeft = time.Second

	// doubtPause is how long after a change of everything in a storm the schema is looked at: several come together, and a
	// look costs the server a good part of what reading the schema does.
	doubtPause = time.Second

	// idleFor is for how long no query must come before the connection is closed.
	idleFor = 30 * time.Second
)

// looks is when the server was looked at.
type looks struct {
	mu           sync.Mutex
	last, schema time.Time // the last look of any kind, and at the schema
	warned       bool      // that the cache cannot look over a connection of its own

	kept atomic.Bool // a connection of the cache's own can stay
}

// done notes a look at everything.
func (k *looks) done(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last, k.schema = now, now
}

// doubt makes it time to look at the schema.
func (k *looks) doubt() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.schema = time.Time{}
}

// due says whether it is time to look, and whether at the schema, too.
func (k *looks) due(now time.Time) (since time.Duration, schema bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	// The tick of a busy machine comes early or late.
	return now.Sub(k.last), now.Sub(k.schema) > schemaCheckEvery-watchEvery/2
}

// watch looks at the server until the engine closes.
func (l *schemaLoader) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	defer l.own.closeIdle()
	var before uint64
	var sampled time.Time
	used := time.Now()
	for {
		kicked := false
		select {
		case <-tick.C:
		case <-l.kicked:
			kicked = true
		case <-l.engine.background.Done():
			return
		}
		now := time.Now()
		if now.Sub(sampled) >= schemaCheckEvery {
			sampled = now
			l.engine.history.add(l.engine.sample())
		}
		if n := l.engine.stats.queries(); n != before {
			before, used = n, now
		} else if !kicked {
			if now.Sub(used) > idleFor {
				l.own.closeIdle()
			}
			continue
		}
		if st := l.state(); st != nil {
			l.turn(st, now, kicked)
		}
	}
}

// state returns the state, also one that is hidden.
func (l *schemaLoader) state() *schemaState {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hidden != nil {
		return l.hidden
	}
	return l.current.Load()
}

// kick has the server looked at now. afresh: over a new connection, since the one that
// stays may lead to another server than new ones do.
func (l *schemaLoader) kick(afresh bool) {
	if afresh {
		l.afresh.Store(true)
	}
	select {
	case l.kicked <- struct{}{}:
	default:
	}
}

// stormNews is how many changes of everything make a storm, if less than stormPause lies between one and the next.
const (
	stormNews  = 3
	stormPause = 2 * time.Second
)

// storm counts changes of everything that come close together.
type storm struct {
	mu   sync.Mutex
	last time.Time
	n    int
}

// comes notes one more, and reports whether it is one of a storm.
func (s *storm) comes(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.last) > stormPause {
		s.n = 0
	}
	s.last = now
	s.n = min(s.n+1, stormNews+1)
	return s.n > stormNews
}

// everything is told of a change of everything that names no change of the schema. Code that may change any table may change
// the schema, too. So the state is dropped; but not in a storm. A statement that comes while there is no catalog counts as a
// change of everything. If each of those had the catalog read again, it would never be there, and they would go on for ever.
func (l *schemaLoader) everything(now time.Time) {
	if l.storm.comes(now) {
		l.doubt()
	} else {
		l.news()
	}
}

// doubt has the schema looked at soon. The state is good until the look says otherwise.
func (l *schemaLoader) doubt() {
	l.looks.doubt()
	if !l.doubting.Swap(true) {
		time.AfterFunc(doubtPause, func() {
			l.doubting.Store(false)
			l.kick(false)
		})
	}
}

// turn looks, or has somebody look.
func (l *schemaLoader) turn(st *schemaState, now time.Time, kicked bool) {
	since, schema := l.looks.due(now)
	if st.snapshot == nil {
		return
	}
	if l.own.few() {
		if l.wanted.Swap(true) && since > lendPatience {
			l.hide(st, nil)
		}
		return
	}
	l.wanted.Store(false)
	if !l.looks.kept.Load() && !schema && !kicked {
		return
	}
	err := l.lookOwn(st, schema)
	switch {
	case err == nil || l.engine.background.Err() != nil:
	case dbconn.SQLState(err) == dbconn.TooManyConnections:
		l.own.giveWay(false)
		l.wanted.Store(true)
	case dbconn.IsDown(err):
	case since > lookBound:
		l.hide(st, err)
	}
}

// lookOwn looks over a connection of the cache's own.
func (l *schemaLoader) lookOwn(st *schemaState, schema bool) error {
	if l.afresh.Swap(false) {
		l.own.closeIdle()
	}
	own := l.own.take()
	if own != nil {
		if same, err := l.look(own.ctx, dbconn.NewQuerier(own.Conn), st, false, schema); err == nil {
			l.afterLook(own, st, same)
			return nil
		}
		own.Close() // it may have ended by itself
	}
	own, err := l.own.connect(l.engine.background)
	if err != nil {
		return err
	}
	l.engine.loggedIn(own.ctx)
	same, err := l.look(own.ctx, dbconn.NewQuerier(own.Conn), st, true, schema)
	if err != nil {
		own.Close()
		return err
	}
	l.afterLook(own, st, same)
	return nil
}

func (l *schemaLoader) afterLook(own *ownConn, st *schemaState, same bool) {
	l.looks.mu.Lock()
	l.looks.warned = false
	l.looks.mu.Unlock()
	if same && l.looks.kept.Load() {
		own.layDown()
	} else {
		own.Close()
	}
	if !same {
		l.refresh(st)
	}
}

// look asks whether the server is as it is known, and returns false if it is not. The
// schema is compared as well where that is due; if that is all that has changed, the
// state is dropped here.
func (l *schemaLoader) look(ctx context.Context, q dbconn.Querier, st *schemaState, isNew, schema bool) (same bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, schemaLoadTimeout)
	defer cancel()
	return l.lookFor(ctx, q, st, isNew, schema, st.seen.moved)
}

func (l *schemaLoader) lookFor(ctx context.Context, q dbconn.Querier, st *schemaState, isNew, schema bool, moved func(witness) bool) (same bool, err error) {
	sent, now := time.Now(), st.seen
	if err := now.ask(ctx, q, isNew); err != nil {
		return false, err
	}
	if st.seen.born(now) || moved(now) {
		return false, nil
	}
	if schema {
		print, err := catalog.Fingerprint(ctx, q, l.engine.roles)
		if err != nil {
			return false, err
		}
		if print != st.snapshot.Fingerprint() {
			l.engine.cfg.Logger.Info("mlcache: the schema was changed elsewhere; reading it again")
			l.drop()
			l.announce()
		}
		l.looks.mu.Lock()
		l.looks.schema = sent
		l.looks.mu.Unlock()
	}
	l.looked(st, sent)
	return true, nil
}

// looked notes that the state was true when the question was sent.
func (l *schemaLoader) looked(st *schemaState, sent time.Time) {
	l.looks.mu.Lock()
	l.looks.last = sent
	l.looks.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hidden == st {
		l.hidden = nil
		l.current.Store(st)
	}
}

// refresh takes over what the server has become. Until that is known the old state
// serves on: its bound is when the change was noticed.
func (l *schemaLoader) refresh(old *schemaState) {
	l.mu.Lock()
	stale := l.stale
	if l.loading != nil || l.current.Load() != old {
		l.mu.Unlock()
		l.drop() // whatever is under way may have begun before the change
		return
	}
	l.mu.Unlock()
	st, err := l.engine.loadSchema(l.engine.background, old, nil, new(atomic.Bool))
	if err != nil || st.snapshot == nil {
		l.drop()
		return
	}
	l.mu.Lock()
	if l.stale != stale || l.loading != nil {
		l.mu.Unlock()
		l.drop()
		return
	}
	l.current.Store(st)
	l.last = st
	l.mu.Unlock()
	l.engine.plans.keepOnly(st)
	l.looks.done(time.Now())
	l.settle(st, old, false)
}

// settle makes known what a changed server means for what is kept. told: somebody else
// has, and with it has dropped everything.
func (l *schemaLoader) settle(st, old *schemaState, told bool) {
	if old == nil || st == old || st.snapshot == nil {
		return
	}
	log := l.engine.cfg.Logger
	switch {
	case old.seen.born(st.seen):
		log.Warn("mlcache: the database server was started anew, or is another one; everything that was kept is dropped", "namespace", l.engine.cfg.Namespace)
	case old.seen.moved(st.seen) && st.base.id != old.base.id:
		// Meanwhile sessions may have written to, and read from, other tables than
		// was assumed.
		log.Info("mlcache: the server's configuration was changed; everything that was kept is dropped", "namespace", l.engine.cfg.Namespace)
	default:
		return
	}
	if !told {
		l.announce()
	}
}

// hide takes the state out of use until somebody has looked. The next query goes to the
// database, and its connection looks. err is why the cache cannot; nil while it leaves
// that to users' connections.
func (l *schemaLoader) hide(st *schemaState, err error) {
	l.mu.Lock()
	if l.current.Load() != st || l.loading != nil {
		l.mu.Unlock()
		return
	}
	l.hidden = st
	l.current.Store(nil)
	l.mu.Unlock()
	l.wanted.Store(true)
	if err == nil {
		return
	}
	l.looks.mu.Lock()
	warned := l.looks.warned
	l.looks.warned = true
	l.looks.mu.Unlock()
	if !warned {
		l.engine.cfg.Logger.Warn("mlcache: the database does not let the cache look whether its schema and configuration are still the same, so nothing is answered from it", "error", dbconn.SafeError(err))
	}
}

// lend has a user's connection look, if that is wanted and the connection is free. It
// comes before the user's own statement. The error is that of a context that has ended:
// pgx has closed the connection over it.
func (c *conn) lend(ctx context.Context) error {
	l := &c.engine.schema
	if !l.wanted.Load() || c.own || c.db.Origin == nil || c.inTx() {
		return nil
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < lendLeft {
		return nil
	}
	st := l.state()
	if st == nil || st.snapshot == nil || !l.wanted.CompareAndSwap(true, false) {
		return nil
	}
	_, schema := l.looks.due(time.Now())
	same, err := l.lookFor(ctx, dbconn.NewQuerier(c.db.Origin), st, true, schema, func(now witness) bool { return st.seen.movedSince(now, st.seen.conf) })
	switch {
	case err != nil:
		l.wanted.Store(true)
		if ctx.Err() != nil {
			return err
		}
	case !same:
		l.drop()
	}
	return nil
}
