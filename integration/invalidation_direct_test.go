package integration

import (
	"errors"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/invalidation"
)

// The check of a strict hit does not run the script, and notices all the same that the server it asks became a replica, and that
// it was one in between: it may lack changes then.
func TestInvalidationDirectQuestionKnowsTheServer(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	admin := server.client()
	defer admin.Close()
	for _, protocol := range []int{2, 3} {
		o := patientTimeouts(&redis.Options{Addr: server.addr, Protocol: protocol})
		p := openVersions(t, redis.NewClient(o), "direct"+strconv.Itoa(protocol), time.Hour)
		writer := openVersions(t, server.client(), "direct"+strconv.Itoa(protocol), time.Hour)
		cells := []*invalidation.Cell{p.Epoch(), p.Cell("t")} // one that nobody holds is forgotten
		harness.Eventually(t, 10*time.Second, "no quarantine", func() bool {
			return p.know("t").Load() != 0 && p.Stats().Subscriptions > 0 && p.Quarantine() == 0
		})
		time.Sleep(50 * time.Millisecond) // the poll that follows the subscription
		current := func() error {
			return p.Current(t.Context(), cells, []uint64{cells[0].Load(), cells[1].Load()}, nil)
		}
		scripts := func() int {
			text := admin.Info(t.Context(), "commandstats").Val()
			calls := regexp.MustCompile(`cmdstat_evalsha:calls=(\d+)`).FindStringSubmatch(text)
			if calls == nil {
				t.Fatal("no command statistics")
			}
			n, _ := strconv.Atoi(calls[1])
			return n
		}
		before := scripts()
		for range 100 {
			if err := current(); err != nil {
				t.Fatal(err)
			}
		}
		if n := scripts() - before; n > 10 {
			t.Errorf("RESP%d: the script ran %d times for 100 checks", protocol, n)
		}

		old := []uint64{cells[0].Load(), cells[1].Load()}
		if err := writer.write("t"); err != nil {
			t.Fatal(err)
		}
		if err := p.Current(t.Context(), cells, old, nil); !errors.Is(err, invalidation.ErrStale) {
			t.Errorf("RESP%d: after a change: %v", protocol, err)
		}
		if err := current(); err != nil {
			t.Errorf("RESP%d: what has just been learnt is not current: %v", protocol, err)
		}

		old = []uint64{cells[0].Load(), cells[1].Load()}
		if err := admin.ReplicaOf(t.Context(), "127.0.0.1", "1").Err(); err != nil {
			t.Fatal(err)
		}
		if err := p.Current(t.Context(), cells, old, nil); err == nil {
			t.Errorf("RESP%d: a replica was believed", protocol)
		}
		if err := admin.ReplicaOf(t.Context(), "NO", "ONE").Err(); err != nil {
			t.Fatal(err)
		}
		// Its versions are the same still, and others may have changed theirs at the master.
		harness.Eventually(t, 10*time.Second, "what a server that was a replica says is news", func() bool {
			err := p.Current(t.Context(), cells, old, nil)
			if err == nil {
				t.Fatalf("RESP%d: a server that was a replica was believed", protocol)
			}
			return errors.Is(err, invalidation.ErrStale) // not right after it did not answer
		})
	}
}
