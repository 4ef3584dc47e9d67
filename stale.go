package mlcache

import (
	"context"
	"database/sql/driver"
	"slices"
	"sync/atomic"
	"time"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/internal/dbconn"
)

// sighting says that a plan's versions were these at a time at which this process
// was up to date. So an entry under them misses nothing that was written before
// that time and the bound, whatever has happened since; and nothing of this process's own as
// long as it has made no further change.
type sighting struct {
	stamps []uint64
	// own was the number of this process's changes before the versions were read.
	own atomic.Uint64
	// at and wall are one moment: the monotonic clock can stand still while the
	// machine sleeps, and the wall clock can be set back.
	at, wall atomic.Int64
	before   atomic.Pointer[sighting]
}

// maxSightings bounds what a plan remembers. Older versions count as unknown.
const maxSightings = 32

const sightingSize = 96 // in bytes, without the versions

var monotonicStart = time.Now()

// ownChanges counts this process's changes to what the plan reads.
func (p *plan) ownChanges() uint64 {
	var sum uint64
	for _, cell := range p.cells {
		sum += cell.OwnChanges() // none ever shrinks, so equal sums are equal counts
	}
	return sum
}

// sighted notes that the versions are current at now. own was read before them.
func (p *plan) sighted(stamps []uint64, own uint64, now time.Time) {
	if slices.Contains(stamps, 0) {
		return
	}
	head := p.seen.Load()
	if head == nil || !slices.Equal(head.stamps, stamps) {
		s := &sighting{stamps: slices.Clone(stamps)}
		s.own.Store(own)
		s.setTime(now)
		s.before.Store(head)
		if p.seen.CompareAndSwap(head, s) {
			s.cut()
			if head == nil {
				p.grow(maxSightings * (sightingSize + 8*len(stamps)))
			}
		}
		return
	}
	if head.own.Load() != own {
		head.own.Store(own)
	}
	if now.Sub(monotonicStart) > time.Duration(head.at.Load())+time.Millisecond {
		head.setTime(now)
	}
}

func (s *sighting) setTime(now time.Time) {
	s.at.Store(int64(now.Sub(monotonicStart)))
	s.wall.Store(now.UnixNano())
}

// cut forgets what is beyond maxSightings.
func (s *sighting) cut() {
	for range maxSightings - 1 {
		if s = s.before.Load(); s == nil {
			return
		}
	}
	s.before.Store(nil)
}

// within says whether the sighting is at most d old.
func (s *sighting) within(d time.Duration, now time.Time) bool {
	return now.Sub(monotonicStart)-time.Duration(s.at.Load()) <= d && time.Duration(now.UnixNano()-s.wall.Load()) <= d
}

// readLate is read where the caller, a hint or a rule allows more than the bound, or
// asks for early refresh.
func (c *conn) readLate(ctx context.Context, l *lookup) (driver.Rows, error) {
	e := c.engine
	if l.opts.refresh {
		return c.readBounded(ctx, l)
	}
	now := time.Now()
	l.began = now
	if e.versions.LiveAt(e.cfg.MaxStaleness, now) {
		own := l.plan.ownChanges()
		c.loadVersions(l)
		l.plan.sighted(l.stamps[1:], own, now)
		if rows := c.fromL1(l, now); rows != nil {
			if l.late.Early > 0 {
				c.refreshEarly(l, now)
			}
			return rows, nil
		}
	}
	if l.late.Stale > 0 {
		if rows := c.fromStale(l, now, l.late.Stale); rows != nil {
			if c.renewLater(l, false) {
				e.stats.stale.Add(1)
				c.hitL1(l, now)
				return rows, nil
			}
			rows.Close() // always nil: they come from memory
		}
	}
	if l.late.OnError <= 0 {
		return c.readBounded(ctx, l)
	}
	// What follows may use the connection's buffers for another key.
	again := lookup{plan: l.plan, session: l.session, opts: l.opts, late: l.late, maxAge: l.maxAge}
	again.setKey(slices.Clone(l.here))
	rows, err := c.readBounded(ctx, l)
	if err == nil || ctx.Err() != nil || !dbconn.Unreachable(err) {
		return rows, err
	}
	if rows := c.fromStale(&again, time.Now(), again.late.OnError); rows != nil {
		e.stats.staleOnError.Add(1)
		c.by.level = fromL1
		return rows, nil
	}
	return nil, err
}

// fromStale returns the rows of an entry in L1 that was good not longer than d ago,
// as far as this process knows, and that none of this process's own changes concerns.
func (c *conn) fromStale(l *lookup, now time.Time, d time.Duration) driver.Rows {
	own := l.plan.ownChanges()
	entry, ok := c.engine.l1.Lookup(l.here, nil)
	if !ok {
		return nil
	}
	stamps := make([]uint64, 1, 1+len(l.plan.cells))
	stamps[0] = keyStamp(l.key)
	for s := l.plan.seen.Load(); s != nil; s = s.before.Load() {
		if s.own.Load() != own || !s.within(d, now) {
			continue
		}
		payload, ok := cache.Match(entry, append(stamps[:1], s.stamps...), now.Add(-d).UnixMilli())
		if !ok || l.maxAge > 0 && now.UnixMilli()-cache.StoredAt(entry) >= (l.maxAge+d).Milliseconds() {
			continue
		}
		rows, err := c.replay(l.plan, payload, true)
		if err != nil {
			return nil
		}
		return rows
	}
	return nil
}
