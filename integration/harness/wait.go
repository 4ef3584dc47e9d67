package harness

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

func waitForPostgres(ctx context.Context, dsn string) error {
	return retry(ctx, "PostgreSQL", func(ctx context.Context) error {
		c, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		defer c.Close(ctx)
		return c.Ping(ctx)
	})
}

func waitForRedis(ctx context.Context, url string) error {
	options, err := redis.ParseURL(url)
	if err != nil {
		return err
	}
	options.MaxRetries = -1
	c := redis.NewClient(options)
	defer c.Close()
	return retry(ctx, "Redis", func(ctx context.Context) error { return c.Ping(ctx).Err() })
}

// retry calls f until it succeeds. A server that has not answered after a minute
// is taken for broken.
func retry(ctx context.Context, what string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		attempt, done := context.WithTimeout(ctx, 2*time.Second)
		err := f(attempt)
		done()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", what, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Eventually calls ok until it returns true, and fails the test when it has not
// within the limit. It is for what has a bound, such as staleness: sleep is for
// nothing.
func Eventually(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	start := time.Now()
	for !ok() {
		if since := time.Since(start); since > limit {
			t.Fatalf("after %v still not: %s", since, what)
		}
		time.Sleep(time.Millisecond)
	}
}
