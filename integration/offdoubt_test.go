package integration

import (
	"context"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
)

// A write of unknown outcome of a process that is switched off shuts the others out for a while, and not for as long as that
// process lives.
func TestAWriteInDoubtWhileOff(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, itemTable)
	shared := withRedis(t, dsn)
	reader := harness.StartProcess(t, "mlcache", shared)
	untilProcessServes(t, reader)
	off := harness.Open(t, "mlcache", harness.With(shared, "mlcache_mode", "off"))
	l := &lateCommit{t: t, pgx: harness.Open(t, "pgx", dsn)}
	l.lockRow()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := off.ExecContext(ctx, "UPDATE item SET n = n + 1 WHERE id = 1")
		failed <- err
	}()
	l.waiting()
	cancel()
	if err := <-failed; err == nil {
		t.Fatal("no error")
	}
	l.unlock()
	start := time.Now()
	harness.Eventually(t, 25*time.Second, "a hit in the reader", func() bool {
		_, c := askOnce(t, reader, itemQuery)
		return c.L1Hits+c.L2Hits == 1
	})
	t.Log(time.Since(start))
}
