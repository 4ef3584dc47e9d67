package mlcache

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/sqlinfo"
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
// with psql or by another program. A table is written as in SQL: "orders",
// "shop.orders", "\"Order\"". A view stands for the tables behind it.
//
// When it returns nil, no read that starts later in this process returns an
// older answer, and none in another process after the bound. An error means that
// Redis could not be told yet; it will be.
func (h *Handle) Invalidate(ctx context.Context, tables ...string) error {
	if len(tables) == 0 {
		return h.engine.versions.Invalidate(ctx)
	}
	scopes := []string{scopeAnyWrite}
	st := h.engine.schema.get(ctx)
	for _, table := range tables {
		scopes = append(scopes, h.engine.tableScopes(st, table)...)
	}
	return h.engine.versions.Invalidate(ctx, scopes...)
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
