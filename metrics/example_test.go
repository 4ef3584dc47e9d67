package metrics_test

import (
	"fmt"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/metrics"
)

// What a bridge to a monitoring system does: every figure of one look at the cache.
func ExampleAll() {
	stats := mlcache.Stats{L1Hits: 9, Misses: 1} // handle.Stats()
	for _, m := range metrics.All() {
		if m.Name == "multilevel_cache_flights_shared_total" {
			for _, s := range m.Read(&stats) {
				fmt.Println(m.Name, s.Value)
			}
		}
	}
	// Output: multilevel_cache_flights_shared_total 0
}
