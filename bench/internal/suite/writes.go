package suite

import (
	"context"
	"database/sql"
	"fmt"
)

func writeCases() []Case {
	return []Case{
		{
			Name: "autocommit UPDATE with Redis", Against: "pgx UPDATE + PUBLISH", Unit: Ratio,
			Limit: bound(1.9), Aim: bound(1.2), Measure: versus(Ratio, 1, updateWithRedis),
		},
		{
			Name: "autocommit UPDATE without Redis", Against: "pgx UPDATE", Unit: Ratio,
			Limit: bound(1.08), Aim: bound(1.03), Measure: versus(Ratio, 1, updateWithoutRedis),
		},
	}
}

func updateWithRedis(ctx context.Context, env *Env) (*contest, error) {
	db, err := env.cached(ctx, "redis")
	if err != nil {
		return nil, err
	}
	publish := func(n int) error {
		for range n {
			if err := env.client.Publish(ctx, "bench:nobody", "a message of about the same size as a release").Err(); err != nil {
				return err
			}
		}
		return nil
	}
	return &contest{
		subject:   updateOne(ctx, db.DB),
		reference: both(updateOne(ctx, env.direct), publish),
		check:     db.told,
		close:     func() { db.Close() },
		waits:     true,
		pools:     []*sql.DB{db.DB, env.direct},
	}, nil
}

func updateWithoutRedis(ctx context.Context, env *Env) (*contest, error) {
	db, err := env.cached(ctx)
	if err != nil {
		return nil, err
	}
	return &contest{
		subject:   updateOne(ctx, db.DB),
		reference: updateOne(ctx, env.direct),
		close:     func() { db.Close() },
		waits:     true,
		pools:     []*sql.DB{db.DB, env.direct},
	}, nil
}

// told checks that Redis learnt of nearly every write: one that it does not
// learn of costs less.
func (db *cachedDB) told() (string, error) {
	s := db.handle.Stats()
	if bad := s.FenceErrors + s.LateReleases; bad > 10 {
		return "", fmt.Errorf("redis was not told of %d changes", bad)
	}
	return "", nil
}
