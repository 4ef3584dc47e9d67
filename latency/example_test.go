package latency_test

import (
	"fmt"
	"time"

	"github.com/mlcache/mlcache/latency"
)

func ExampleHistogram() {
	var h latency.Histogram
	for range 99 {
		h.Observe(3 * time.Microsecond)
	}
	h.Observe(20 * time.Millisecond)
	s := h.Snapshot()
	fmt.Println(latency.Bounds()[0] > 0, len(s.Buckets) == len(latency.Bounds())+1)
	fmt.Println(s.Count(), s.Mean())
	fmt.Println(s.Quantile(0.5) < 10*time.Microsecond, s.Quantile(0.999) > time.Millisecond)
	// Output:
	// true true
	// 100 202.97µs
	// true true
}
