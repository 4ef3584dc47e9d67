package mlcache

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/mlcache/mlcache/internal/dbconn"
	"github.com/mlcache/mlcache/internal/writeset"
	"github.com/mlcache/mlcache/sqlinfo"
)

// txState is what a connection knows of the transaction that it is in.
type txState struct {
	// open: a transaction began, or may have if doubt is set. Where pgx tells, its word counts, see
	// inTx; these are for other origins, see txfollow.go.
	open, doubt bool
	// changes are what the transaction has changed so far. That is fenced at COMMIT,
	// before anybody else can see it.
	changes writeset.Set
	// schema: it may have changed the schema, by what it says or by code that it runs.
	schema bool
	// writes: it has changed something, or may have, beyond what reads in doubt may: its COMMIT can be refused.
	writes bool
	// touchedSession: a setting changed inside the transaction. Its end may take
	// that back.
	touchedSession, touchedNames bool
}

// inTx reports whether the session is inside a transaction, begun in whatever
// way.
func (c *conn) inTx() bool {
	if inTx, known := c.db.InTx(); known {
		return inTx
	}
	return c.tx.open
}

// BeginTx begins a transaction at the origin.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.takeBack()
	if err := c.open(ctx); err != nil {
		return nil, err
	}
	if err := c.beforeTx(ctx); err != nil {
		return nil, err
	}
	origin, err := dbconn.Begin(ctx, c.db.Origin, opts)
	if err != nil {
		return nil, err
	}
	c.tx.open, c.tx.doubt = true, false
	return &tx{conn: c, origin: origin}, nil
}

// beforeTx learns how the session resolves names, if that is not known: inside the
// transaction it is too late. The schema's state is not read for it: a migration has
// many transactions, each of which drops it.
func (c *conn) beforeTx(ctx context.Context) error {
	if c.db.Pgx != nil && c.engine.schema.current.Load() == nil {
		return nil
	}
	c.plan(ctx, "BEGIN")
	return c.wasCutShort()
}

// Begin is BeginTx with default options.
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// tx is a transaction begun through database/sql.
type tx struct {
	conn   *conn
	origin driver.Tx
}

var _ driver.Tx = (*tx)(nil)

func (t *tx) Commit() error {
	c := t.conn
	c.takeBack()
	fence, err := c.fence(context.Background(), nil)
	if err == nil {
		err = fence.ensure(context.Background())
	}
	if err != nil {
		defer c.endTx()
		return errors.Join(err, t.origin.Rollback())
	}
	was := c.before()
	err = t.origin.Commit()
	fence.release(c.outcome(nil, was, err))
	if c.tx.schema {
		c.engine.schema.drop()
	}
	c.endTx()
	return err
}

func (t *tx) Rollback() error {
	c := t.conn
	c.takeBack()
	err := t.origin.Rollback()
	c.endTx()
	return err
}

// endTx forgets the transaction. What it did to the session may have been taken
// back with it.
func (c *conn) endTx() {
	touched, names := c.tx.touchedSession, c.tx.touchedNames
	c.tx = txState{}
	c.touch(touched, names)
}

// touch notes that the session's state may have changed.
func (c *conn) touch(session, names bool) {
	c.touched = c.touched || session || names
	c.changed = c.changed || c.schema == nil && (session || names)
	if names {
		c.setSession(nil)
	} else if session {
		c.session, c.custom = nil, nil
	}
}

// change is a statement that is not a plain read, from before it runs at the
// origin until what it changed has been made known. Outside a transaction that is
// a fence around the statement; inside one the scopes are collected until COMMIT.
type change struct {
	conn  *conn
	plan  *plan
	fence fence
	was   before
}

// beforeChange does what must precede the statement; done must be called with
// the statement's outcome once the origin has finished it. After an error,
// ErrRedisDown, the statement must not be run.
func (c *conn) beforeChange(ctx context.Context, p *plan) (ch change, err error) {
	ch = change{conn: c, plan: p, was: c.before()}
	if ch.was.inTx {
		c.collect(p)
	}
	if !ch.was.inTx || p.mayCommit() || p.anything || c.tx.doubt {
		if ch.fence, err = c.fence(ctx, p); err != nil {
			return ch, err
		}
		if err := ch.fence.ensure(ctx); err != nil {
			return ch, err
		}
	}
	return ch, nil
}

func (ch *change) done(err error) {
	c := ch.conn
	ch.fence.release(c.outcome(ch.plan, ch.was, err))
	c.wroteElsewhere(ch.plan)
	c.afterChange(ch.plan, ch.was.inTx, err)
}

// called is done with what the origin's Query or Exec has returned itself.
func (ch *change) called(err error) {
	if err != nil {
		err = noResult{err}
	}
	ch.done(err)
}

func (c *conn) afterChange(p *plan, wasTx bool, err error) {
	if c.db.Pgx == nil {
		c.tx.follow(p.info, err)
	}
	isTx := c.inTx()
	if (p.mayChangeSchema() || c.tx.schema) && (!isTx || p.mayCommit() || c.tx.doubt) {
		// At the end of the transaction, though COMMIT AND CHAIN has begun another one.
		c.engine.schema.drop()
	}
	if isTx {
		c.collect(p) // also for a text that began the transaction itself
	} else if wasTx || p.touchesSession {
		if !wasTx {
			c.tx.touchedSession, c.tx.touchedNames = p.touchesSession, p.touchesNames || p.movesPath
		}
		c.endTx()
	}
	if p.fires {
		c.fire()
	}
	if isTx && p.touchesSession {
		// At once, too: names resolve differently from here on.
		c.touch(true, p.touchesNames)
		if p.movesPath {
			c.doubtPath(p.toPath)
		}
	}
}

// collect adds what a statement changes to what its transaction has changed.
func (c *conn) collect(p *plan) {
	if p.touchesSession {
		c.tx.touchedSession = true
		c.tx.touchedNames = c.tx.touchedNames || p.touchesNames || p.movesPath
	}
	c.tx.changes.Add(p.change())
	c.tx.schema = c.tx.schema || p.mayChangeSchema()
	c.tx.writes = c.tx.writes || p.mayBeRefused()
}

// mayBeRefused says whether the statement must not run while Redis cannot be told of it, where the configuration wants that. One
// that reads by all that its text shows runs all the same, though without a catalog it counts as a change of everything: that
// is told late.
func (p *plan) mayBeRefused() bool { return !p.doubted && (p.isWrite() || commitsPrepared(p.info)) }

// mayChangeSchema says whether this process must read the schema again after the statement. Where the catalog was not known
// for it, a look at the schema follows: see schemaLoader.everything.
func (p *plan) mayChangeSchema() bool { return p.ddl || p.schema != nil && p.writesAll }

// change is what the statement changes.
func (p *plan) change() writeset.Change {
	return writeset.Change{Scopes: p.writes, Assumes: p.assumes(), All: p.writesAll, Schema: p.ddl}
}

// mayCommit says whether the statement can end a transaction that it did not
// begin, or make changes visible although one is open.
func (p *plan) mayCommit() bool {
	switch p.info.Kind {
	case sqlinfo.Tx:
		switch p.info.TxOp {
		case sqlinfo.TxCommit, sqlinfo.TxPrepare, sqlinfo.TxCommitPrepared:
			return true
		}
		return p.info.Statements > 1
	case sqlinfo.Unknown:
		return true
	}
	return p.info.Statements > 1
}
