package invalidation

import (
	"sync/atomic"
	"testing"
)

// Who has seen an own change counted must not see the version from before it: a late answer (see the driver's sightings) is
// given for as long as no more changes are counted than when its version was seen.
func TestHoldHidesTheVersionBeforeItCountsTheChange(t *testing.T) {
	t.Parallel()
	const rounds = 1_000_000
	c := &Cell{}
	var done atomic.Bool
	seen := make(chan uint64)
	go func() {
		var wrong uint64
		for !done.Load() {
			own := c.OwnChanges()
			// The version that can be seen before change n is 2n, see below.
			if version := c.Load(); version != 0 && version < 2*(own+1) {
				wrong++
			}
		}
		seen <- wrong
	}()
	for n := range uint64(rounds) {
		c.nonce = 2 * (n + 1)
		c.publish()
		c.hold()
		c.holds--
	}
	done.Store(true)
	if wrong := <-seen; wrong > 0 {
		t.Errorf("after a change was counted the version from before it was seen %d times in %d changes", wrong, rounds)
	}
}
