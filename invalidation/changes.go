package invalidation

import (
	"time"

	"github.com/mlcache/mlcache/latency"
)

// maxCounted is how many scopes have a count of changes of their own; those that come later share one.
const maxCounted = 1024

// OtherScopes stands, in Changes, for the scopes beyond the first thousand or so.
const OtherScopes = "(other)"

// changeCounts are the changes of scopes that this process has seen. Guarded by Versions.mu.
type changeCounts map[string]*uint64

// of returns the count in which a scope's changes are.
func (n *changeCounts) of(scope string) *uint64 {
	if count := (*n)[scope]; count != nil {
		return count
	}
	if *n == nil {
		*n = changeCounts{}
	}
	if len(*n) >= maxCounted && scope != OtherScopes {
		return n.of(OtherScopes)
	}
	count := new(uint64)
	(*n)[scope] = count
	return count
}

// changed counts a change of the cell's scope. Called with v.mu held.
func (v *Versions) changed(c *Cell) {
	if c.changes == nil {
		c.changes = v.changes.of(c.Scope())
	}
	*c.changes++
}

// Changes counts by scope the changes that this process has made or has seen made by others, of the scopes that it has
// a cell of. A write counts once in the process that makes it, and once or twice in another one: at its end, and at its
// beginning if a poll falls in between. Changes of everything are in Stats.Epochs.
func (v *Versions) Changes() map[string]uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	counts := make(map[string]uint64, len(v.changes))
	for scope, n := range v.changes {
		counts[scope] = *n
	}
	return counts
}

// echoes measures how long news takes: from the moment at which a release is sent to Redis until its message is back
// here, as it is at every other process, too. The message may come before the answer to the release, which tells its
// number. A ring of the newest is enough to find what belongs together. Guarded by Versions.mu.
type echoes struct {
	ring [64]struct {
		seq      uint64
		sent     time.Time // zero: the message is here, the answer is not
		received time.Time // zero: the other way round
	}
	times latency.Histogram
}

// sent notes that the message numbered seq is that of a release sent then.
func (e *echoes) sent(seq uint64, at time.Time) {
	slot := &e.ring[seq%uint64(len(e.ring))]
	if slot.seq == seq && !slot.received.IsZero() {
		e.times.Observe(slot.received.Sub(at))
		slot.seq = 0
		return
	}
	slot.seq, slot.sent, slot.received = seq, at, time.Time{}
}

// received notes that the message numbered seq came then. Those of other processes stay until their place is needed.
func (e *echoes) received(seq uint64, at time.Time) {
	slot := &e.ring[seq%uint64(len(e.ring))]
	if slot.seq == seq && !slot.sent.IsZero() {
		e.times.Observe(at.Sub(slot.sent))
		slot.seq = 0
		return
	}
	slot.seq, slot.sent, slot.received = seq, time.Time{}, at
}
