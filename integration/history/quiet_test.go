package history_test

import (
	"testing"
	"time"
)

// Without faults, every read of another process shows what was written before the
// bound, every read of the own process what was written before.
func TestBoundedWithoutFaults(t *testing.T) {
	f := newFleet(t)
	f.start()
	f.quiet(0, 3*time.Second)
	h := f.finish()
	f.report(h, h.Bounded(int64(time.Second)))
}

// Without faults, strict is linearizable.
func TestStrictWithoutFaults(t *testing.T) {
	f := newFleet(t, "mlcache_consistency", "strict")
	f.start()
	f.quiet(0, 3*time.Second)
	h := f.finish()
	t.Logf("porcupine has judged %d operations", h.Linearizable(nil))
	f.report(h, h.Bounded(0))
}
