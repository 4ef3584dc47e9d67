package dbconn

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache/internal/conncheck"
)

// Conn is the connection underneath, once there is one. The zero value has none. It is used by one goroutine at a time.
type Conn struct {
	// Origin is nil until Use.
	Origin driver.Conn
	// Pgx is the connection inside Origin, if Origin is pgx's own; Behind is the one that another Origin shows. Nil for none.
	Pgx, Behind *pgx.Conn

	// number counts the connections that there have been. A statement that was prepared on an earlier one is prepared again.
	number int
	// prepared counts the statements that were prepared and not closed.
	prepared int
	// resetDue: a reset was asked for that Origin has not seen yet. It is passed on when Origin is used next, so that a hit
	// needs none.
	resetDue bool
	// lookedAt is the second in which Origin was opened, or looked at last.
	lookedAt uint32
}

// Use takes a connection over, opened in the second given. own recognizes the caller's own connections, which have pgx's
// methods and are not to be asked for what is behind them.
func (c *Conn) Use(origin driver.Conn, second uint32, own func(driver.Conn) bool) {
	c.Origin, c.Pgx, c.Behind = origin, Pgx(origin), nil
	if c.Pgx == nil {
		c.Behind = behind(origin, own)
	}
	c.number++
	c.resetDue, c.lookedAt = false, second
}

// Drop closes a connection that is bad, and forgets it.
func (c *Conn) Drop() {
	c.Origin.Close() // it is bad, and so may be its error
	c.Origin, c.Pgx, c.Behind = nil, nil, nil
	c.number++
	c.resetDue = false
}

// Close closes the connection, if there is one.
func (c *Conn) Close() error {
	if c.Origin == nil {
		return nil
	}
	return c.Origin.Close()
}

// ResetLater notes that the connection is used again, which Reset tells it.
func (c *Conn) ResetLater() { c.resetDue = c.Origin != nil }

// Reset tells the connection that it is used again, if it has not been told, as database/sql would. It returns false if the
// connection turns out to be bad.
func (c *Conn) Reset(ctx context.Context) bool {
	if !c.resetDue {
		return true
	}
	c.resetDue = false
	if origin, ok := c.Origin.(*stdlib.Conn); ok {
		return !errors.Is(origin.ResetSession(ctx), driver.ErrBadConn)
	}
	if v, ok := c.Origin.(driver.Validator); ok && !v.IsValid() {
		return false
	}
	r, ok := c.Origin.(driver.SessionResetter)
	// database/sql too looks at no other error of ResetSession.
	return !ok || !errors.Is(r.ResetSession(ctx), driver.ErrBadConn)
}

// Ping asks the server, where the connection can.
func (c *Conn) Ping(ctx context.Context) error {
	if p, ok := c.Origin.(driver.Pinger); ok {
		return p.Ping(ctx)
	}
	return nil
}

// IsGone reports whether pgx, asked now, would give up the connection: database/sql then closes this one too and opens
// another, as it does with pgx.
//
// pgx would ask the server. A hit must not wait for that, nor fail without a server, so here is only looked for what has come
// by itself, and that once in a second: pgx too takes a connection for good that was in use within the last one. The question
// follows when a statement needs the server.
func (c *Conn) IsGone(second uint32) bool {
	if c.Pgx == nil {
		return false
	}
	server := c.Pgx.PgConn()
	if server.IsClosed() || server.TxStatus() != 'I' {
		return true // pgx itself closes it when a context ends, say
	}
	if second == c.lookedAt {
		return false
	}
	c.lookedAt = second
	switch conncheck.New(server.Conn()).State() {
	case conncheck.Ended:
		return true
	case conncheck.Unread:
		// In most cases the server says that it ends. It is there already, so reading it takes no time.
		return server.CheckConn() != nil //nolint:staticcheck // Ping, which is to replace it, writes and waits
	}
	return false
}

// InTx says whether the session is inside a transaction, begun in whatever way; known is false where nothing tells.
func (c *Conn) InTx() (inTx, known bool) {
	switch {
	case c.Pgx != nil:
		return c.Pgx.PgConn().TxStatus() != 'I', true
	case c.Behind != nil:
		return c.Behind.PgConn().TxStatus() != 'I', true
	}
	return false, false
}

// InStep says whether the server has answered all that was sent to it, as far as that can be seen.
func (c *Conn) InStep() bool {
	return c.Pgx != nil && !c.Pgx.PgConn().IsClosed() && !c.Pgx.PgConn().IsBusy()
}

// IsClosed says whether pgx has closed the connection, and sends nothing any more.
func (c *Conn) IsClosed() bool { return c.Pgx != nil && c.Pgx.IsClosed() }

// behind looks for pgx's connection inside a wrapper that shows it.
func behind(origin driver.Conn, own func(driver.Conn) bool) *pgx.Conn {
	for range 4 { // wrappers of wrappers
		if own(origin) {
			return nil
		}
		switch c := origin.(type) {
		case interface{ Conn() *pgx.Conn }:
			return c.Conn()
		case interface{ Raw() driver.Conn }:
			origin = c.Raw()
		case interface{ WrappedConn() driver.Conn }:
			origin = c.WrappedConn()
		case interface{ Unwrap() driver.Conn }:
			origin = c.Unwrap()
		default:
			return nil
		}
	}
	return nil
}
