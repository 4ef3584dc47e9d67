package cache

import (
	"reflect"
	"sync"
	"testing"
)

func TestStatsAddUp(t *testing.T) {
	t.Parallel()
	var s Stats
	var wg sync.WaitGroup
	const workers, rounds = 3 * stripes, 100
	for range workers {
		wg.Go(func() {
			stripe := s.Stripe()
			for range rounds {
				// Every counter of both levels, so that Snapshot can forget none.
				for i, level := range []*Level{&stripe.L1, &stripe.L2} {
					v := reflect.ValueOf(level).Elem()
					for f := range v.NumField() {
						add := v.Field(f).Addr().MethodByName("Add")
						add.Call([]reflect.Value{reflect.ValueOf(uint64(10*i + f + 1))})
					}
				}
			}
		})
	}
	wg.Wait()
	got := s.Snapshot()
	for i, level := range []LevelSnapshot{got.L1, got.L2} {
		counters, sums := reflect.TypeFor[Level](), reflect.ValueOf(level)
		if counters.NumField() != sums.NumField() {
			t.Fatalf("%d counters, %d sums", counters.NumField(), sums.NumField())
		}
		for f := range counters.NumField() {
			name := counters.Field(f).Name
			want := uint64(workers * rounds * (10*i + f + 1))
			if n := sums.FieldByName(name).Uint(); n != want {
				t.Errorf("L%d.%s = %d, want %d", i+1, name, n, want)
			}
		}
	}
}

func TestHitRate(t *testing.T) {
	t.Parallel()
	l := LevelSnapshot{Hits: 6, Misses: 1, Stale: 2, Corrupt: 2, Errors: 1, Sets: 99, TooLarge: 99, SetErrors: 99}
	if l.Lookups() != 12 || l.HitRate() != 0.5 {
		t.Errorf("%d lookups, rate %v; want 12 and 0.5", l.Lookups(), l.HitRate())
	}
	if r := (LevelSnapshot{}).HitRate(); r != 0 {
		t.Errorf("HitRate without lookups = %v", r)
	}
}

func TestConnectionsCountApart(t *testing.T) {
	t.Parallel()
	var s Stats
	if one, two := s.Stripe(), s.Stripe(); one == two {
		t.Error("two connections in a row have the same counters")
	}
}
