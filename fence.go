package mlcache

import (
	"context"
	"slices"

	"github.com/mlcache/mlcache/internal/writeset"
	"github.com/mlcache/mlcache/invalidation"
	"github.com/mlcache/mlcache/sqlinfo"
)

// fence surrounds a change: from before it can become visible until it is done,
// nobody answers from the cache what it may concern. The zero fence surrounds
// nothing.
type fence struct {
	conn *conn
	f    hubFence
	told bool // Redis, if there is one, of the fence
	// refusable: the change is not to be made if Redis cannot be told of it.
	refusable bool
}

// fence puts up a fence around what p changes and what the transaction that is
// open has changed so far. p may be nil.
//
// The error is ErrRedisDown, if Redis cannot be told and the configuration wants
// the write to be refused then; nothing is fenced in that case.
func (c *conn) fence(ctx context.Context, p *plan) (fence, error) {
	if p != nil && p.held != nil && c.tx.changes.IsEmpty() {
		return fence{conn: c, f: c.engine.hub.hold(ctx, p, c.holder())}, nil
	}
	var change writeset.Change
	if p != nil {
		change = p.change()
		change.All = change.All || commitsPrepared(p.info)
	}
	change = c.tx.changes.With(change)
	if !change.All && len(change.Scopes) == 0 {
		return fence{}, nil
	}
	scopes := change.Scopes
	if change.Schema {
		scopes = append(slices.Clip(scopes), scopeSchema)
	}
	failWrites := c.engine.cfg.OnRedisDown == FailWrites && (c.tx.writes || p != nil && p.mayBeRefused())
	asking, cancel := forCache(ctx)
	defer cancel()
	f, err := c.engine.hub.fence(asking, scopes, invalidation.FenceOptions{
		All:     change.All,
		Wait:    failWrites || c.engine.cfg.Consistency == Strict,
		Assumes: change.Assumes,
		Holder:  c.holder(),
	})
	if err != nil {
		c.engine.stats.fenceErrors.Add(1)
		if failWrites {
			_ = f.Release(ctx, invalidation.RolledBack) // Redis is away: it is queued
			return fence{}, ErrRedisDown
		}
	}
	return fence{conn: c, f: f, told: err == nil, refusable: failWrites}, nil
}

// ensure is called right before the change can become visible. Its error is
// ErrRedisDown, as that of fence; the fence is released then.
func (f fence) ensure(ctx context.Context) error {
	if !f.told {
		return nil
	}
	c := f.conn
	asking, cancel := forCache(ctx)
	defer cancel()
	if err := f.f.Ensure(asking); err != nil {
		c.engine.stats.fenceErrors.Add(1)
		if f.refusable {
			_ = f.f.Release(ctx, invalidation.RolledBack) // Redis is away: it is queued
			return ErrRedisDown
		}
	}
	return nil
}

// commitsPrepared: COMMIT PREPARED makes changes visible that another session
// prepared, perhaps long ago and in another process. What they are is not known.
func commitsPrepared(info *sqlinfo.Info) bool {
	return info.TxOp == sqlinfo.TxCommitPrepared || slices.ContainsFunc(info.Parts, commitsPrepared)
}

// release ends the fence. In both modes it returns when Redis knows, or when
// Redis is away and the news is queued: a cache error is no query's error.
func (f fence) release(outcome invalidation.Outcome) {
	if f.f.hub == nil {
		return
	}
	if err := f.f.Release(context.Background(), outcome); err != nil {
		f.conn.engine.stats.lateReleases.Add(1)
	}
}

// handOut prepares for a user who holds the pgx connection itself and can do
// anything with it.
func (c *conn) handOut() {
	if c.raw == nil {
		raw, _ := c.engine.hub.fence(context.Background(), []string{scopeSchema}, invalidation.FenceOptions{All: true, Holder: c.holder()})
		c.raw = &raw
	}
	c.lent = true
	c.canRegister()
	c.touch(true, true)
}

// takeBack ends what handOut began: the connection is in database/sql's hands
// again.
func (c *conn) takeBack() {
	if c.raw == nil {
		return
	}
	raw := c.raw
	c.raw = nil
	if c.inTx() {
		c.tx.changes.Add(writeset.Change{All: true, Schema: true})
		c.tx.writes, c.tx.schema, c.tx.touchedSession, c.tx.touchedNames = true, true, true, true
	}
	c.lookAtTypes()
	outcome := invalidation.Committed
	if !c.db.InStep() {
		outcome = invalidation.Unknown // what its user has asked for last may come yet
	}
	_ = raw.Release(context.Background(), outcome) // what could not be told is queued
}
