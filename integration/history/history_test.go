package history_test

import (
	"math"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/integration/history"
)

// The histories of several processes while things break. They come one after the
// other: each needs the machine for itself.
func TestHistory(t *testing.T) {
	server := startBrokenRedis(t)
	for _, h := range []struct {
		name string
		run  func(t *testing.T, server *brokenRedis) (meant bool)
	}{
		{"bounded", bounded},
		{"strict", strict},
		{"strict with late invalidation", strictWithLateInvalidation},
		{"reloads", reloads},
	} {
		t.Run(h.name, func(t *testing.T) {
			if torture > 0 {
				server = startBrokenRedis(t)
			}
			// On a machine that is busy with something else, such as the first build of other tests, a run can have too few
			// hits to mean anything.
			for try := 1; !h.run(t, server); try++ {
				if try == 6 {
					t.Fatal("void each time")
				}
			}
		})
	}
}

// A read of another process misses nothing that was written before the bound, a
// read of the own process nothing that was written at all, whatever breaks.
func bounded(t *testing.T, server *brokenRedis) (meant bool) {
	f := newFleet(t, server, history.Shape{Tables: 4, Rows: 2, Tenant: harness.NewNamespace(t)})
	f.orders.Cancel = 0.02
	f.start()
	f.quiet(0, 2*time.Second)
	f.sufferAll([]fault{cut, latency, stall, farDatabase, killUnanswered, noReplicas, lockedKilled},
		[]fault{cut, farDatabase, latency, verySlow, deafAndMute, slicer, reset, deafen, stall, shortStalls, restart, flush, loseVersions, evict, full, noReplicas, failover, flipFlop, suspend, suspendLong, kill, killUnanswered,
			lockedAlive, lockedKilled, lockedStopped, heldAbandoned, heldKilled, kept})
	h := f.finish()
	h.Refusal = int64(refusing)
	meant = f.report(h, h.Bounded(int64(time.Second)))
	f.promptDuring(h, stall)
	return meant
}

// Strict is linearizable, whatever breaks, when writes of which Redis cannot be
// told are refused.
func strict(t *testing.T, server *brokenRedis) (meant bool) {
	f := newFleet(t, server, history.Shape{Tables: 4, Rows: 2, Tenant: harness.NewNamespace(t)}, "mlcache_consistency", "strict", "mlcache_on_redis_down", "fail-writes")
	f.orders.Cancel = 0.02
	f.start()
	f.quiet(0, 2*time.Second)
	f.sufferAll([]fault{latency, farDatabase, heldAbandoned},
		[]fault{cut, farDatabase, latency, verySlow, deafAndMute, slicer, reset, deafen, stall, shortStalls, restart, flush, loseVersions, evict, full, noReplicas, failover, flipFlop, suspend, kill, killUnanswered,
			lockedAlive, lockedKilled, lockedStopped, heldAbandoned, heldKilled, kept})
	h := f.finish()
	t.Logf("porcupine has judged %d operations", h.Linearizable(nil))
	meant = f.report(h, h.Bounded(0))
	f.promptDuring(h, stall)
	return meant
}

// By default a write goes through though Redis cannot be told, and others learn of
// it late. Beside that, strict is linearizable: from the call of such a write until
// Redis has been told, other processes may still give older answers, and only
// these are excused.
func strictWithLateInvalidation(t *testing.T, server *brokenRedis) (meant bool) {
	f := newFleet(t, server, history.Shape{Tables: 4, Rows: 2, Tenant: harness.NewNamespace(t)}, "mlcache_consistency", "strict")
	f.start()
	f.sufferAll([]fault{deafAndMute},
		[]fault{cut, farDatabase, latency, verySlow, deafAndMute, slicer, reset, deafen, stall, shortStalls, evict, full, noReplicas, suspend, kill, killUnanswered, lockedKilled, lockedStopped, heldAbandoned})
	h := f.finish()
	h.Refusal = int64(time.Second + refusing) // no lease rests on a write that Redis has not taken within the bound
	excused := 0
	late := h.ExcuseLate()
	judged := h.Linearizable(func(r *history.Op) bool {
		if late(r) {
			excused++
			return true
		}
		return false
	})
	t.Logf("porcupine has judged %d operations; %d reads are excused", judged, excused)
	return f.report(h, h.Bounded(never))
}

// refusing is how long it takes to make a Redis refuse writes.
const refusing = 300 * time.Millisecond

// never is longer than any test: no bound.
const never = math.MaxInt64

// Writers are killed at random moments of their writes. Whether such a write
// happened is for the database to say. If it did, other processes may give the
// answer from before it for as long as the bound, as after any write; then, until
// the fence of the dead writer has run out, they ask the database; and then they
// cache what they find there. In strict mode nobody gives an older answer once
// anybody has seen the write.
func TestKilledWriters(t *testing.T) {
	for name, keys := range map[string][]string{"bounded": nil, "strict": {"mlcache_consistency", "strict", "mlcache_on_redis_down", "fail-writes"}} {
		t.Run(name, func(t *testing.T) {
			// Each death shuts a table for the lease of a fence, so there are many.
			f := newFleet(t, sharedRedis{}, history.Shape{Tables: 24, Rows: 1, Tenant: harness.NewNamespace(t)}, keys...)
			f.orders.Writes = 0.02
			f.start()
			f.recorder.Phase(history.Phase{Name: "writers die"})
			for f.kills < max(2, killed) {
				f.killWriter()
				f.wait(time.Duration(f.random.IntN(800)) * time.Millisecond)
			}
			f.quiet(time.Second, time.Second)
			h := f.finish()
			bound := int64(time.Second)
			if name == "strict" {
				t.Logf("porcupine has judged %d operations", h.Linearizable(nil))
				bound = 0
			}
			if !f.report(h, h.Bounded(bound)) {
				t.Error("void")
			}
			if unknown := h.Count(history.Unknown); killed > 0 && unknown*4 < f.kills {
				t.Errorf("void: only %d writes were cut off by %d deaths", unknown, f.kills)
			}
		})
	}
}

// sufferAll runs faults in an order by the seed: in the long form until there are
// enough operations.
func (f *fleet) sufferAll(short, long []fault) {
	f.t.Helper()
	faults := short
	if torture > 0 {
		faults = long
	}
	// Of all faults there are, also those that the lists leave out.
	if only := os.Getenv("MLCACHE_TEST_FAULTS"); only != "" && f.postgres == nil {
		faults = slices.DeleteFunc(slices.Clone(allFaults), func(x fault) bool { return !regexp.MustCompile(only).MatchString(x.name) })
	}
	for {
		order := slices.Clone(faults)
		f.random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, x := range order {
			f.suffer(x)
		}
		if f.recorder.Operations() >= torture {
			return
		}
		f.t.Logf("%d operations so far", f.recorder.Operations())
	}
}

// promptDuring: while a fault lasts, reads are prompt. The short form shares the machine with other tests, so that some of
// its reads are slow whatever happens; not half of them.
func (f *fleet) promptDuring(h *history.History, x fault) {
	f.t.Helper()
	took := h.ReadTimes(func(p *history.Phase) bool { return p.Name == x.name })
	if len(took) == 0 {
		return
	}
	judged := 0.99
	if torture == 0 {
		judged = 0.5
	}
	p := time.Duration(history.Percentile(took, judged))
	f.t.Logf("%s: %d reads, p%.0f %v, longest %v", x.name, len(took), 100*judged, p, time.Duration(history.Percentile(took, 1)))
	if p > 250*time.Millisecond {
		f.t.Errorf("%s: p%.0f of reads is %v", x.name, 100*judged, p)
	}
}
