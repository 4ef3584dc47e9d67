package mlcache

import (
	"context"
	"slices"
	"time"

	"github.com/mlcache/mlcache/internal/policy"
)

// options are what a caller asks for one query, through its context.
type options struct {
	bypass  bool
	refresh bool
	ttl     time.Duration
	tables  []string
	late    policy.Staleness
	renewal *renewal // the query renews an answer in the background
}

type optionsKey struct{}

// noOptions is what most callers ask for. Nobody may change it.
var noOptions options

// optionsOf returns what nobody may change.
func optionsOf(ctx context.Context) *options {
	if o, ok := ctx.Value(optionsKey{}).(*options); ok {
		return o
	}
	return &noOptions
}

func withOptions(ctx context.Context, change func(*options)) context.Context {
	o := *optionsOf(ctx)
	change(&o)
	return context.WithValue(ctx, optionsKey{}, &o)
}

// WithBypass makes queries under the context go to the database; their answers
// are not kept.
func WithBypass(ctx context.Context) context.Context {
	return withOptions(ctx, func(o *options) { o.bypass = true })
}

// WithRefresh makes queries under the context go to the database; their answers
// replace what the cache holds.
func WithRefresh(ctx context.Context) context.Context {
	return withOptions(ctx, func(o *options) { o.refresh = true })
}

// WithTTL limits how long answers to queries under the context are kept, at each
// level, to d, and how old an answer may be that somebody else has kept for longer, in
// this process or another one. Ages are as exact as the machines' clocks agree. It only shortens: mlcache_l1_ttl and
// mlcache_l2_ttl stay the upper limits. Zero or less means no limit of its own.
func WithTTL(ctx context.Context, d time.Duration) context.Context {
	return withOptions(ctx, func(o *options) { o.ttl = max(d, 0) })
}

// WithTables says that the answers to queries under the context depend on these
// tables too, besides those that mlcache finds. It vouches for functions,
// operators and casts that mlcache cannot see into: a query that is refused only
// because of one is cached, until one of the tables is written. A table is written
// as in SQL; a view stands for the tables behind it. No name means nothing, and a
// statement that may write is never cached.
func WithTables(ctx context.Context, names ...string) context.Context {
	return withOptions(ctx, func(o *options) { o.tables = slices.Concat(o.tables, names) })
}

// WithStale lets queries under the context be answered by what is in this
// process's memory and no longer within its bound, for at most d beyond it, while the
// database is asked for a new answer in the background (stale-while-revalidate).
// Nobody waits for that; one query at a time is made for all who ask the same.
//
// What it relaxes is what is promised about the writes of other processes: a read
// then misses nothing that was written mlcache_max_staleness and d before it began.
// An entry may live for d longer than its TTL. This process's own writes are seen at once as ever, and so is what
// Handle.Invalidate of this process names. Under mlcache_consistency=strict it has no effect, nor has it where the database
// cannot be asked in the same session's name in the background (a session that has settings of its
// own, a connector with hooks, an argument that its owner could change meanwhile).
//
// Zero or less means not at all, also where a rule or a hint says otherwise.
func WithStale(ctx context.Context, d time.Duration) context.Context {
	return withOptions(ctx, func(o *options) { o.late.Stale = orNone(d) })
}

// WithStaleIfError lets queries under the context be answered by what is in this process's
// memory and no longer within its bound, for at most d beyond it, when the
// database cannot be reached (stale-if-error). An error by which the database answers is passed on. What
// it relaxes, and what zero means, is as for WithStale.
func WithStaleIfError(ctx context.Context, d time.Duration) context.Context {
	return withOptions(ctx, func(o *options) { o.late.OnError = orNone(d) })
}

// WithEarlyRefresh has answers renewed in the background that are asked for in the last d of their
// life in both levels, so that what is asked for all the time is never waited for. One
// process at a time asks the database, by a lease in Redis. It relaxes nothing. It has no effect where WithStale has
// none for want of a session, and under mlcache_consistency=strict. Zero or less means not at all, also where a rule or a
// hint says otherwise.
func WithEarlyRefresh(ctx context.Context, d time.Duration) context.Context {
	return withOptions(ctx, func(o *options) { o.late.Early = orNone(d) })
}

// orNone tells zero from what is not said.
func orNone(d time.Duration) time.Duration {
	if d <= 0 {
		return -1
	}
	return d
}
