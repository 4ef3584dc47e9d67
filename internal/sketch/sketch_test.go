package sketch

import (
	"testing"
	"time"
)

// hash spreads small numbers over all bits.
func hash(n uint64) uint64 {
	n = (n + 1) * 0x9e3779b97f4a7c15
	n ^= n >> 31
	return n * 0xbf58476d1ce4e5b9
}

// An estimate is never too low before a halving, and nearly right for what stands out.
func TestEstimate(t *testing.T) {
	t.Parallel()
	s := New(1000)
	for key := range uint64(500) {
		s.Add(hash(key), 2)
	}
	s.Add(hash(7), 100)
	for key := range uint64(500) {
		want := uint32(2)
		if key == 7 {
			want = 102
		}
		if n := s.Estimate(hash(key)); n < want || n > want+10 {
			t.Errorf("key %d: %d, want %d", key, n, want)
		}
	}
	if n := s.Estimate(hash(100_000)); n > 10 {
		t.Errorf("never counted: %d", n)
	}
}

// Old counts fade, whether others are counted one by one or by batches.
func TestFading(t *testing.T) {
	t.Parallel()
	for _, batch := range []uint32{1, 16, 7000} {
		s := New(1024)
		s.Add(hash(1), 1000)
		for key := range 200_000 / uint64(batch) {
			s.Add(hash(key+2), batch)
		}
		if n := s.Estimate(hash(1)); n >= 500 {
			t.Errorf("batches of %d: still %d", batch, n)
		}
	}
}

func TestStretch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		base, most time.Duration
		n          uint32
		want       time.Duration
	}{
		{10 * time.Second, 80 * time.Second, 0, 10 * time.Second},
		{10 * time.Second, 80 * time.Second, 1, 20 * time.Second},
		{10 * time.Second, 80 * time.Second, 2, 30 * time.Second},
		{10 * time.Second, 80 * time.Second, 63, 70 * time.Second},
		{10 * time.Second, 80 * time.Second, 64, 80 * time.Second},
		{10 * time.Second, 80 * time.Second, 1 << 30, 80 * time.Second},
		{10 * time.Second, 5 * time.Second, 64, 10 * time.Second},
	} {
		if got := Stretch(c.base, c.most, c.n, 64); got != c.want {
			t.Errorf("%d of 64 between %v and %v: %v, want %v", c.n, c.base, c.most, got, c.want)
		}
	}
}
