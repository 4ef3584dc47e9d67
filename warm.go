package mlcache

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mlcache/mlcache/internal/dbconn"
	"github.com/mlcache/mlcache/internal/topk"
)

// Query is a statement with its arguments, as they are given to sql.DB.Query.
type Query struct {
	// SQL is the text, to the letter as the program will send it but for comments and
	// white space.
	SQL string
	// Args are its arguments, in the types in which the program will pass them.
	Args []any
}

// Warmup says what to fill the cache with before it is asked. Its parts are worked off
// in the order of the fields.
type Warmup struct {
	// LastRun takes into memory the answers in Redis that were asked for most, by any
	// process of the namespace, lately or before the last stop. Config.WarmKeys says how many are
	// remembered. Whether they are still good is checked when they are asked for.
	LastRun bool
	// Queries are asked, if the cache does not hold their answers.
	Queries []Query
	// Statements is how many of the statements are asked that this user has called most, as
	// the extension pg_stat_statements counts them. It keeps no values: where a statement had
	// constants or parameters it has $1, and nobody knows of what. So only statements
	// without any are among them, that can be cached: SELECT * FROM country ORDER BY name.
	Statements int
	// Parallel is how many queries there are at once, each on a connection of its own;
	// 4 by default.
	Parallel int
	// Progress, if not nil, is called after each step, by one goroutine at a time.
	Progress func(WarmProgress)
}

// WarmProgress is how far a Warmup is.
type WarmProgress struct {
	// Done of Total steps are over: a query, or an answer from Redis, each. Total grows
	// when a part of the Warmup begins.
	Done, Total int
	// Failed are those that have left nothing in the cache.
	Failed int
}

const (
	warmParallel = 4
	// warmErrors is how many errors are reported one by one.
	warmErrors = 10
)

// Prefetch asks the queries, so that their answers are in the cache when they are asked
// for next. It is WarmUp of a list, and returns when all is done: call it before the
// program reports that it is ready, or in a goroutine to do it afterwards.
func (h *Handle) Prefetch(ctx context.Context, queries ...Query) error {
	return h.WarmUp(ctx, Warmup{Queries: queries})
}

// WarmUp fills the cache. It waits until the cache can serve, as Ready does, and
// then works off what w says, on connections of its own that are as every fresh one. A
// query whose answer would not be cached is not sent. What fails does not keep the rest from being
// done; the error joins the first ten, and is the context's if that ends.
func (h *Handle) WarmUp(ctx context.Context, w Warmup) error {
	if err := h.Ready(ctx); err != nil {
		return err
	}
	c := h.connector
	e := c.current()
	if e.off() {
		return nil // nothing can be kept
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.background, cancel)()
	if w.Parallel <= 0 {
		w.Parallel = warmParallel
	}
	run := &warming{engine: e, w: w}
	if w.LastRun {
		if err := e.takeHot(ctx, run); err != nil {
			run.step(fmt.Errorf("mlcache: warm: the last run's answers cannot be read: %w", err))
		}
	}
	db := sql.OpenDB(ownConnector{&Connector{origin: c.origin, cfg: c.cfg, rules: c.rules, engine: e, static: c.static, plain: c.plain}, false})
	defer db.Close()
	db.SetMaxOpenConns(w.Parallel)
	db.SetMaxIdleConns(w.Parallel)
	run.ask(ctx, db, w.Queries)
	if w.Statements > 0 && ctx.Err() == nil {
		queries, err := e.topStatements(ctx, w.Statements)
		if err != nil {
			run.step(fmt.Errorf("mlcache: warm: pg_stat_statements cannot be read: %w", err))
		}
		run.ask(ctx, db, queries)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.Join(run.errs...)
}

// warming is a Warmup under way.
type warming struct {
	engine *engine
	w      Warmup

	mu   sync.Mutex
	at   WarmProgress
	errs []error
}

func (r *warming) expect(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at.Total += n
}

// step ends one step. What Redis does not have any more is no error.
func (r *warming) step(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at.Done++
	r.at.Total = max(r.at.Total, r.at.Done)
	if err != nil {
		r.at.Failed++
		if len(r.errs) < warmErrors && !errors.Is(err, errGone) {
			r.errs = append(r.errs, err)
		}
	}
	if r.w.Progress != nil {
		r.w.Progress(r.at)
	}
}

var errGone = errors.New("mlcache: warm: Redis has it no more")

func (r *warming) ask(ctx context.Context, db *sql.DB, queries []Query) {
	r.expect(len(queries))
	var group errgroup.Group
	group.SetLimit(r.w.Parallel)
	for i, q := range queries {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			if err := r.one(ctx, db, q); err != nil {
				r.step(fmt.Errorf("mlcache: warm: query %d: %w", i+1, err))
			} else {
				r.step(nil)
			}
			return nil
		})
	}
	_ = group.Wait() // has no error
}

