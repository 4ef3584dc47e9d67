package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/integration/harness"
)

// Redis loses the versions, and the processes keep their entries. Were versions
// counters, they would count up from the beginning once more, and each would bring
// back the entries that were made when it was first reached.
func TestLostVersionsBringNoEntryBack(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, namespace string) (url string, lose func()){
		"evicted": func(t *testing.T, namespace string) (string, func()) {
			client := redisWith(t, harness.RedisURL(), patientTimeouts)
			t.Cleanup(func() { client.Close() })
			return harness.RedisURL(), func() { deleted(t, client, "{"+namespace+"}:v") }
		},
		"FLUSHALL": func(t *testing.T, namespace string) (string, func()) {
			server := harness.StartRedis(t)
			client := redisWith(t, server.URL(), patientTimeouts)
			t.Cleanup(func() { client.Close() })
			// What is kept in the quarantine of a server that has just started does not last.
			harness.Eventually(t, time.Minute, "the server is older than a fence's lease", func() bool {
				return uptime(t, client) > 6
			})
			return server.URL(), func() {
				if err := client.FlushAll(harness.Context(t)).Err(); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			namespace := harness.NewNamespace(t)
			url, lose := lose(t, namespace)
			const versions = 20 // as many rows are read under each, as many times is written afterwards
			dsn := harness.NewDatabase(t, warmup, "CREATE TABLE item (id int PRIMARY KEY, n int)",
				fmt.Sprintf("INSERT INTO item SELECT i, 0 FROM generate_series(0, %d) i", versions*versions-1))
			pgx := harness.Open(t, "pgx", dsn)
			db := harness.Open(t, "mlcache", harness.With(dsn, "mlcache_redis", url+"?read_timeout=10s&write_timeout=10s&dial_timeout=10s&pool_timeout=10s",
				"mlcache_namespace", namespace, "mlcache_l1_ttl", "4m"))
			untilServing(t, db)
			const (
				read  = "SELECT n FROM item WHERE id = $1"
				write = "UPDATE item SET n = n + 1"
			)
			before := stats(t, db)
			for v := range versions {
				for k := range versions {
					harness.Query(t, db, read, v*versions+k)
					harness.Query(t, db, read, v*versions+k)
				}
				harness.Exec(t, db, write)
			}
			if hits := since(before, stats(t, db)).L1Hits; hits < versions*versions/2 {
				t.Fatalf("void: of %d entries only %d were there when they were read again", versions*versions, hits)
			}
			lose()
			untilServing(t, db)
			for round := range versions {
				for v := range versions {
					id := v*versions + round // read once before, and never since
					harness.Same(t, fmt.Sprintf("row %d after the loss and %d writes", id, round), harness.Query(t, db, read, id), harness.Query(t, pgx, read, id))
				}
				harness.Exec(t, db, write)
			}
		})
	}
}

func deleted(t *testing.T, client *redis.Client, key string) {
	t.Helper()
	if n, err := client.Del(harness.Context(t), key).Result(); err != nil || n != 1 {
		t.Fatalf("%d keys named %s were deleted: %v", n, key, err)
	}
}

func uptime(t *testing.T, client *redis.Client) (seconds int) {
	t.Helper()
	info, err := client.InfoMap(harness.Context(t), "server").Result()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(info["Server"]["uptime_in_seconds"], &seconds); err != nil {
		t.Fatal(err)
	}
	return seconds
}
