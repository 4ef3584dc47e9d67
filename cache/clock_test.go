package cache

import (
	"testing"
	"time"
)

// What counts for callers must not be taken for a clock where nothing ticks.
func TestSeconds(t *testing.T) {
	var none *Memory
	if none.Seconds() != 0 {
		t.Error("nil counts")
	}
	m := NewMemory(1 << 20)
	if got := m.Seconds(); got != 0 {
		t.Errorf("%d before the first Set", got)
	}
	m.Set(t.Context(), []byte("k"), []byte("v"), time.Minute)
	first, last := uint32(0), uint32(0)
	for deadline := time.Now().Add(10 * time.Second); last <= first && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		last = m.Seconds()
		if first == 0 {
			first = last
		}
	}
	if first == 0 || last <= first {
		t.Errorf("it went from %d to %d", first, last)
	}
	m.Close()
	if got := m.Seconds(); got != 0 {
		t.Errorf("%d after Close", got)
	}
}
