package mlcache

import (
	"context"
	"database/sql/driver"
	"strings"
	"time"

	"github.com/mlcache/mlcache/cache"
)

// keepWarm keeps an entry from Redis whose statement is not known, until somebody asks
// for it. It reports whether it did.
func (e *engine) keepWarm(hash string, entry []byte, now time.Time) bool {
	if entry == nil || cache.Verify(entry) != nil || cache.Flags(entry)&flagShort != 0 {
		return false
	}
	end := now.Add(cache.Jitter(e.cfg.L1TTL, ttlJitter))
	if d := cache.Deadline(entry); d == 0 || end.UnixMilli() < d {
		cache.SetDeadline(entry, end.UnixMilli())
	} else if end = time.UnixMilli(d); !end.After(now) {
		return false
	}
	if e.l1.Set(context.Background(), e.warmKey(hash), entry, end.Sub(now)) != nil {
		return false
	}
	e.warmUntil.Store(end.UnixNano())
	return true
}

// fromWarm returns the rows of an entry that keepWarm has kept and that is good under
// the versions of now, or nil, and gives it its own key.
func (c *conn) fromWarm(ctx context.Context, l *lookup) driver.Rows {
	e := c.engine
	now := time.Now()
	if now.UnixNano() >= e.warmUntil.Load() {
		return nil
	}
	key := e.warmKey(e.nameHash(l.key))
	entry, ok := e.l1.Lookup(key, nil)
	if !ok {
		return nil
	}
	_ = e.l1.Delete(context.Background(), key) // never fails
	payload, ok := l.match(entry, now)
	if !ok {
		return nil
	}
	a, err := l.plan.openForeign(payload)
	if err != nil {
		return nil
	}
	if !c.inOrder(ctx, l, sumOf(payload)) {
		return nil
	}
	rows := c.rowsOver(&a, true)
	end := time.UnixMilli(cache.Deadline(entry))
	// A hint, a rule or the caller may allow less than the pool does.
	if own := now.Add(e.ttl(l, e.cfg.L1TTL)); own.Before(end) {
		end = own
		cache.SetDeadline(entry, end.UnixMilli())
	}
	c.give(l, payload, entry, end.Sub(now)+l.late.Keep())
	c.hitL1(l, l.began)
	return rows
}

// nameHash is the hash in the name that a key has in Redis. It shows nothing of the key.
func (e *engine) nameHash(key []byte) string {
	name := e.l2.Name(key)
	return name[strings.LastIndexByte(name, ':')+1:]
}
