package mlcache

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mlcache/mlcache/cache"
)

// renewer asks the database for answers that nobody waits for, over connections of
// its own.
//
// An answer depends on whose session asks, and of a user's connection, which may be in
// use for anything by then, none can be lent. So a renewal is made only for sessions
// that are as every fresh one is, of a connector whose sessions all start alike; the
// connection that makes it reads back its session's state, and gives up unless it comes to the
// very key that was asked for.
type renewer struct {
	engine    *engine
	connector *Connector // of the renewer's own connections
	flights   *cache.Flights
	places    chan struct{} // one for each renewal that is under way or waits

	// again has the time, in Unix nanoseconds, before which no further renewal of
	// a key is tried; keys share its places.
	again [1024]atomic.Int64

	mu sync.Mutex
	db *sql.DB // nil before the first renewal
}

const (
	renewPlaces  = 64
	renewConns   = 2
	renewIdle    = 10 * time.Second
	renewTimeout = 30 * time.Second
	// renewPause follows a renewal that failed, or for which it was another's turn.
	renewPause = 250 * time.Millisecond
	// renewRefused is how long a plan is not renewed whose key another session
	// would not come to.
	renewRefused = time.Minute
)

func (r *renewer) init(e *engine, c *Connector) {
	r.engine = e
	r.flights = cache.NewFlights()
	r.places = make(chan struct{}, renewPlaces)
	r.connector = &Connector{origin: e.origin, cfg: e.cfg, rules: e.rules, engine: e, static: c.static, plain: c.plain, plainTypes: c.plainTypes}
}

// ownConnector makes connections for work of mlcache's own. Unlike Connector it has no
// Close: the engine does not end with them.
type ownConnector struct {
	c     *Connector
	quiet bool // what its connections do counts for nobody
}

func (o ownConnector) Connect(context.Context) (driver.Conn, error) {
	o.c.mu.Lock()
	o.c.conns++
	o.c.mu.Unlock()
	conn := newConn(o.c)
	if o.quiet {
		conn.own = true
		conn.counters = &o.c.engine.stats.own
	}
	return conn, nil
}

func (o ownConnector) Driver() driver.Driver { return &Driver{connector: o.c} }

// pool returns the renewer's connections; nil once the engine closes.
func (r *renewer) pool() *sql.DB {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.db == nil && r.engine.background.Err() == nil {
		r.db = sql.OpenDB(ownConnector{r.connector, true})
		r.db.SetMaxOpenConns(renewConns)
		r.db.SetMaxIdleConns(renewConns)
		r.db.SetConnMaxIdleTime(renewIdle)
	}
	return r.db
}

// giveWay closes the connections that nobody uses. It returns false if there were none.
func (r *renewer) giveWay() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.db == nil || r.db.Stats().OpenConnections == 0 {
		return false
	}
	r.db.SetMaxIdleConns(-1)
	r.db.SetMaxIdleConns(renewConns)
	return true
}

func (r *renewer) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.db != nil {
		_ = r.db.Close() // what it says about connections is nobody's concern any more
	}
}

// renewal is one question to ask again.
type renewal struct {
	key   []byte
	query string
	args  []driver.NamedValue
	opts  *options
	// early: the answer is still good. One process at a time asks the database.
	early time.Duration
}

// canRenew says whether another connection would ask the same question.
func (c *conn) canRenew(l *lookup) bool {
	return c.connector.static && c.schema != nil && l.session.id == c.schema.base.id && !l.mutable && l.opts.renewal == nil &&
		time.Now().UnixNano() >= l.plan.notRenewed.Load()
}

// renewLater has the answer renewed in the background, unless that is under way. It
// returns false if it cannot be.
func (c *conn) renewLater(l *lookup, early bool) bool {
	r := &c.engine.renewer
	if !c.canRenew(l) || c.engine.background.Err() != nil {
		return false
	}
	again := &r.again[l.hash()%uint64(len(r.again))]
	if time.Now().UnixNano() < again.Load() {
		return true // it was tried just now
	}
	leader, call := r.flights.Join(l.key)
	if !leader {
		return true
	}
	select {
	case r.places <- struct{}{}:
	default:
		call.Done(nil, false)
		return false
	}
	job := &renewal{key: slices.Clone(l.key), query: l.src.query, args: slices.Clone(l.args), opts: l.opts}
	if early {
		job.early = l.late.Early
	}
	plan := l.plan
	c.engine.tasks.Go(func() {
		defer func() {
			<-r.places
			call.Done(nil, false)
		}()
		err := r.run(job)
		switch {
		case err == nil:
		case errors.Is(err, errOtherSession):
			plan.notRenewed.Store(time.Now().Add(renewRefused).UnixNano())
			r.engine.stats.renewErrors.Add(1)
		default:
			again.Store(time.Now().Add(renewPause).UnixNano())
			if !errors.Is(err, errNotMyTurn) {
				r.engine.stats.renewErrors.Add(1)
			}
		}
	})
	return true
}

