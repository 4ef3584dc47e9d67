package latency_test

import (
	"sync"
	"testing"
	"time"

	"github.com/mlcache/mlcache/latency"
)

func TestEachBucketTakesWhatIsUpToItsBound(t *testing.T) {
	for i, bound := range latency.Bounds() {
		var h latency.Histogram
		h.Observe(bound)
		h.Observe(bound + 1)
		s := h.Snapshot()
		if s.Buckets[i] != 1 || s.Buckets[i+1] != 1 || s.Count() != 2 || s.Sum != 2*bound+1 {
			t.Errorf("%v: %+v", bound, s)
		}
	}
	var h latency.Histogram
	h.Observe(-time.Hour)
	if s := h.Snapshot(); s.Buckets[0] != 1 || s.Sum != 0 {
		t.Errorf("a negative duration: %+v", s)
	}
}

func TestQuantiles(t *testing.T) {
	var h latency.Histogram
	if s := h.Snapshot(); s.Quantile(0.5) != 0 || s.Mean() != 0 {
		t.Errorf("of nothing: %v, %v", s.Quantile(0.5), s.Mean())
	}
	for range 90 {
		h.Observe(15 * time.Microsecond)
	}
	for range 10 {
		h.Observe(time.Hour)
	}
	s := h.Snapshot()
	if m := s.Quantile(0.5); m < 10*time.Microsecond || m > 20*time.Microsecond {
		t.Errorf("the median is %v, outside of its bucket", m)
	}
	if most := s.Quantile(0.99); most != 10*time.Second {
		t.Errorf("beyond every bound: %v", most)
	}
	if s.Mean() < 6*time.Minute-time.Second || s.Mean() > 6*time.Minute+time.Second {
		t.Errorf("mean %v", s.Mean())
	}
}

func TestNothingIsLostBetweenGoroutines(t *testing.T) {
	var h latency.Histogram
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				h.Observe(time.Millisecond)
			}
		})
	}
	all.Wait()
	if s := h.Snapshot(); s.Count() != 8000 || s.Sum != 8*time.Second {
		t.Errorf("%d in %v", s.Count(), s.Sum)
	}
}
