package integration

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
)

// A program that ends right after a write whose outcome it does not know leaves no table fenced behind it: not for as long as
// the lease of a fence and whoever finds out then need.
func TestAProgramThatEndsWithAWriteInDoubt(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, itemTable)
	shared := withRedis(t, dsn)
	reader := harness.StartProcess(t, "mlcache", shared)
	untilProcessServes(t, reader)
	l := &lateCommit{t: t, pgx: harness.Open(t, "pgx", dsn)}
	for range 3 {
		writer := harness.Open(t, "mlcache", shared)
		untilServing(t, writer)
		l.lockRow()
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() {
			_, err := writer.ExecContext(ctx, "UPDATE item SET n = n + 1 WHERE id = 1")
			failed <- err
		}()
		l.waiting()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if err := writer.Close(); err != nil {
			t.Fatal(err)
		}
		l.unlock()
		closed := time.Now()
		harness.Eventually(t, settling, "a hit in the reader", func() bool {
			_, c := askOnce(t, reader, itemQuery)
			return c.L1Hits+c.L2Hits == 1
		})
		if took := time.Since(closed); took > 3*time.Second {
			t.Errorf("fenced for %v after the program had ended", took)
		} else {
			t.Logf("%v", took)
		}
	}
}
