package mlcache

import (
	"context"
	"database/sql/driver"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/internal/dbconn"
)

// conn is one connection of the pool. database/sql lets one goroutine at a time
// use it, so it needs no lock of its own. It has the optional interfaces of
// pgx's connection, no more.
type conn struct {
	connector *Connector
	engine    *engine
	counters  *cache.Stripe

	// db has no connection until a statement needs the database.
	db dbconn.Conn
	// wanted is the context of the caller for whom database/sql has made this connection,
	// while there is none underneath: see Conn.
	wanted context.Context

	// touched: a statement may have changed the session since it was opened. pooled:
	// its statements are run by sessions that others use in between (PgBouncer).
	touched, pooled bool
	// fired: a statement may have fired event triggers, which may have changed the session,
	// while it was not known whether there are any.
	fired bool
	// held is the name of the session in fences, made with heldBy; see holder.
	held   string
	heldBy *schemaState
	// own: it does the cache's own work.
	own bool

	// session is nil while its state is not known.
	session *session
	// names is the last known session of which all still holds that the names in a
	// text depend on; nil while that is not known. It is session if that is not nil.
	// Inside a transaction it can be one in doubt: see session.among.
	names *session
	// custom are the values of settings that policies asked for, read since
	// session is known. The server does not list custom settings by itself.
	custom map[string]string
	// changed: the session may have changed before anything was known of it, that
	// is while schema is nil.
	changed bool
	params  map[string]string // the reported parameters of session
	ahead   string            // the query of this connection that was answered before the schema was known
	schema  *schemaState      // what session and plans were made with
	plans   map[string]*plan
	recent  [recentPlans]recentPlan
	planned int    // bytes that plans take, as far as counted
	dropped uint64 // planCache.dropped when plans was empty

	cutShort error // see wasCutShort

	tx  txState
	raw *hubFence // while the pgx connection is in the user's hands
	// lent: it has been in the user's hands, who may have registered types on it.
	lent bool
	// registers: types can be registered on pgx, see types.go. False without pgx.
	registers bool
	closed    bool

	lookup lookup // of the query that is being answered
	hits   hitCounts
	by     answeredBy // who answered the last query

	reports uint // of hits, as hitCounts makes them
	// rows are used for one result after the other; rowsTaken, while one is open.
	rows      wireRows
	rowsTaken bool

	keyBuf   []byte
	stampBuf []uint64
	nameRoom []string    // see ownNames
	types    ownTypes    // of the origin
	ownMap   *pgtype.Map // used while there is no origin
}

var (
	_ driver.Conn               = (*conn)(nil)
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ExecerContext      = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
	_ driver.Pinger             = (*conn)(nil)
	_ driver.QueryerContext     = (*conn)(nil)
	_ driver.SessionResetter    = (*conn)(nil)
)

func newConn(c *Connector) *conn {
	return &conn{
		connector: c,
		engine:    c.engine,
		counters:  c.engine.stats.levels.Stripe(),
		plans:     make(map[string]*plan),
	}
}

// open makes sure that there is an origin connection, ready for a statement.
func (c *conn) open(ctx context.Context) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	return c.lend(ctx)
}

func (c *conn) ready(ctx context.Context) error {
	if c.db.Origin == nil {
		origin, err := c.connect(ctx)
		if err != nil {
			return err
		}
		c.wanted = nil
		c.db.Use(origin, c.engine.second(), isOwn)
		c.canRegister()
		c.lookAtTypes()
		c.opened()
		return nil
	}
	if !c.db.Reset(ctx) {
		c.forgetOrigin()
		return c.ready(ctx)
	}
	return nil
}

// isOwn recognizes mlcache's own connections: asked for pgx's, they would take themselves for lent.
func isOwn(c driver.Conn) bool {
	_, ok := c.(*conn)
	return ok
}

// forgetOrigin lets go of an origin connection that is bad. What its session had
// become is gone with it. database/sql would have thrown it away before anybody got it;
// here it may be with a caller already, who may hold it as a sql.Conn and so get no
// second one from a retry.
func (c *conn) forgetOrigin() {
	c.db.Drop()
	c.letGo()
	c.registers = false
	c.tx, c.changed, c.touched, c.fired, c.types = txState{}, false, false, false, ownTypes{}
	if c.schema != nil {
		c.setSession(c.schema.base)
	}
}

const rawPatience = 30 * time.Second

// Conn returns the pgx connection underneath, as pgx's own driver connection
// does; nil if the origin is not pgx or cannot be reached. What is done with it
// passes mlcache by. So from here until this connection's next use by
// database/sql, every table counts as being written, and the session's state
// counts as unknown.
//
// It has no context. As pgx has connected by the time that its user gets a connection, so
// this ends when the context ends that the connection was asked for with, where it has not
// ended before, and in any case after half a minute.
func (c *conn) Conn() *pgx.Conn {
	wanted := c.wanted
	if wanted == nil || wanted.Err() != nil {
		wanted = context.Background()
	}
	ctx, cancel := context.WithTimeout(wanted, rawPatience)
	defer cancel()
	if err := c.open(ctx); err != nil || c.db.Pgx == nil {
		return nil
	}
	c.handOut()
	return c.db.Pgx
}

// Close closes the origin connection, if there is one.
func (c *conn) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	c.takeBack()
	defer c.connector.disconnected()
	defer c.letGo()
	return c.db.Close()
}

// Ping asks the database.
func (c *conn) Ping(ctx context.Context) error {
	c.takeBack()
	if err := c.open(ctx); err != nil {
		return err
	}
	return c.db.Ping(ctx)
}

// ResetSession is called by database/sql before the connection is used again. The
// only error is driver.ErrBadConn, upon which it takes another one.
func (c *conn) ResetSession(ctx context.Context) error {
	c.takeBack()
	c.db.ResetLater()
	if c.connector.static {
		if !c.db.IsGone(c.engine.second()) {
			return nil
		}
		if !c.db.HasPrepared() {
			return driver.ErrBadConn
		}
		// To prepare its statements on another connection takes a server, and their
		// hits do not.
		c.forgetOrigin()
		return nil
	}
	// A hook may make it another session, in a way that depends on ctx.
	if c.hasCatalog() {
		c.setSession(nil)
	}
	if !c.db.Reset(ctx) {
		return driver.ErrBadConn
	}
	return nil
}

// hasCatalog says whether sessions of this origin can be told apart at all.
func (c *conn) hasCatalog() bool { return c.schema != nil && c.schema.snapshot != nil }

// CheckNamedValue takes every argument as it is, as pgx does. Another origin's own
// checks follow when a statement goes to it, see originArgs.
func (c *conn) CheckNamedValue(*driver.NamedValue) error { return nil }

// Prepare is PrepareContext without a context.
func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// PrepareContext prepares at the origin, which knows the number of parameters
// and has the error message.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.takeBack()
	if err := c.open(ctx); err != nil {
		return nil, err
	}
	prepared, err := c.db.Prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return &stmt{conn: c, prepared: prepared}, nil
}

// QueryContext answers from the cache where it can.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.takeBack()
	return c.query(ctx, source{query: query}, args)
}

// ExecContext runs the statement at the origin and makes its changes known.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.takeBack()
	return c.exec(ctx, source{query: query}, args)
}