// hash is that of the key, by which it finds its place in a table.
func (l *lookup) hash() uint64 { return keyStamp(l.key) }

var (
	errRenewed      = errors.New("mlcache: renewed")
	errOtherSession = errors.New("mlcache: another session would not ask the same question")
	errNotNow       = errors.New("mlcache: nothing can be kept now")
	errNotMyTurn    = errors.New("mlcache: another process renews it")
)

// run asks, by a query like every other one, so that pgx's and database/sql's own ways of
// finding a good connection are those of the user.
func (r *renewer) run(job *renewal) error {
	db := r.pool()
	if db == nil {
		return errNotNow
	}
	ctx, cancel := context.WithTimeout(r.engine.background, renewTimeout)
	defer cancel()
	opts := options{ttl: job.opts.ttl, tables: job.opts.tables, renewal: job}
	ctx = context.WithValue(ctx, optionsKey{}, &opts)
	args := make([]any, len(job.args))
	for i, a := range job.args {
		args[i] = a.Value
		if a.Name != "" {
			args[i] = sql.Named(a.Name, a.Value)
		}
	}
	rows, err := db.QueryContext(ctx, job.query, args...) //nolint:rowserrcheck // nobody reads them
	switch {
	case errors.Is(err, errRenewed):
		return nil
	case err == nil:
		rows.Close() //nolint:sqlclosecheck // at once
		return errOtherSession
	}
	return err
}

// answerAgain is what query does for a renewal. Its error is never nil.
func (c *conn) answerAgain(ctx context.Context, src source, args []driver.NamedValue, opts *options) error {
	if err := c.open(ctx); err != nil {
		return err
	}
	if err := c.readBack(ctx); err != nil {
		return err
	}
	p := c.planFor(ctx, src.query, opts.tables)
	if p.reason != "" || c.session == nil || c.session.bypass != "" {
		return errOtherSession
	}
	if err := c.needSettings(ctx, p.settings); err != nil {
		return err
	}
	l := &c.lookup
	*l = lookup{plan: p, session: c.session, src: src, args: args, opts: opts}
	defer l.forget()
	if reason := c.makeKey(l); reason != "" || !bytes.Equal(l.key, opts.renewal.key) {
		return errOtherSession
	}
	l.late = c.engine.steering(p).late.OrZero()
	e := c.engine
	way := e.hub.latest.Begin(keyStamp(l.key))
	defer way.End()
	l.asking = way
	if err := e.versions.Ensure(ctx, p.cells); err != nil || !e.versions.Live(e.cfg.MaxStaleness) {
		return errNotNow
	}
	c.loadStamps(l)
	if slices.Contains(l.stamps, 0) {
		return errNotNow
	}
	if e.l2 != nil {
		entry, err := e.l2.Get(ctx, l.key, nil)
		ends := time.UnixMilli(cache.Deadline(entry))
		if rows := c.fromL2(ctx, l, entry, err); rows != nil {
			rows.Close() // always nil: they come from memory
			if time.Until(ends) > opts.renewal.early {
				return errRenewed
			}
		}
		if early := opts.renewal.early; early > 0 && !e.l2.Lease(ctx, l.key, max(early, time.Second)) {
			return errNotMyTurn
		}
	}
	leader, call := e.flights.Join(flightKey(l))
	if !leader {
		call.Wait(ctx)
		return errRenewed
	}
	defer call.Done(nil, false)
	rec, err := c.fetch(ctx, l)
	if err != nil {
		return err
	}
	if rec.whole {
		call.Done(flown{rec.payload}, true)
	}
	e.stats.renewals.Add(1)
	if err := rec.rows.Close(); err != nil {
		return err
	}
	return errRenewed
}

// refreshEarly has an answer renewed that was just given and is near its end.
func (c *conn) refreshEarly(l *lookup, now time.Time) {
	entry, ok := c.engine.l1.Lookup(l.here, nil)
	if ends := cache.Deadline(entry); ok && ends != 0 && time.UnixMilli(ends).Sub(now) < l.late.Early {
		c.renewLater(l, true)
	}
}
