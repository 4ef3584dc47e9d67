package mlcache

import (
	"context"
	"database/sql/driver"
	"strconv"
	"sync"
	"time"

	"github.com/mlcache/mlcache/internal/dbconn"
)

// ownConns are the connections that the cache has for itself: to read the catalog, and
// to look whether the server is still as it is known. Where connections are scarce they
// give way to those of users, since no query may fail or wait for the cache's sake.
type ownConns struct {
	origin driver.Connector

	mu   sync.Mutex
	open map[*ownConn]struct{}
	// gone is when the last one was closed. The server may take a moment longer to
	// notice.
	gone time.Time
	// scarce: until then nothing is kept open, since a user's connection had to wait.
	scarce time.Time
	// limited: the server allows its users so few that none is kept open.
	limited bool
	// took is how long the last one took to open.
	took time.Duration
}

// ownConn is one of them. It is used by whoever made it, or took it, until it is
// closed or laid down.
type ownConn struct {
	driver.Conn
	of     *ownConns
	ctx    context.Context // ends when it has to give way
	cancel context.CancelFunc
	idle   bool // nobody uses it
}

const (
	// roomAfter is how long a user's connection may take to open, if one of the cache's
	// own did not take a quarter of that, before what nobody uses gives way: the origin
	// may have no more than it has handed out.
	roomAfter = 100 * time.Millisecond
	// roomAtLast is when what is being used gives way, too.
	roomAtLast = time.Second
	// scarceFor is for how long none is kept open after that.
	scarceFor = time.Minute
	// enoughFree is how many connections a server must have left for one to be kept.
	enoughFree = 10
	// roomFor is how long a user's connection is tried again when one of the cache's
	// own has taken the last place: a server frees it some milliseconds after.
	roomFor = time.Second
)

// connect opens one. ctx is for as long as it is open.
func (o *ownConns) connect(ctx context.Context) (*ownConn, error) {
	c := &ownConn{of: o}
	c.ctx, c.cancel = context.WithCancel(ctx)
	o.mu.Lock()
	if o.open == nil {
		o.open = make(map[*ownConn]struct{})
	}
	o.open[c] = struct{}{}
	o.mu.Unlock()
	opening, cancel := context.WithTimeout(c.ctx, schemaLoadTimeout)
	defer cancel()
	started := time.Now()
	origin, err := o.origin.Connect(opening)
	if err != nil {
		o.closed(c)
		return nil, err
	}
	c.Conn = origin
	o.mu.Lock()
	o.took = time.Since(started)
	o.mu.Unlock()
	return c, nil
}

// Close closes the connection and makes its place free.
func (c *ownConn) Close() error {
	err := c.Conn.Close()
	c.of.closed(c)
	return err
}

func (o *ownConns) closed(c *ownConn) {
	c.cancel()
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.open, c)
	o.gone = time.Now()
}

// layDown keeps the connection open for take, unless it is wanted by a user.
func (c *ownConn) layDown() {
	c.of.mu.Lock()
	if c.ctx.Err() == nil && !c.of.scarceNow() {
		c.idle = true
		c.of.mu.Unlock()
		return
	}
	c.of.mu.Unlock()
	c.Close()
}

// take returns what was laid down, nil for nothing.
func (o *ownConns) take() *ownConn {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.open {
		if c.idle {
			c.idle = false
			return c
		}
	}
	return nil
}

// closeIdle closes what was laid down.
func (o *ownConns) closeIdle() {
	for c := o.take(); c != nil; c = o.take() {
		c.Close()
	}
}

// few: none is to be kept open now.
func (o *ownConns) few() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.scarceNow()
}

func (o *ownConns) scarceNow() bool { return o.limited || time.Now().Before(o.scarce) }

func (o *ownConns) setLimited(limited bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.limited = limited
}

// giveWay closes them all, and ends what they do, unless it is for those only that
// nobody uses. It returns false if there were none, nor any a moment ago.
func (o *ownConns) giveWay(idleOnly bool) bool {
	o.mu.Lock()
	had := !idleOnly && time.Since(o.gone) < roomFor
	for c := range o.open {
		had = had || c.idle || !idleOnly
		if !c.idle && !idleOnly {
			c.cancel() // whoever uses it closes it
		}
	}
	if had {
		o.scarce = time.Now().Add(scarceFor)
	}
	o.mu.Unlock()
	o.closeIdle()
	return had
}

// patience is how long a user's connection may take to open.
func (o *ownConns) patience() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return max(roomAfter, 4*o.took)
}

// connect opens the user's connection. Those of the cache's own are no reason for it to
// wait or to fail.
func (c *conn) connect(ctx context.Context) (driver.Conn, error) {
	origin, err := c.connectPatiently(ctx)
	if err == nil {
		c.engine.loggedIn(ctx)
	}
	return origin, err
}

func (c *conn) connectPatiently(ctx context.Context) (driver.Conn, error) {
	e := c.engine
	if c.own || e.off() {
		return c.connector.origin.Connect(ctx)
	}
	patience := e.schema.own.patience()
	defer time.AfterFunc(patience, func() { e.giveWay(true) }).Stop()
	defer time.AfterFunc(max(roomAtLast, patience), func() { e.giveWay(false) }).Stop()
	origin, err := c.connector.origin.Connect(ctx)
	if err == nil || dbconn.SQLState(err) != dbconn.TooManyConnections || !e.giveWay(false) {
		return origin, err
	}
	for pause, end := 5*time.Millisecond, time.Now().Add(roomFor); time.Now().Before(end); pause *= 2 {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
		again, errAgain := c.connector.origin.Connect(ctx)
		if errAgain == nil {
			return again, nil
		}
		if dbconn.SQLState(errAgain) != dbconn.TooManyConnections {
			return nil, errAgain
		}
		err = errAgain
	}
	return nil, err
}

// giveWay closes the cache's own connections of all kinds.
func (e *engine) giveWay(idleOnly bool) bool {
	renewed := e.renewer.giveWay()
	return e.schema.own.giveWay(idleOnly) || renewed
}

// placesQuery asks for what limits the user's connections: the limits of role and
// database, -1 for none, and how many the server has left.
const placesQuery = `SELECT
 (SELECT CASE WHEN rolsuper THEN -1 ELSE rolconnlimit END FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) session_user)::pg_catalog.text,
 (SELECT datconnlimit FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())::pg_catalog.text,
 (pg_catalog.current_setting('max_connections')::pg_catalog.int8 OPERATOR(pg_catalog.-) pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int8
  OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE datid IS NOT NULL))::pg_catalog.text`

// isLimited reads the answer to placesQuery. Where somebody has counted the
// connections of a role or of a database, one more is one too many.
func isLimited(rows [][]*string) bool {
	if len(rows) != 1 || len(rows[0]) != 3 {
		return false
	}
	role, database, left := dbconn.Cell(rows, 0), dbconn.Cell(rows, 1), dbconn.Cell(rows, 2)
	free, err := strconv.Atoi(left)
	return role != "" && role != "-1" || database != "" && database != "-1" || err == nil && free < enoughFree
}
