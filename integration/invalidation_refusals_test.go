package integration

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/invalidation"
)

// refusals are the ways in which a Redis answers and takes no changes.
var refusals = map[string]struct {
	args         []string
	begin, cease [][]any
}{
	"a snapshot that failed": {
		args: []string{"--enable-protected-configs", "yes", "--save", "3600 1"},
		// The name is too long for a file.
		begin: [][]any{{"config", "set", "dbfilename", strings.Repeat("x", 300)}, {"bgsave"}},
		cease: [][]any{{"config", "set", "stop-writes-on-bgsave-error", "no"}},
	},
	"too few replicas": {
		begin: [][]any{{"config", "set", "min-replicas-to-write", "1"}},
		cease: [][]any{{"config", "set", "min-replicas-to-write", "0"}},
	},
	"a replica": {
		begin: [][]any{{"replicaof", "127.0.0.1", "1"}},
		cease: [][]any{{"replicaof", "no", "one"}},
	},
	"paused writes": {
		begin: [][]any{{"client", "pause", "600000", "write"}},
		cease: [][]any{{"client", "unpause"}},
	},
	"full memory of a user who may not HDEL": {
		args:  []string{"--maxmemory-policy", "noeviction", "--user", "default", "on", "nopass", "~*", "&*", "+@all", "-hdel"},
		begin: [][]any{{"config", "set", "maxmemory", "100000"}},
		cease: [][]any{{"config", "set", "maxmemory", "0"}},
	},
}

// What a Redis that answers and takes no changes is not told of, no other process goes on without: it is away for
// those who read as for those who write, whether they ask for each answer or not.
func TestInvalidationRedisThatTakesNoChanges(t *testing.T) {
	t.Parallel()
	for name, refusal := range refusals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := harness.StartRedis(t, refusal.args...)
			admin := redisWith(t, server.URL(), patientTimeouts)
			defer admin.Close()
			do := func(commands [][]any) {
				t.Helper()
				for _, c := range commands {
					if err := admin.Do(t.Context(), c...).Err(); err != nil {
						t.Fatal(c, err)
					}
				}
			}
			const limit = 300 * time.Millisecond
			log := &logged{}
			reader := &versionsPeer{t: t, client: redisAt(t, server.URL())}
			var err error
			reader.Versions, err = invalidation.Open(invalidation.Config{Client: reader.client, Namespace: "ns", MaxStaleness: limit, OwnConnections: true, Logger: slog.New(log)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { reader.Close(); reader.client.Close() })
			writer := openVersions(t, redisAt(t, server.URL()), "ns", limit)
			writer.read("t")
			// Polls write at the end of a new server's quarantine, whatever else they do.
			harness.Eventually(t, settling, "no poll has a reason of its own to write", func() bool {
				reader.know("t")
				return admin.HGet(t.Context(), "{ns}:v", "u").Val() == "0"
			})
			var old answer
			harness.Eventually(t, settling, "Redis vouches for an answer", func() bool { old = reader.read("t"); return reader.current(old) })

			before := len(log.all("mlcache: Redis does not answer")) // a busy machine has its own
			do(refusal.begin)
			harness.Eventually(t, settling, "a change is refused", func() bool { return writer.write("t") != nil })
			harness.Eventually(t, settling, "the reader does not serve", func() bool { return !reader.Live(limit) })
			for range 100 { // as long as it lasts
				if err := reader.ask(old); err == nil || reader.Live(limit) {
					t.Fatalf("the reader goes on with an answer from before a change: asked %v, live %v", err, reader.Live(limit))
				}
				time.Sleep(2 * time.Millisecond)
			}
			refused, silent := len(log.all("mlcache: Redis answers with a refusal")), len(log.all("mlcache: Redis does not answer"))
			if refused > 1 || refused == 0 && silent == before {
				t.Errorf("refusals were logged %d times, want once:\n%s", refused, log.text())
			}

			do(refusal.cease)
			harness.Eventually(t, settling, "live again, with all delivered", func() bool {
				reader.know("t")
				writer.know("t")
				if reader.Live(limit) && (reader.usable(old) || reader.current(old)) {
					t.Fatal("the answer from before the change is good again")
				}
				return reader.Live(limit) && writer.Live(limit) && writer.Stats().Queued == 0
			})
		})
	}
}

// Where memory is full and nothing can be evicted, changes are made known all the same: versions take little, and the cache
// goes on without storing answers in Redis.
func TestInvalidationRedisThatIsFull(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"noeviction", "volatile-lru"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			server := harness.StartRedis(t, "--maxmemory-policy", policy)
			admin := redisWith(t, server.URL(), patientTimeouts)
			defer admin.Close()
			a, b := openVersions(t, redisWith(t, server.URL(), patientTimeouts), "ns", time.Second), openVersions(t, redisWith(t, server.URL(), patientTimeouts), "ns", time.Second)
			a.read("t")
			b.read("t")
			if err := admin.ConfigSet(t.Context(), "maxmemory", "100000").Err(); err != nil {
				t.Fatal(err)
			}
			if err := admin.Set(t.Context(), "other", "x", 0).Err(); err == nil || !strings.Contains(err.Error(), "OOM") {
				t.Fatalf("void: Redis is not full: %v", err)
			}
			checkProtocol(t, a, b)
			if s := b.Stats(); s.PollErrors > 0 || s.FenceErrors > 0 || s.ReleaseErrors > 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// In a cluster that misses a slot nodes may go on to answer reads.
func TestInvalidationClusterThatTakesNoChanges(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t)
	var addrs []string
	for _, n := range nodes {
		addrs = append(addrs, n.addr)
		n.do("CONFIG", "SET", "cluster-allow-reads-when-down", "yes")
	}
	open := func() *versionsPeer {
		return openVersions(t, redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, MaxRedirects: -1, DialTimeout: time.Second, ReadTimeout: time.Second, WriteTimeout: time.Second}), "ns", time.Second)
	}
	reader, writer := open(), open()
	writer.read("t")
	admin := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
	defer admin.Close()
	harness.Eventually(t, settling, "no poll has a reason of its own to write", func() bool {
		reader.know("t")
		return admin.HGet(t.Context(), "{ns}:v", "u").Val() == "0"
	})
	var old answer
	harness.Eventually(t, settling, "Redis vouches for an answer", func() bool { old = reader.read("t"); return reader.current(old) })
	for _, n := range nodes {
		c := n.client()
		defer c.Close()
		_ = c.Do(t.Context(), "CLUSTER", "DELSLOTS", "1").Err() // where it is known
	}
	harness.Eventually(t, settling, "a change is refused", func() bool { return writer.write("t") != nil })
	harness.Eventually(t, settling, "the reader does not serve", func() bool { return !reader.Live(time.Second) })
	if err := reader.ask(old); err == nil || errors.Is(err, invalidation.ErrStale) {
		t.Errorf("asked: %v", err)
	}
}
