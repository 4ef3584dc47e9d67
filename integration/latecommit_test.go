package integration

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
)

// pastLease is longer than a fence stands that nobody renews, and than whoever has met its end takes to ask.
const pastLease = 7 * time.Second

const itemTable = "CREATE TABLE item (id int PRIMARY KEY, n int NOT NULL); INSERT INTO item VALUES (1, 0)"
const itemQuery = "SELECT n FROM item WHERE id = 1"

// lateCommit is a row that a session locks, so that a writer's UPDATE waits, while readers read it.
type lateCommit struct {
	t       *testing.T
	pgx     *sql.DB
	lock    *sql.Tx
	readers map[string]func() harness.Result
	bounds  map[string]time.Duration
	served  []func(want harness.Result)
}

// newLateCommit opens readers of a namespace and locks the row.
func newLateCommit(t *testing.T, dsn, mlcacheDSN string) *lateCommit {
	l := &lateCommit{t: t, pgx: harness.Open(t, "pgx", dsn), readers: map[string]func() harness.Result{}, bounds: map[string]time.Duration{"bounded": bound, "strict": 0}}
	for name := range l.bounds {
		l.add(name, harness.Open(t, "mlcache", harness.With(mlcacheDSN, "mlcache_consistency", name)))
	}
	return l
}

func (l *lateCommit) add(name string, db *sql.DB) {
	untilServing(l.t, db)
	untilHit(l.t, db, itemQuery)
	l.readers[name] = func() harness.Result { return harness.Query(l.t, db, itemQuery) }
	l.served = append(l.served, func(want harness.Result) {
		harness.Same(l.t, name+", served again", untilHit(l.t, db, itemQuery), want)
	})
}

func (l *lateCommit) lockRow() {
	l.t.Helper()
	tx, err := l.pgx.BeginTx(l.t.Context(), nil)
	if err != nil {
		l.t.Fatal(err)
	}
	l.lock = tx
	harness.Exec(l.t, tx, "SELECT 1 FROM item WHERE id = 1 FOR UPDATE")
}

func (l *lateCommit) unlock() {
	l.t.Helper()
	if err := l.lock.Commit(); err != nil {
		l.t.Fatal(err)
	}
}

// waiting waits until a session waits for the row.
func (l *lateCommit) waiting() {
	l.t.Helper()
	harness.Eventually(l.t, 10*time.Second, "the UPDATE waits for the row", func() bool {
		return harness.Query(l.t, l.pgx, "SELECT count(*) FROM pg_locks l WHERE NOT l.granted AND l.pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())").Rows[0] != "int64 0"
	})
}

// readFor reads by all readers for a time. Nothing may have changed.
func (l *lateCommit) readFor(d time.Duration) {
	l.t.Helper()
	want := harness.Query(l.t, l.pgx, itemQuery)
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		for name, read := range l.readers {
			harness.Same(l.t, name, read(), want)
		}
	}
}

// committed lets the UPDATE go on by goOn, and checks that nobody misses it for longer than his bound, and that the cache serves again.
func (l *lateCommit) committed(goOn func()) {
	l.t.Helper()
	old := harness.Query(l.t, l.pgx, itemQuery).String()
	goOn()
	var want harness.Result
	harness.Eventually(l.t, 10*time.Second, "the UPDATE is there", func() bool {
		want = harness.Query(l.t, l.pgx, itemQuery)
		return want.String() != old
	})
	since := time.Now()
	missed := map[string]int{}
	for end := since.Add(bound + time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		for name, read := range l.readers {
			began := time.Now()
			if got := read(); got.String() != want.String() && began.Sub(since) > l.bounds[name] {
				missed[name]++
			}
		}
	}
	for name, n := range missed {
		l.t.Errorf("%s: %d old answers", name, n)
	}
	for _, served := range l.served {
		served(want)
	}
}

