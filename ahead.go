package mlcache

import (
	"context"
	"database/sql/driver"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mlcache/mlcache/sqlinfo"
)

// queryAhead answers the first query of an engine before the schema is known, if
// it is a plain read by its text: the first answer of a process must not wait for
// the catalog. Every later statement does. It returns nil rows and no error if
// the query has to wait, too.
//
// A text does not show everything: behind the name of a table can be a view that
// calls a function that writes, and nobody would be told of that change. So the
// query runs in a read-only transaction (PostgreSQL manual, SET TRANSACTION), in
// which such a function fails before it has changed anything; then the query
// waits after all.
func (c *conn) queryAhead(ctx context.Context, src source, args []driver.NamedValue, opts *options) (driver.Rows, error) {
	e := c.engine
	if e.ahead.Load() || !c.connector.static || opts.refresh || e.schema.current.Load() != nil {
		return nil, nil
	}
	p := blindPlan(src.query, ReasonNoCatalog)
	if p.info.Kind != sqlinfo.Read || p.info.Refusal != "" || p.isWrite() || p.touchesSession || !e.ahead.CompareAndSwap(false, true) {
		return nil, nil
	}
	if err := c.open(ctx); err != nil {
		e.stats.misses.Add(1)
		return nil, err
	}
	// The catalog is read once the first answer is there, so that the two do not
	// compete for the server.
	if c.pgx == nil || c.inTx() {
		return nil, nil
	}
	snapshot, ok := c.beginReadOnly(ctx)
	if !ok {
		return nil, nil
	}
	c.ahead = src.query
	started := time.Now()
	rec, err := c.record(ctx, src, args, c.endReadOnly)
	var pe *pgconn.PgError
	if errors.As(err, &pe) && pe.Code == readOnlyTransaction {
		return nil, nil
	}
	e.stats.misses.Add(1)
	if err != nil {
		return nil, err
	}
	if rec.whole && !c.changed && !c.types.any && e.schema.hold(&firstAnswer{
		query: src.query, args: slices.Clone(args), opts: opts, payload: rec.payload, started: started,
		snapshot: snapshot, params: reportedParams(c.pgx),
	}) {
		return rec.rows, nil
	}
	e.schema.begin()
	return rec.rows, nil
}

// firstAnswer is the answer of a query that went ahead, until the schema is known.
type firstAnswer struct {
	query    string
	args     []driver.NamedValue
	opts     *options
	payload  []byte
	started  time.Time
	snapshot string            // what was visible right before the query
	params   map[string]string // of its session
}

// keepTimeout is how long the schema, once read, may wait for Redis to tell the
// versions under which the first answer is kept.
const keepTimeout = 50 * time.Millisecond

// keepFirst stores the answer that was given before the schema was known, if it is
// the answer still: if no transaction in the whole cluster has ended since, the
// query would read the same now, under the versions that are read here and the
// schema that has just been read.
func (e *engine) keepFirst(ctx context.Context, q querier, st *schemaState, a *firstAnswer) {
	p := e.newPlan(a.query, a.opts.tables, st, st.base)
	if p.reason != "" || st.base.bypass != "" || len(p.settings) > 0 || !maps.Equal(a.params, st.params) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	if e.versions.Ensure(ctx, p.cells) != nil {
		return
	}
	c := &conn{engine: e, counters: e.stats.levels.Stripe()}
	l := &lookup{plan: p, session: st.base, args: a.args, opts: a.opts}
	if c.makeKey(l) != "" || l.mutable {
		return // nobody knows what it was when the query was sent
	}
	c.loadStamps(l)
	way := e.hub.latest.ask(l.key)
	defer way.leave()
	l.asking = way
	if rows, err := q.Query(ctx, currentSnapshot); err != nil || snapshotOf(rows) != a.snapshot {
		return
	}
	c.store(l, a.payload, a.started)
}

// currentSnapshot says which transactions' changes are visible. When one ends, it
// reads otherwise (PostgreSQL manual 9.27.10).
const currentSnapshot = "SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text"

// snapshotOf returns the answer to currentSnapshot.
func snapshotOf(rows [][]*string) string {
	if len(rows) != 1 || len(rows[0]) != 1 || rows[0][0] == nil {
		return ""
	}
	return *rows[0][0]
}

// readOnlyTransaction is the SQLSTATE of a change that a read-only transaction
// refuses (PostgreSQL manual, appendix A).
const readOnlyTransaction = "25006"

// beginReadOnly begins the transaction and tells what is visible to it. A pooler may
// refuse it.
func (c *conn) beginReadOnly(ctx context.Context) (snapshot string, ok bool) {
	rows, err := pgxQuerier{c.pgx}.Query(ctx, "BEGIN READ ONLY; "+currentSnapshot)
	if err != nil || snapshotOf(rows) == "" {
		c.endReadOnly(errUnknownSession)
		return "", false
	}
	return snapshotOf(rows), true
}

// endReadOnly ends the transaction after a query that had this error. What goes
// wrong here shows in the connection's state, as it does for every transaction.
func (c *conn) endReadOnly(err error) {
	if c.pgx.IsClosed() {
		return
	}
	end := "COMMIT"
	if err != nil {
		end = "ROLLBACK"
	}
	ctx, cancel := context.WithTimeout(context.Background(), schemaLoadTimeout)
	defer cancel()
	_, _ = c.pgx.PgConn().Exec(ctx, end).ReadAll()
}
