package integration

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/integration/harness"
)

// The statement log is what the other tests trust, so it is measured against the
// server's own count in pg_stat_statements.
func TestStatementLogAgreesWithServer(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, "CREATE TABLE item (id int PRIMARY KEY)", "CREATE EXTENSION pg_stat_statements")
	harness.InEveryExecMode(t, dsn, func(t *testing.T, dsn string) {
		log := harness.NewStatementLog(t, dsn)
		db := harness.Open(t, "pgx", log.DSN())
		direct := harness.Open(t, "pgx", dsn)
		harness.Exec(t, direct, "SELECT pg_stat_statements_reset(0, 0, 0)")
		for range 3 {
			harness.Query(t, db, "SELECT id FROM item WHERE id = $1", 7)
		}
		harness.Exec(t, db, "INSERT INTO item VALUES (1); DELETE FROM item", pgx.QueryExecModeSimpleProtocol)
		if got := log.Count("FROM item WHERE id"); got != 3 {
			t.Errorf("the log has the SELECT %d times, want 3", got)
		}
		var calls int
		if err := direct.QueryRow("SELECT coalesce(sum(calls), 0)::int FROM pg_stat_statements " +
			// It has those of every database of the server.
			"WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query LIKE '%FROM item WHERE id%'").Scan(&calls); err != nil {
			t.Fatal(err)
		}
		if calls != 3 {
			t.Errorf("the server counts %d executions, want 3", calls)
		}
		if got := log.Count("DELETE FROM item"); got != 1 {
			t.Errorf("the log has the two statements of one message %d times, want 1", got)
		}
		log.Reset()
		if got := len(log.Statements()); got != 0 {
			t.Errorf("%d statements after Reset", got)
		}
	})
}

func TestRedisOfATest(t *testing.T) {
	t.Parallel()
	ctx := harness.Context(t)
	server := harness.StartRedis(t)
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	options.ReadTimeout = 200 * time.Millisecond
	options.MaxRetries = -1
	client := redis.NewClient(options)
	defer client.Close()
	set := func() error { return client.Set(ctx, "k", "v", 0).Err() }
	if err := set(); err != nil {
		t.Fatal(err)
	}
	server.Pause()
	if set() == nil {
		t.Error("a paused Redis answers")
	}
	server.Resume()
	if err := set(); err != nil {
		t.Errorf("after Resume: %v", err)
	}
	server.Stop()
	if set() == nil {
		t.Error("a stopped Redis answers")
	}
	server.Start()
	if n, err := client.Exists(ctx, "k").Result(); err != nil || n != 0 {
		t.Errorf("after a restart without data: %d keys, %v", n, err)
	}
	server.Kill()
	if set() == nil {
		t.Error("a killed Redis answers")
	}
	server.Start()
	if err := set(); err != nil {
		t.Errorf("after Start: %v", err)
	}
}
