package invalidation

import (
	"testing"
	"time"
)

// BenchmarkHit is what a hit pays for its certainty: the lease, and the epoch and two scopes.
func BenchmarkHit(b *testing.B) {
	v := withRedis(b)
	now := time.Now()
	v.validated.Store(&now)
	v.touched.Store(true)
	cells := []*Cell{v.Epoch(), v.Cell("a"), v.Cell("b")}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var sum uint64
		for pb.Next() {
			if v.Live(time.Hour) {
				for _, c := range cells {
					sum += c.Load()
				}
			}
		}
		if sum != 0 {
			b.Error("a version is known without a Redis")
		}
	})
}