func (r *warming) one(ctx context.Context, db *sql.DB, q Query) error {
	if reason := r.engine.refusal(ctx, q.SQL); reason != "" {
		return fmt.Errorf("its answer is not cached (%s): %s", reason, ReasonDoc(reason))
	}
	rows, err := db.QueryContext(ctx, q.SQL, q.Args...)
	if err != nil {
		return err
	}
	// The whole answer has been read, unless it is too large to be kept.
	return errors.Join(rows.Err(), rows.Close()) //nolint:sqlclosecheck // its error counts
}

// refusal is why a fresh session's answer would not be cached.
func (e *engine) refusal(ctx context.Context, text string) Reason {
	st := e.schema.get(ctx)
	if st == nil {
		return ReasonNoCatalog
	}
	p := e.newPlan(text, nil, st, st.base)
	switch {
	case p.reason != "":
		return p.reason
	case st.base.bypass != "":
		return st.base.bypass
	case e.steering(p).off:
		return ReasonRule
	}
	return ""
}

// statementsSchema tells where the extension's view is: it need not be in the search
// path.
const statementsSchema = `SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_extension e
 JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'`

// moreStatements is how many statements are looked at for one that can be cached.
const moreStatements = 20

func (e *engine) topStatements(ctx context.Context, n int) ([]Query, error) {
	origin, err := e.origin.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer origin.Close()
	e.loggedIn(ctx)
	q := dbconn.NewQuerier(origin)
	rows, err := q.Query(ctx, statementsSchema)
	if err != nil {
		return nil, err
	}
	schema := dbconn.Cell(rows, 0) // one row with one cell
	if schema == "" {
		return nil, errors.New("the extension is not installed in this database")
	}
	rows, err = q.Query(ctx, fmt.Sprintf(`SELECT s.query FROM "%s".pg_stat_statements s
 WHERE s.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
 AND s.userid = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
 AND s.query !~ '[$][0-9]' ORDER BY s.calls DESC LIMIT %d`, strings.ReplaceAll(schema, `"`, `""`), n*moreStatements))
	if err != nil {
		return nil, err
	}
	var queries []Query
	for _, row := range rows {
		if len(queries) == n || len(row) != 1 || row[0] == nil {
			break
		}
		if e.refusal(ctx, *row[0]) == "" {
			queries = append(queries, Query{SQL: *row[0]})
		}
	}
	return queries, nil
}

// warmBatch is how many answers are asked of Redis at once.
const warmBatch = 64

// warmKey is under what memory holds an answer of which only the hash of its key is
// known. No key of a statement is as short.
func (e *engine) warmKey(hash string) []byte {
	return append(e.place.prefix[:len(e.place.prefix):len(e.place.prefix)], "w"+hash...)
}

// takeHot takes the answers that Redis remembers as asked for most into memory.
func (e *engine) takeHot(ctx context.Context, run *warming) error {
	if e.l2 == nil || e.l1 == nil {
		return errors.New("there are not two levels")
	}
	hashes, err := e.hub.client.ZRevRange(ctx, topk.SetKey(e.cfg.Namespace), 0, int64(max(e.cfg.WarmKeys, 1)-1)).Result()
	if err != nil {
		return err
	}
	run.expect(len(hashes))
	for len(hashes) > 0 && ctx.Err() == nil {
		batch := hashes[:min(len(hashes), warmBatch)]
		hashes = hashes[len(batch):]
		now := time.Now()
		for i, entry := range e.l2.GetHashed(ctx, batch) {
			if e.keepWarm(batch[i], entry, now) {
				run.step(nil)
			} else {
				run.step(errGone)
			}
		}
	}
	return nil
}
