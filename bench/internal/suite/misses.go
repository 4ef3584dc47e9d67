package suite

import (
	"context"
	"database/sql"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/bench/internal/duel"
)

// manyTexts is more than pgx keeps prepared (512 by default): from there on each
// new text costs one more round trip, which is the lasting state.
const manyTexts = 600

func missCases() []Case {
	type ask = func(context.Context, *sql.DB) duel.Run
	// miss compares a query that finds nothing in the cache with pgx, and one GET
	// of nothing where there is a Redis.
	miss := func(ask ask, withRedis bool, warm int, what string, count func(mlcache.Stats) uint64) func(context.Context, *Env) (Outcome, error) {
		return versus(Ratio, 1, func(ctx context.Context, env *Env) (*contest, error) {
			var settings []string
			reference := ask(ctx, env.direct)
			if withRedis {
				settings = append(settings, "redis")
				get, err := env.redisGet(ctx, "bench:nothing", -1)
				if err != nil {
					return nil, err
				}
				reference = both(reference, get)
			}
			db, err := env.cached(ctx, settings...)
			if err != nil {
				return nil, err
			}
			return &contest{
				subject:   ask(ctx, db.DB),
				reference: reference,
				check:     db.share(what, count),
				close:     func() { db.Close() },
				waits:     true,
				pools:     []*sql.DB{db.DB, env.direct},
				warm:      warm,
			}, nil
		})
	}
	return []Case{
		{
			Name: "control: pgx, one row", Against: "the same again", Unit: Ratio,
			Limit: bound(1.25), Aim: bound(1.05), Measure: versus(Ratio, 1, control),
		},
		{
			Name: "miss that looks into L2 and fills both levels", Against: "pgx direct + GET", Unit: Ratio,
			Limit: bound(1.5), Aim: bound(1.2), Measure: miss(queryNew, true, 0, "misses", misses),
		},
		{
			Name: "miss without Redis", Against: "pgx direct", Unit: Ratio,
			Limit: bound(1.2), Aim: bound(1.05), Measure: miss(queryNew, false, 0, "misses", misses),
		},
		{
			Name: "passed through (SELECT now())", Against: "pgx direct", Unit: Ratio,
			Limit: bound(1.05), Aim: bound(1.02), Measure: miss(queryNow, false, 0, "passed through", bypasses),
		},
		{
			Name: "never-seen text with literals, without Redis", Against: "pgx direct", Unit: Ratio,
			Limit: bound(1.25), Aim: bound(1.05), Measure: miss(queryText, false, manyTexts, "misses", misses),
		},
		{
			Name: "never-seen text with literals, with Redis", Against: "pgx direct + GET", Unit: Ratio,
			Limit: bound(1.5), Aim: bound(1.2), Measure: miss(queryText, true, manyTexts, "misses", misses),
		},
	}
}

// control compares pgx with itself: what it is away from 1 is the machine's
// doing, and about as much is in every case that goes over the network.
func control(ctx context.Context, env *Env) (*contest, error) {
	again, err := env.openDirect()
	if err != nil {
		return nil, err
	}
	return &contest{
		subject:   queryOne(ctx, again),
		reference: queryOne(ctx, env.direct),
		close:     func() { again.Close() },
		waits:     true,
		pools:     []*sql.DB{again, env.direct},
	}, nil
}
