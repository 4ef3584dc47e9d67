package integration

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/invalidation"
)

// Writers that come together share calls. Each one's change is known to all when its release returns, as if it had been
// alone, and of its fence nothing is left, also where the release came to Redis before the fence did: these writers change
// nothing in between.
func TestInvalidationWritersShareCalls(t *testing.T) {
	t.Parallel()
	const writers, writes = 16, 60
	server := harness.StartRedis(t)
	peer := func(timeouts func(*redis.Options) *redis.Options) *versionsPeer {
		return openVersions(t, redisWith(t, server.URL(), timeouts), "crowd", time.Hour)
	}
	a, b := peer(patientTimeouts), peer(patientTimeouts)
	a.read("t")
	// On a busy machine b may have to wait for an answer, and for what follows from that.
	current := func(old answer) bool {
		err := b.ask(old)
		for err != nil && !errors.Is(err, invalidation.ErrStale) && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
			err = b.ask(old)
		}
		return err == nil
	}
	for _, waiting := range []bool{false, true} {
		before := a.Stats()
		var wg sync.WaitGroup
		for n := range writers {
			wg.Go(func() {
				own, outcome := "own"+strconv.Itoa(n), invalidation.Committed
				if n%2 == 0 {
					outcome = invalidation.RolledBack // its versions are not those that the others make
				}
				cell := a.Cell(own) // one that nobody holds is forgotten
				for range writes {
					old := b.read(own)
					f, err := a.Fence(t.Context(), []string{"t", own}, invalidation.FenceOptions{Wait: waiting})
					if err != nil {
						t.Error(err)
					}
					if waiting && current(old) {
						t.Errorf("%s is not fenced", own)
					}
					if err := f.Release(t.Context(), outcome); err != nil {
						t.Error(err)
					}
					if (current(old) || a.usable(old)) && outcome == invalidation.Committed {
						t.Errorf("the change of %s is not known", own)
					}
					// Its part of the answer was its own.
					if known, fresh := cell.Load(), b.read(own); known != fresh.version {
						t.Errorf("%s has version %x and is taken for %x (%+v)", own, fresh.version, known, b.Stats())
					}
				}
			})
		}
		wg.Wait()
		orders := writers * writes * 2
		calls := a.Stats().Calls - before.Calls
		t.Logf("waiting %v: %d fences and releases in %d calls", waiting, orders, calls)
		if calls >= uint64(orders) {
			t.Error("no call was shared")
		}
		harness.Eventually(t, 4*time.Second, "nothing is left of a fence, before its lease ends", func() bool {
			fields, err := a.client.HGetAll(t.Context(), "{crowd}:v").Result()
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range fields {
				if (name == "w" || strings.HasPrefix(name, "s")) && strings.Contains(value, ";") {
					return false
				}
			}
			return true
		})
	}
	if s := a.Stats(); s.CallErrors+s.FenceErrors+s.ReleaseErrors > 0 {
		t.Errorf("%+v", s)
	}
}