// A writer is killed while its UPDATE waits for a lock, and the database carries it out after the end of the fence's lease.
func TestKilledWritersStatementCommitsAfterItsLease(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, itemTable)
	shared := withRedis(t, dsn)
	for _, consistency := range []string{"bounded", "strict"} {
		t.Run(consistency, func(t *testing.T) {
			t.Parallel()
			dsn, shared := dsn, shared
			if consistency == "strict" {
				dsn = harness.NewDatabase(t, warmup, itemTable)
				shared = withRedis(t, dsn)
			}
			l := newLateCommit(t, dsn, shared)
			writer := harness.StartProcess(t, "mlcache", harness.With(shared, "mlcache_consistency", consistency))
			untilProcessServes(t, writer)
			l.lockRow()
			writer.StartExec("UPDATE item SET n = n + 1 WHERE id = 1")
			l.waiting()
			writer.Kill()
			l.readFor(pastLease)
			l.committed(l.unlock)
		})
	}
}

// A writer whose writes are refused without Redis is stopped while its UPDATE waits, and goes on when that has committed.
func TestStoppedWritersStatementCommitsAfterItsLease(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, itemTable)
	shared := withRedis(t, dsn)
	l := newLateCommit(t, dsn, shared)
	writer := harness.StartProcess(t, "mlcache", harness.With(shared, "mlcache_consistency", "strict", "mlcache_on_redis_down", "fail-writes"))
	untilProcessServes(t, writer)
	l.lockRow()
	writer.StartExec("UPDATE item SET n = n + 1 WHERE id = 1")
	l.waiting()
	writer.Pause()
	l.readFor(pastLease)
	old := harness.Query(t, l.pgx, itemQuery).String()
	l.unlock()
	var want harness.Result
	harness.Eventually(t, 10*time.Second, "the UPDATE is there", func() bool {
		want = harness.Query(t, l.pgx, itemQuery)
		return want.String() != old
	})
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		harness.Same(t, "strict", l.readers["strict"](), want)
	}
	writer.Resume()
	if err := writer.Finish(); err != "" {
		t.Error(err)
	}
	for _, served := range l.served {
		served(want)
	}
}

// A write's context ends while the network holds the UPDATE, which the database gets and carries out after the end of the
// fence's lease. Nobody, its own process included, may miss it.
func TestStatementThatArrivesAfterItsLease(t *testing.T) {
	t.Parallel()
	for _, redis := range []bool{true, false} {
		t.Run(fmt.Sprintf("redis=%t", redis), func(t *testing.T) {
			t.Parallel()
			dsn := harness.NewDatabase(t, warmup, itemTable)
			shared := harness.With(dsn, "mlcache_namespace", harness.NewNamespace(t))
			if redis {
				shared = withRedis(t, dsn)
			}
			proxy := harness.NewHoldProxy(t, dsn)
			l := newLateCommit(t, dsn, shared)
			writer := harness.Open(t, "mlcache", harness.With(proxy.URL(shared), "default_query_exec_mode", "exec"))
			l.add("writer", writer)
			l.bounds["bounded"] = 0 // it is of the same process
			if redis {
				other := harness.StartProcess(t, "mlcache", shared)
				untilProcessServes(t, other)
				l.readers["other process"], l.bounds["other process"] = func() harness.Result { return ask(t, other, itemQuery) }, bound
			}
			conn, err := writer.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			harness.Exec(t, conn, "SELECT 1")
			proxy.Hold()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			failed := make(chan error)
			go func() {
				_, err := conn.ExecContext(ctx, "UPDATE item SET n = n + 1 WHERE id = 1")
				failed <- err
			}()
			harness.Eventually(t, 10*time.Second, "the UPDATE on its way", func() bool { return proxy.Kept() > 0 })
			cancel()
			if err := <-failed; err == nil {
				t.Fatal("no error")
			}
			conn.Close()
			read := l.readers["writer"]
			delete(l.readers, "writer") // its way to the database is held, too
			l.readFor(pastLease)
			l.committed(func() {
				proxy.Deliver()
				l.readers["writer"] = read
			})
		})
	}
}
