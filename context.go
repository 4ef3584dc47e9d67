package mlcache

import (
	"context"
	"slices"
	"time"
)

// options are what a caller asks for one query, through its context.
type options struct {
	bypass  bool
	refresh bool
	ttl     time.Duration
	tables  []string
}

type optionsKey struct{}

func optionsOf(ctx context.Context) options {
	if o, ok := ctx.Value(optionsKey{}).(*options); ok {
		return *o
	}
	return options{}
}

func withOptions(ctx context.Context, change func(*options)) context.Context {
	o := optionsOf(ctx)
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
// level, to d. It only shortens: mlcache_l1_ttl and mlcache_l2_ttl stay the upper
// limits. Zero or less means no limit of its own.
func WithTTL(ctx context.Context, d time.Duration) context.Context {
	return withOptions(ctx, func(o *options) { o.ttl = max(d, 0) })
}

// WithTables says that the answers to queries under the context depend on these
// tables too, besides those that mlcache finds. It vouches for functions,
// operators and casts that mlcache cannot see into: a query that is refused only
// because of one is cached, until one of the tables is written. A table is written
// as in SQL; a view stands for the tables behind it. No name means nothing.
func WithTables(ctx context.Context, names ...string) context.Context {
	return withOptions(ctx, func(o *options) { o.tables = slices.Concat(o.tables, names) })
}
