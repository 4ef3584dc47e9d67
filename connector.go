package mlcache

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"sync"
)

// Connector makes connections that answer from the cache. Use it with
// sql.OpenDB. It is safe for concurrent use.
type Connector struct {
	origin driver.Connector
	engine *engine
	driver *Driver
	// static: all sessions of the origin start alike, and stay so when a
	// connection is reused. Otherwise a hook that sees the caller's context may
	// make it another tenant's session, and nothing can be answered before the
	// origin has been asked whose session it is.
	static bool

	closeOnce sync.Once
	closeErr  error
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
	return newConnector(origin, cfg, isPlainPgx(origin))
}

func newConnector(origin driver.Connector, cfg *Config, static bool) (*Connector, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	e, err := newEngine(origin, cfg)
	if err != nil {
		return nil, err
	}
	c := &Connector{origin: origin, engine: e, static: static || cfg.StaticSessions}
	c.driver = &Driver{connector: c}
	return c, nil
}

// Connect returns a connection that opens its own connection to the database
// when it first needs one: a hit needs none. So an unreachable database shows
// at the first statement that is not a hit, and at Ping.
func (c *Connector) Connect(context.Context) (driver.Conn, error) {
	return newConn(c), nil
}

// Driver returns the driver of this connector, by which From finds the cache.
func (c *Connector) Driver() driver.Driver { return c.driver }

// Close ends what the cache runs in the background. database/sql calls it from
// DB.Close. It may be called more than once.
func (c *Connector) Close() error {
	c.closeOnce.Do(func() {
		c.engine.close()
		if closer, ok := c.origin.(io.Closer); ok {
			c.closeErr = closer.Close()
		}
	})
	return c.closeErr
}
