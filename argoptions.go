package mlcache

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/mlcache/mlcache/sqlinfo"
)

// pgx takes options for a query before its first argument: QueryExecMode,
// QueryResultFormats, QueryResultFormatsByOID and a QueryRewriter, which changes
// the text. They are no arguments, but an answer depends on them, so they are
// encoded in the key like arguments; since each has its own type, and since pgx
// takes them for options only at the front, no argument has the same encoding.

// countOptions says how many of the arguments are such options, and which
// rewriter pgx would use; the last one if there are several.
func countOptions(args []driver.NamedValue) (n int, rewriter pgx.QueryRewriter) {
	for ; n < len(args); n++ {
		switch v := args[n].Value.(type) {
		case nil, string, int, int64, int32, bool, float64, []byte:
			return n, rewriter // the usual ones, without looking for an interface
		case pgx.QueryResultFormats, pgx.QueryResultFormatsByOID, pgx.QueryExecMode:
		case pgx.QueryRewriter:
			rewriter = v
		default:
			return n, rewriter
		}
	}
	return n, rewriter
}

// rewrite does what pgx does with a rewriter: it returns the text that the server
// will get, and its arguments behind the options. Without a rewriter it returns
// what it was given.
//
// pgx then gets the new text. Its rewriters could be left to it, but those of
// others must be called once only: they may count, or ask the connection.
//
// ok is false if nobody knows what the server will get: the driver is not pgx's
// own, and may or may not have pgx inside. The statement then must count as one
// that can do anything.
func (c *conn) rewrite(ctx context.Context, query string, args []driver.NamedValue) (text string, asked []driver.NamedValue, ok bool, err error) {
	n, rewriter := countOptions(args)
	if rewriter == nil {
		return query, args, true, nil
	}
	if !c.connector.plain || !isPure(rewriter) {
		if err := c.open(ctx); err != nil {
			return "", nil, false, err
		}
		if c.db.Pgx == nil {
			return query, args, false, nil
		}
	}
	asked = make([]driver.NamedValue, 0, n+len(args))
	for _, a := range args[:n] {
		if _, ok := a.Value.(pgx.QueryRewriter); !ok {
			asked = append(asked, a)
		}
	}
	options := len(asked)
	rest := make([]any, len(args)-n)
	for i := range rest {
		rest[i] = args[n+i].Value
	}
	text, values, err := rewriter.RewriteQuery(ctx, c.db.Pgx, query, rest)
	if err != nil {
		return "", nil, false, fmt.Errorf("rewrite query failed: %w", err) // pgx's words
	}
	for _, v := range values {
		asked = append(asked, driver.NamedValue{Ordinal: len(asked) + 1, Value: v})
	}
	if again, _ := countOptions(asked); again != options {
		// What stands where options do is an argument all the same, after a rewriter.
		return query, args, false, nil
	}
	return text, asked, true, nil
}

// isPure knows the rewriters that look at nothing but the text and themselves.
func isPure(r pgx.QueryRewriter) bool {
	switch r.(type) {
	case pgx.NamedArgs, pgx.StrictNamedArgs:
		return true
	}
	return false
}

// opaquePlan is the plan of a statement of which nothing is known.
func opaquePlan() *plan {
	return &plan{
		info:           &sqlinfo.Info{Kind: sqlinfo.Unknown},
		reason:         ReasonArgument,
		writesAll:      true,
		ddl:            true,
		touchesSession: true,
		touchesNames:   true,
	}
}

// planRewritten is the plan of what rewrite returned, to be executed: its answer is
// not kept.
func (c *conn) planRewritten(ctx context.Context, text string, known bool) *plan {
	switch {
	case !known:
		return opaquePlan()
	case c.engine.schema.current.Load() == nil && sqlinfo.Constant(text):
		// Whatever the schema turns out to be: a program that only asks whether the
		// database is there has no catalog read.
		return blindPlan(text, ReasonNoCatalog)
	}
	return c.plan(ctx, text)
}
