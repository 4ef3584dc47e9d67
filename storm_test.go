package mlcache

import (
	"testing"
	"time"
)

// Changes of everything have the schema read again, but not where they come one after the other.
func TestStorm(t *testing.T) {
	t.Parallel()
	var s storm
	now := time.Now()
	for i := range 10 {
		if got, want := s.comes(now), i >= stormNews; got != want {
			t.Errorf("change %d: %t", i, got)
		}
		now = now.Add(stormPause)
	}
	if s.comes(now.Add(stormPause)) {
		t.Error("the storm does not end")
	}
}
