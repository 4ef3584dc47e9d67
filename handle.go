package mlcache

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/sqlinfo"
)

// Handle is the way from a *sql.DB to the cache behind it. It is safe for
// concurrent use, and good until the DB is closed.
type Handle struct{ connector *Connector }

// ErrNotMlcache is returned by From when the DB does not run on mlcache.
var ErrNotMlcache = errors.New("mlcache: this *sql.DB does not run on the mlcache driver")

// From returns the handle of a DB that was opened with the driver name "mlcache"
// or from a *Connector.
func From(db *sql.DB) (*Handle, error) {
	d, ok := db.Driver().(*Driver)
	if !ok || d.connector == nil {
		return nil, ErrNotMlcache
	}
	return &Handle{connector: d.connector.(*Connector)}, nil
}

// Ready waits until the cache can serve: the database's catalog has been read, and
// Redis, if there is one, has been asked what has changed. No program needs to
// call it: until then the first query goes to the database, and the others wait for
// the catalog. But it takes the waiting out of the first requests, and tells a
// deployment that the cache works. The error is that of the context, which says how
// long to wait, with what is missing.
func (h *Handle) Ready(ctx context.Context) error {
	e := h.connector.current()
	if e.off() {
		return ctx.Err() // there is nothing to wait for
	}
	for {
		what := "the database's catalog"
		if e.schema.get(ctx) != nil {
			if what = "Redis"; e.versions.Ensure(ctx, nil) == nil && e.versions.Live(e.cfg.MaxStaleness) {
				return nil
			}
		}
		select {
		case <-time.After(readyPause):
		case <-ctx.Done():
			return fmt.Errorf("mlcache: not ready, %s cannot be read: %w", what, ctx.Err())
		}
	}
}

// readyPause is how long Ready waits before it looks again.
const readyPause = 10 * time.Millisecond

// Stats returns the counts so far. It takes some microseconds: it is for an
// operator's questions, every second or so.
func (h *Handle) Stats() Stats { return h.connector.current().snapshot() }

// Invalidate drops every answer that depends on one of the tables, in all
// processes; without a table, everything. It is for changes made past mlcache,
// with psql or by another program. A table is written as in SQL: "orders",
// "shop.orders", "\"Order\"". A view stands for the tables behind it; while the
// catalog cannot be read, which says what is behind a name, everything is dropped.
//
// When it returns nil, no read that starts later in this process returns an
// older answer, and none in another process after the bound. An error means that
// Redis could not be told yet; it will be.
func (h *Handle) Invalidate(ctx context.Context, tables ...string) error {
	e := h.connector.current()
	var st *schemaState
	if len(tables) > 0 && !e.off() {
		st = e.schema.get(ctx)
	}
	if st == nil || st.snapshot == nil {
		// What is behind a name only the catalog knows, and who says everything may mean the schema, too.
		return errors.Join(e.hub.invalidate(ctx, scopeSchema), e.hub.invalidate(ctx))
	}
	var scopes []string
	for _, table := range tables {
		scopes = append(scopes, e.tableScopes(st, table)...)
	}
	return e.hub.invalidate(ctx, scopes...)
}

// tableScopes are the scopes that a table's name, as SQL writes it, stands for in
// a fresh session: of a view those of the tables behind it, of a partitioned
// table those of its partitions too. What is not known to the catalog stands for itself.
func (e *engine) tableScopes(st *schemaState, table string) []string {
	var scopes []string
	if st != nil && st.snapshot != nil {
		closure := st.snapshot.Resolve(sqlinfo.Parse("TABLE "+table), st.base.catalogSession())
		for _, d := range closure.Reads {
			scopes = append(scopes, d.Scope)
		}
	}
	if len(scopes) > 0 {
		return scopes
	}
	if strings.Contains(table, ".") {
		return []string{table}
	}
	return []string{table, catalog.Scope("public", table)}
}
