package mlcache

import (
	"time"

	"github.com/mlcache/mlcache/internal/conncheck"
)

// second counts the seconds of a clock that is read at no cost where there are hits.
// It can jump, but does not stand still for longer than a second.
func (e *engine) second() uint32 {
	if s := e.l1.Seconds(); s > 0 {
		return s
	}
	return uint32(time.Since(e.started)/time.Second) + 1
}

// gone reports whether pgx, asked now, would give up the connection underneath:
// database/sql then closes this one too and opens another, as it does with pgx.
//
// pgx would ask the server. A hit must not wait for that, nor fail without a server,
// so here is only looked for what has come by itself, and that once a second: pgx too
// takes a connection for good that was in use within the last one. The question follows
// when a statement needs the server.
func (c *conn) gone() bool {
	if c.pgx == nil {
		return false
	}
	server := c.pgx.PgConn()
	if server.IsClosed() || server.TxStatus() != 'I' {
		return true // pgx itself closes it when a context ends, say
	}
	now := c.engine.second()
	if now == c.lookedAt {
		return false
	}
	c.lookedAt = now
	switch conncheck.New(server.Conn()).State() {
	case conncheck.Ended:
		return true
	case conncheck.Unread:
		// A goodbye, mostly. It is there already, so reading it takes no time.
		return server.CheckConn() != nil //nolint:staticcheck // Ping, which is to replace it, writes and waits
	}
	return false
}
