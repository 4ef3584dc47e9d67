package mlcache

import (
	"context"
	"slices"

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
}

// fence puts up a fence around what p changes and what the transaction that is
// open has changed so far. p may be nil.
//
// The error is ErrRedisDown, if Redis cannot be told and the configuration wants
// the write to be refused then; nothing is fenced in that case.
func (c *conn) fence(ctx context.Context, p *plan) (fence, error) {
	if p != nil && p.held != nil && len(c.tx.pending) == 0 && !c.tx.pendingAll && !c.tx.pendingDDL {
		return fence{conn: c, f: c.engine.hub.hold(ctx, p, c.holder())}, nil
	}
	all, ddl := c.tx.pendingAll, c.tx.pendingDDL
	n, assumes := len(c.tx.pending), c.tx.assumes
	if p != nil {
		if n == 0 {
			assumes = p.assumes()
		} else if len(p.writes) > 0 && assumes != p.assumes() {
			all = true
		}
		all, ddl = all || p.writesAll, ddl || p.ddl
		n += len(p.writes)
		all = all || commitsPrepared(p.info)
	}
	if !all && n == 0 {
		return fence{}, nil
	}
	var scopes []string
	if p != nil && len(c.tx.pending) == 0 && !ddl {
		scopes = p.writes
	} else {
		scopes = c.scopes(p, ddl, n)
	}
	failWrites := c.engine.cfg.OnRedisDown == FailWrites
	asking, cancel := forCache(ctx)
	defer cancel()
	f, err := c.engine.hub.fence(asking, scopes, invalidation.FenceOptions{
		All:     all,
		Wait:    failWrites || c.engine.cfg.Consistency == Strict,
		Assumes: assumes,
		Holder:  c.holder(),
	})
	if err != nil {
		c.engine.stats.fenceErrors.Add(1)
		if failWrites {
			_ = f.Release(ctx, invalidation.RolledBack) // Redis is away: it is queued
			return fence{}, ErrRedisDown
		}
	}
	return fence{conn: c, f: f, told: err == nil}, nil
}

// scopes are those of fence, about n.
func (c *conn) scopes(p *plan, ddl bool, n int) []string {
	scopes := make([]string, 0, n+1)
	for s := range c.tx.pending {
		scopes = append(scopes, s)
	}
	if p != nil {
		for _, s := range p.writes {
			if _, ok := c.tx.pending[s]; !ok {
				scopes = append(scopes, s)
			}
		}
	}
	if ddl {
		scopes = append(scopes, scopeSchema)
	}
	return scopes
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
		if c.engine.cfg.OnRedisDown == FailWrites {
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
		c.tx.pendingAll, c.tx.pendingDDL, c.tx.touchedSession, c.tx.touchedNames = true, true, true, true
	}
	c.lookAtTypes()
	outcome := invalidation.Committed
	if !c.db.InStep() {
		outcome = invalidation.Unknown // what its user has asked for last may come yet
	}
	_ = raw.Release(context.Background(), outcome) // what could not be told is queued
}
