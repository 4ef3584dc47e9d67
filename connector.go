package mlcache

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/internal/dbconn"
)

// Connector makes connections that answer from the cache. Use it with
// sql.OpenDB. It is safe for concurrent use.
type Connector struct {
	origin driver.Connector
	cfg    *Config
	driver *Driver
	rules  *ruleBook
	place  string // see placeKind.origin

	// One Connector can serve several sql.DB. database/sql tells it when one of
	// them closes, but not of how many it has. So what runs in the background ends
	// with the last connection after a Close, and begins anew with the next.
	mu      sync.Mutex
	engine  *engine // the newest; never nil
	conns   int     // open connections
	closing bool    // Close has been called since the engine began
	closed  bool    // engine is closed
	// static: all sessions of the origin start alike, and stay so when a
	// connection is reused. Otherwise a hook that sees the caller's context may
	// make it another tenant's session, and nothing can be answered before the
	// origin has been asked whose session it is.
	static bool
	// plain: the origin is pgx's own connector without hooks.
	plain bool
	// plainTypes: its connections have pgx's own types and no others, until a program gets hold of one.
	plainTypes bool

	onRead atomic.Pointer[func(context.Context, ReadEvent)] // nil: nobody wants to know

	closeOrigin sync.Once
	closeErr    error
}

var (
	_ driver.Connector = (*Connector)(nil)
	_ io.Closer        = (*Connector)(nil)
)

// NewConnector puts the cache in front of any connector for PostgreSQL: a
// configured pgx, a cloud dialer, a mock. A nil cfg means all defaults. A bad
// value in cfg is an error that names it by its DSN key.
//
// An origin whose catalog cannot be read (a mock) works by the rules without a
// catalog: every identifier of a SELECT counts as a table, and every write drops
// everything.
//
// Hooks that run when the origin connects, or when a connection is reused, can
// change whose session it is. Where mlcache cannot see that there are none (it
// can for pgx's stdlib.GetConnector without options), it asks the server for the
// session's state each time that a connection leaves the pool; Config.StaticSessions
// says that this is not needed.
func NewConnector(origin driver.Connector, cfg *Config) (*Connector, error) {
	if origin == nil {
		return nil, errors.New("mlcache: NewConnector: origin is nil")
	}
	return newConnector(origin, cfg, dbconn.IsPlainPgx(origin), ownOrigin())
}

func newConnector(origin driver.Connector, cfg *Config, plain bool, place string) (*Connector, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Connector{origin: origin, cfg: cfg, static: plain || cfg.StaticSessions, plain: plain, plainTypes: registersNothing(origin), place: place}
	c.driver = &Driver{connector: c}
	c.rules = &ruleBook{}
	c.rules.setOwn(cfg.Rules)
	if cfg.RulesFile != "" {
		if err := c.rules.loadRules(cfg.RulesFile); err != nil {
			return nil, err
		}
	}
	if err := c.begin(); err != nil {
		return nil, err
	}
	return c, nil
}

// begin makes the engine.
func (c *Connector) begin() error {
	roles := catalog.AllRoles // sessions of whatever users
	if c.static {
		roles = catalog.OwnRoles
	}
	e, err := newEngine(c.origin, c.cfg, roles, c.rules, c.place)
	if err != nil {
		return err
	}
	e.renewer.init(e, c)
	c.engine, c.closed, c.closing = e, false, false
	return nil
}

// Connect returns a connection that opens its own connection to the database
// when it first needs one: a hit needs none. So an unreachable database shows
// at the first statement that is not a hit, and at Ping.
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		if err := c.begin(); err != nil {
			return nil, err
		}
	}
	c.conns++
	conn := newConn(c)
	conn.wanted = ctx
	return conn, nil
}

// disconnected is called by each connection once, when it closes.
func (c *Connector) disconnected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns--
	c.closeUnused()
}

// closeUnused ends the engine if it is closing and nobody uses it. Called with mu
// held.
func (c *Connector) closeUnused() {
	if c.closing && !c.closed && c.conns == 0 {
		c.closed = true
		c.engine.close()
	}
}

// current returns the engine for a Handle.
func (c *Connector) current() *engine {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine
}

// Driver returns the driver of this connector, by which From finds the cache.
func (c *Connector) Driver() driver.Driver { return c.driver }

// Close ends what the cache runs in the background, as soon as the last connection
// has closed. database/sql calls it from DB.Close, when all connections of that DB
// are closed but those in use. It may be called more than once. A Connector that
// another sql.DB has in use goes on; one that is used again starts anew, with an
// empty cache.
func (c *Connector) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
	c.closeUnused()
	if closer, ok := c.origin.(io.Closer); ok {
		c.closeOrigin.Do(func() { c.closeErr = closer.Close() })
	}
	return c.closeErr
}
