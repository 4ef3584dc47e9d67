package mlcache

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/mlcache/mlcache/internal/writeset"
)

// The server can change a session without a statement: when its configuration is loaded
// again, each process takes that over before its next statement. The parameters that it
// reports by itself (PostgreSQL manual 55.2.7) show it together with the answer to that
// very statement.

// sessionRead notes what the server reports of a session that it has just described.
func (c *conn) sessionRead() {
	c.params = nil
	if c.db.Pgx != nil {
		c.params = reportedParams(c.db.Pgx)
	}
	if st := c.schema; st.base.server != "" && c.session.server != st.base.server {
		// The server was started anew, or there are several.
		c.engine.schema.kick(true)
	}
}

// movedUnasked says whether the session is another one than the one that was read, and
// forgets it then: nothing that it has answered just now may be kept as its answer.
func (c *conn) movedUnasked() bool {
	if c.db.Pgx == nil || c.session == nil || c.params == nil || sameParams(c.db.Pgx, c.params) {
		return false
	}
	c.setSession(nil)
	c.engine.schema.kick(false)
	return true
}

// namesReported are the reported parameters by which a statement's text and names are
// read, and lexingReported those for the text alone.
var (
	namesReported  = []string{"search_path", "standard_conforming_strings", "session_authorization", "is_superuser", "client_encoding"}
	lexingReported = []string{"standard_conforming_strings", "client_encoding"}
)

// wroteElsewhere is called after a statement that changes something: if the session
// has moved meanwhile, nobody knows what was changed.
func (c *conn) wroteElsewhere(p *plan) {
	if c.db.Pgx == nil || c.names == nil || c.params == nil || p.touchesSession || !p.isWrite() {
		return
	}
	reported := namesReported
	if c.names.inDoubt() {
		reported = lexingReported // its path or role has been changed by a statement, and every candidate counts
	}
	if !movedNames(c.db.Pgx, c.params, reported) {
		return
	}
	c.setSession(nil)
	c.engine.schema.kick(false)
	if c.inTx() {
		c.tx.changes.Add(writeset.Change{All: true})
		c.tx.writes = true
		return
	}
	_ = c.engine.hub.invalidate(context.Background()) // what Redis cannot be told now is queued
}

func movedNames(pc *pgx.Conn, params map[string]string, reported []string) bool {
	for _, name := range reported {
		if pc.PgConn().ParameterStatus(name) != params[name] {
			return true
		}
	}
	return false
}
