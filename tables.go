package mlcache

import (
	"cmp"
	"context"
	"database/sql/driver"
	"slices"
	"sync"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/invalidation"
)

// OtherTables stands for the tables beyond the first thousand or so, which are not counted one by one.
const OtherTables = invalidation.OtherScopes

const maxCountedTables = 1024

// lostHits counts by table the answers that a write to it has made bad before they
// were asked for again. Each is followed by a query to the database, so a lock does
// no harm.
type lostHits struct {
	mu sync.Mutex
	by map[string]uint64
}

func (t *lostHits) add(table string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = make(map[string]uint64)
	}
	if _, known := t.by[table]; !known && len(t.by) >= maxCountedTables {
		table = OtherTables
	}
	t.by[table]++
}

// lost counts, once for a lookup, the tables whose versions are no longer those of an
// entry that was found.
func (c *conn) lost(l *lookup, entry []byte) {
	if l.lost {
		return
	}
	h, _, err := cache.ParseEntry(entry)
	if err != nil || len(h.Stamps) != len(l.stamps) {
		return
	}
	// The first stamp is the key's, the second the epoch's: see loadStamps.
	for i, cell := range l.plan.cells {
		// One that is unknown or being written by now is not counted here: see passFenced.
		if now := l.stamps[i+1]; now != 0 && now != h.Stamps[i+1] && isTable(cell.Scope()) {
			l.lost = true
			c.engine.lost.add(cell.Scope())
		}
	}
}

// passFenced is pass for a query one of whose tables is being written, and counts
// which.
func (c *conn) passFenced(ctx context.Context, l *lookup) (driver.Rows, error) {
	for i, cell := range l.plan.cells {
		if !l.lost && l.stamps[i+1] == 0 && isTable(cell.Scope()) {
			c.engine.lost.add(cell.Scope())
		}
	}
	return c.passKnown(ctx, l, ReasonFenced)
}

func isTable(scope string) bool {
	return scope != "" && scope != scopeSchema
}

// TableStats are the counts of one table.
type TableStats struct {
	// Table is its name as "schema.table".
	Table string `json:"table"`
	// Invalidations are the changes that this process has made or has seen others
	// make, while it had to do with the table. One by another process may count twice.
	Invalidations uint64 `json:"invalidations"`
	// LostHits are queries that would have been hits but for such a change: their
	// answer was there and had become old, or the table was just being written.
	LostHits uint64 `json:"lost_hits"`
}

// tables returns the counts of all tables, those that cost the most hits first, and
// the number of changes of the schema.
func (e *engine) tables() (tables []TableStats, schemaChanges uint64) {
	byTable := make(map[string]*TableStats)
	of := func(table string) *TableStats {
		t := byTable[table]
		if t == nil {
			t = &TableStats{Table: table}
			byTable[table] = t
		}
		return t
	}
	for scope, n := range e.versions.Changes() {
		switch {
		case scope == scopeSchema:
			schemaChanges = n
		case isTable(scope):
			of(scope).Invalidations += n
		}
	}
	e.lost.mu.Lock()
	for table, n := range e.lost.by {
		of(table).LostHits += n
	}
	e.lost.mu.Unlock()
	for _, t := range byTable {
		tables = append(tables, *t)
	}
	slices.SortFunc(tables, func(a, b TableStats) int {
		return cmp.Or(cmp.Compare(b.LostHits, a.LostHits), cmp.Compare(b.Invalidations, a.Invalidations), cmp.Compare(a.Table, b.Table))
	})
	return tables, schemaChanges
}
