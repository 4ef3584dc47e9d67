package mlcache

import (
	"context"
	"database/sql/driver"
	"maps"
	"slices"
	"time"

	"github.com/mlcache/mlcache/internal/dbconn"
	"github.com/mlcache/mlcache/sqlinfo"
)

// queryAhead answers the first query of an engine before the schema is known, if
// it is a plain read by its text: the first answer of a process must not wait for
// the catalog. Every later statement does. It returns nil rows and no error if
// the query has to wait, too.
//
// A text does not show everything: behind the name of a table can be a view that
// calls a function that writes, and nobody would be told of that change. So the
// server is asked for what the names and operators could stand for, see surelyReads.
// Where that is not certain, the query waits after all. It is not tried in a read-only
// transaction: a function can catch the error, or ask for the transaction's mode.
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
	if c.db.Pgx == nil || c.inTx() {
		return nil, nil
	}
	snapshot, ok := surelyReads(ctx, dbconn.PgxQuerier{Conn: c.db.Pgx}, p.info)
	if !ok {
		return nil, nil
	}
	c.ahead = src.query
	started := time.Now()
	rec, err := c.record(ctx, src, args, nil)
	e.stats.misses.Add(1)
	if err != nil {
		return nil, err
	}
	if rec.whole && !c.changed && !c.types.any && e.schema.hold(&firstAnswer{
		query: src.query, args: slices.Clone(args), opts: opts, payload: rec.payload, started: started,
		snapshot: snapshot, params: reportedParams(c.db.Pgx),
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
func (e *engine) keepFirst(ctx context.Context, q dbconn.Querier, st *schemaState, a *firstAnswer) {
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
	way := e.hub.latest.Begin(keyStamp(l.key))
	defer way.End()
	l.asking = way
	if rows, err := q.Query(ctx, currentSnapshot); err != nil || dbconn.Cell(rows, 0) != a.snapshot {
		return
	}
	c.store(l, a.payload, a.started)
}

// currentSnapshot says which transactions' changes are visible. When one ends, it
// reads otherwise (PostgreSQL manual 9.27.10).
const currentSnapshot = "SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text"
