package mlcache

import "testing"

// A plan learns of the hits of all its connections, and of no others: of the first
// at once, of the rest in batches.
func TestHitCounts(t *testing.T) {
	var one, two plan // of one slot
	var h hitCounts
	hit := func(p *plan) {
		if n := h.hit(p); n > 0 {
			p.told(n)
		}
	}
	for i := range uint32(1000) {
		hit(&one)
		if n := one.gate.Hits(); n > i+1 || n+tellHits <= i+1 {
			t.Fatalf("after %d hits the plan knows of %d", i+1, n)
		}
		if i == 0 && one.gate.Hits() != 1 {
			t.Error("the plan does not know of the first hit")
		}
	}
	hit(&two)
	h.tell(&one)
	h.tell(&two)
	if n, m := one.gate.Hits(), two.gate.Hits(); n != 1000 || m != 1 {
		t.Errorf("the plans know of %d and %d hits, want 1000 and 1", n, m)
	}
}
