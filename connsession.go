package mlcache

import (
	"context"
	"errors"
	"time"

	"github.com/mlcache/mlcache/internal/dbconn"
)

// freshFor is how long after the base session was read a connection is taken to resolve
// names like it, where it cannot be asked.
const freshFor = 2 * time.Second

// opened: of a new session nothing is known before the server was asked. Fresh ones are
// alike, but not over time (ALTER ROLE … SET), and a new connection may lead to another
// server, which lags behind. Who has begun a transaction before anything was known cannot
// be asked any more: a program that does nothing else must not have each of its writes
// drop everything.
func (c *conn) opened() {
	if !c.hasCatalog() {
		return
	}
	st := c.schema
	if c.db.Pgx != nil && c.inTx() && c.connector.static && sameParams(c.db.Pgx, st.params) && time.Since(st.loaded) < freshFor {
		c.setSession(st.base)
		c.session, c.params = nil, st.params
		return
	}
	c.setSession(nil)
}

// setSession replaces what is known of the session; nil for nothing.
func (c *conn) setSession(s *session) {
	if s == nil || c.names == nil || s.names != c.names.names {
		c.forgetPlans()
	}
	c.session, c.names = s, s
	c.custom = nil
}

// asker gives what a question of mlcache's own to the user's session goes through:
// every one does. Inside a transaction there is none: the question would take the
// snapshot that the user has not taken yet, an error of it would end the
// transaction, and so would the user's own time limit for statements.
func (c *conn) asker(ctx context.Context) (dbconn.Querier, error) {
	if err := c.open(ctx); err != nil {
		return nil, err
	}
	if c.inTx() {
		return nil, errUnknownSession
	}
	return dbconn.NewQuerier(c.db.Origin), nil
}

// readBack asks the server for the session's state, where it is not known.
func (c *conn) readBack(ctx context.Context) error {
	q, err := c.asker(ctx)
	if err != nil {
		return err
	}
	if c.session != nil {
		return nil
	}
	if !c.hasCatalog() {
		return errUnknownSession
	}
	if c.pooled && c.hasTouched() {
		return errUnknownSession
	}
	s, err := readSession(ctx, q, c.schema, c.engine.sessionSalt(c.db.Origin))
	if err != nil {
		return err
	}
	if c.db.Pgx != nil && s.pid != backendPID(c.db.Pgx) {
		// A pooler is in between, and the next statement may be run by another
		// session than has just answered. As long as this connection has changed
		// nothing, all of them are taken to be as every fresh one.
		c.pooled, c.held = true, ""
		if c.hasTouched() {
			return errUnknownSession
		}
		if s.id != c.schema.base.id {
			s.bypass = ReasonUnknownSession
		}
	}
	c.setSession(s)
	c.sessionRead()
	return nil
}

// hasTouched: a statement may have changed the session since it was opened.
func (c *conn) hasTouched() bool {
	return c.touched || c.fired && c.schema.snapshot.HasEventTriggers()
}

// fire notes that event triggers may have changed the session, if there are any.
func (c *conn) fire() {
	c.fired = true
	c.changed = c.changed || c.schema == nil
	c.setSession(nil)
}

var errUnknownSession = errors.New("mlcache: the state of the session is not known")

// renew takes over the newest state of the schema, for a statement. It returns false
// if there is none now.
func (c *conn) renew(ctx context.Context, query string) bool {
	st := c.engine.schema.current.Load()
	if st == nil {
		waiting, cancel := forCache(ctx)
		st = c.engine.schema.soon(waiting, blindPlan(query, ReasonNoCatalog).writesAll)
		cancel()
	}
	if st == nil || st == c.schema {
		return st != nil
	}
	first := c.schema == nil
	if first && c.ahead != "" {
		c.changed = c.changed || c.engine.newPlan(c.ahead, nil, st, st.base).touchesSession
		c.ahead = ""
	}
	c.schema = st
	c.forgetPlans()
	switch {
	case c.tx.touchedSession:
		// Not before the end of the transaction.
	case c.names != nil && c.inTx():
		// A schema of the search path may be new, and nothing can be asked. The other
		// changes cannot concern what belongs to the session alone.
		c.session, c.custom = nil, nil
		c.doubtPath(nil)
	case st.snapshot != nil && !c.connector.static:
		c.setSession(nil)
	case c.db.Origin == nil || st.snapshot == nil && first:
		c.setSession(st.base)
	case first && !c.changed:
		c.setSession(st.base)
		c.opened()
	default:
		// How names resolve may have changed, with the schema or before it was known.
		c.setSession(nil)
	}
	return true
}
