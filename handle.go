package mlcache

import (
	"context"
	"database/sql"
	"errors"
	"strings"
)

// Handle is the way from a *sql.DB to the cache behind it. It is safe for
// concurrent use, and good until the DB is closed.
type Handle struct{ engine *engine }

// ErrNotMlcache is returned by From when the DB does not run on mlcache.
var ErrNotMlcache = errors.New("mlcache: this *sql.DB does not run on the mlcache driver")

// From returns the handle of a DB that was opened with the driver name "mlcache"
// or from a *Connector.
func From(db *sql.DB) (*Handle, error) {
	d, ok := db.Driver().(*Driver)
	if !ok || d.connector == nil {
		return nil, ErrNotMlcache
	}
	return &Handle{engine: d.connector.engine}, nil
}

// Stats returns the counts so far.
func (h *Handle) Stats() Stats { return h.engine.stats.snapshot() }

// Invalidate drops every answer that depends on one of the tables, in all
// processes; without a table, everything. It is for changes made past mlcache,
// with psql or by another program. A table is "schema.table", or "table" for one
// in the schema public.
//
// When it returns nil, no read that starts later in this process returns an
// older answer, and none in another process after the bound. An error means that
// Redis could not be told yet; it will be.
func (h *Handle) Invalidate(ctx context.Context, tables ...string) error {
	scopes := make([]string, 0, len(tables)+1)
	for _, t := range tables {
		if !strings.Contains(t, ".") {
			t = "public." + t
		}
		scopes = append(scopes, t)
	}
	if len(scopes) > 0 {
		scopes = append(scopes, scopeAnyWrite)
	}
	return h.engine.versions.Invalidate(ctx, scopes...)
}
