package history_test

import (
	"slices"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/history"
)

// A read of another process misses nothing that was written before the bound, a
// read of the own process nothing that was written at all, whatever breaks.
func TestBounded(t *testing.T) {
	f := newFleet(t, history.Shape{Tables: 4, Rows: 2})
	f.orders.Cancel = 0.02
	f.start()
	f.quiet(0, 2*time.Second)
	f.sufferAll([]fault{cut, deafAndMute, stall, restart, kill, suspend},
		[]fault{cut, latency, verySlow, deafAndMute, slicer, reset, deafen, stall, shortStalls, restart, flush, loseVersions, evict, failover, flipFlop, suspend, suspendLong, kill})
	h := f.finish()
	f.report(h, h.Bounded(int64(time.Second)))
	f.promptDuring(h, stall)
}

// Strict is linearizable, whatever breaks, when writes of which Redis cannot be
// told are refused.
func TestStrict(t *testing.T) {
	f := newFleet(t, history.Shape{Tables: 4, Rows: 2}, "mlcache_consistency", "strict", "mlcache_on_redis_down", "fail-writes")
	f.orders.Cancel = 0.02
	f.start()
	f.quiet(0, 2*time.Second)
	f.sufferAll([]fault{cut, shortStalls, flush, kill, suspend},
		[]fault{cut, latency, verySlow, deafAndMute, slicer, reset, deafen, stall, shortStalls, restart, flush, loseVersions, evict, failover, flipFlop, suspend, kill})
	h := f.finish()
	t.Logf("porcupine has judged %d operations", h.Linearizable(nil))
	f.report(h, h.Bounded(0))
	f.promptDuring(h, stall)
}

// sufferAll runs faults in an order by the seed: in the long form until there are
// enough operations.
func (f *fleet) sufferAll(short, long []fault) {
	f.t.Helper()
	faults := short
	if torture > 0 {
		faults = long
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

// promptDuring: while a fault lasts, reads are prompt.
func (f *fleet) promptDuring(h *history.History, x fault) {
	f.t.Helper()
	took := h.ReadTimes(func(p *history.Phase) bool { return p.Name == x.name })
	if len(took) == 0 {
		return
	}
	p99 := time.Duration(history.Percentile(took, 0.99))
	f.t.Logf("%s: %d reads, p99 %v, longest %v", x.name, len(took), p99, time.Duration(history.Percentile(took, 1)))
	if p99 > 250*time.Millisecond {
		f.t.Errorf("%s: p99 of reads is %v", x.name, p99)
	}
}
