package mlcache

import (
	"time"

	"github.com/mlcache/mlcache/internal/peek"
)

// idleCheck is how long a connection lies unused until it is looked at before it is
// used again. It is pgx's own value.
const idleCheck = time.Second

// gone reports whether pgx, asked now, would give up the connection underneath:
// database/sql then closes this one too and opens another, as it does with pgx.
//
// pgx would ask the server. A hit must not wait for that, nor fail without a server,
// so here is only looked for what has come by itself; the question follows when a
// statement needs the server.
func (c *conn) gone() bool {
	if c.pgx == nil {
		return false
	}
	server := c.pgx.PgConn()
	if server.IsClosed() || server.TxStatus() != 'I' {
		return true // pgx itself closes it when a context ends, say
	}
	now := time.Since(c.engine.started)
	idle := now - c.resetAt
	c.resetAt = now
	if idle <= idleCheck {
		return false
	}
	switch peek.New(server.Conn()).State() {
	case peek.Ended:
		return true
	case peek.Unread:
		// A goodbye, mostly. It is there already, so reading it takes no time.
		return server.CheckConn() != nil //nolint:staticcheck // Ping, which is to replace it, writes and waits
	}
	return false
}
