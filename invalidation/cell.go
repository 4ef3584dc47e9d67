package invalidation

import (
	"strings"
	"sync/atomic"
	"time"
)

// Cell is the version of one scope as this process knows it. All methods are safe for concurrent use. A cell lives as
// long as somebody refers to it; the same scope always gives the same cell while one does.
type Cell struct {
	visible atomic.Uint64
	own     atomic.Uint64

	field string // of the hash: s and the scope's name; empty for Epoch

	// The rest is guarded by Versions.mu.
	nonce     uint64    // as of seq; 0 when unknown or fenced
	last      uint64    // the nonce last seen, also while fenced; 0 after everything was lost
	seq       uint64    // of the newest answer applied: an older one must never take the cell back
	hint      uint64    // what a message has given as its number, while no answer has borne it out; 0 for none
	hintAt    uint64    // Versions.heard then
	shutUntil time.Time // when fenced: the time before which asking again is of no use
	holds     int       // local writers in flight, and changes that Redis has not been told of yet
	listeners []listener
	changes   *uint64 // of Versions.changes; nil until there is one
	row       row
}

// Load returns the version to store with an entry, or to compare with an entry's. 0 means unknown or fenced: go to the
// origin and store nothing. It is one atomic load.
func (c *Cell) Load() uint64 { return c.visible.Load() }

// OwnChanges counts the changes that this process has begun to make, or has been told to make known, through this cell.
// It has grown by the time at which the change may become visible.
func (c *Cell) OwnChanges() uint64 { return c.own.Load() }

// Scope returns the name that the cell was registered with; it is empty for [Versions.Epoch].
func (c *Cell) Scope() string { return strings.TrimPrefix(c.field, "s") }

// publish makes visible what is known. Called with Versions.mu held.
func (c *Cell) publish() {
	if c.holds > 0 {
		c.visible.Store(0)
		return
	}
	c.visible.Store(c.nonce)
}

// hold hides the version before it counts the change. Who counts first and then looks, and finds the change counted, cannot
// see the version from before it any more. The other way round he could take that for the version after the change.
func (c *Cell) hold() {
	c.holds++
	c.visible.Store(0)
	c.own.Add(1)
}

func (c *Cell) unhold() {
	c.holds--
	c.publish()
}

// takes reports whether an answer as of seq is news, to a question that was asked when so many messages had been heard. It is not
// where a message came in between that tells of something later. A message from before the question cannot: then it has lied.
func (c *Cell) takes(seq, heard uint64) bool {
	return seq >= c.seq && (seq >= c.hint || heard >= c.hintAt)
}

// set applies a state as Redis has told it in the answer with h, and reports whether the scope has changed since the last state.
// fenced is how much longer the scope stays fenced, 0 when it is open.
func (c *Cell) set(nonce uint64, h header, fenced time.Duration, now time.Time) bool {
	if !c.takes(h.seq, h.heard) {
		return false
	}
	c.seq, c.hint = h.seq, 0
	return c.show(nonce, fenced, now)
}

// tell applies a state that a message has told, the one with number heard. It holds until an answer says otherwise, and
// never keeps one from being heard: see Versions.weigh.
func (c *Cell) tell(nonce, seq, heard uint64, fenced time.Duration, now time.Time) (changed, told bool) {
	if seq <= c.seq || seq < c.hint {
		return false, false
	}
	c.hint, c.hintAt = seq, heard
	return c.show(nonce, fenced, now), true
}

func (c *Cell) show(nonce uint64, fenced time.Duration, now time.Time) (changed bool) {
	changed = c.last != nonce
	c.last, c.nonce, c.shutUntil = nonce, nonce, time.Time{}
	if fenced > 0 {
		c.nonce, c.shutUntil = 0, now.Add(fenced)
	}
	c.publish()
	return changed
}

// doubt makes the cell unknown until Redis is asked.
func (c *Cell) doubt() {
	c.nonce, c.shutUntil = 0, time.Time{}
	c.publish()
}

// lost makes the cell unknown as of seq of another birth.
func (c *Cell) lost(seq uint64) {
	c.hint = 0
	c.forget(seq)
}

// forget makes the cell unknown as of seq.
func (c *Cell) forget(seq uint64) {
	c.nonce, c.last, c.seq, c.shutUntil = 0, 0, seq, time.Time{}
	c.publish()
}

// wanting reports whether asking Redis could make the cell readable.
func (c *Cell) wanting(now time.Time) bool {
	return c.nonce == 0 && c.holds == 0 && !now.Before(c.shutUntil)
}
