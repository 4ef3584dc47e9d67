package mlcache

import (
	"encoding/binary"
	"time"
)

// front holds the entries that a connection has answered from last, in front of
// L1. L1 is shared: its locks are few, and a connection that waits for one holds
// up whoever waits for the connection. What is asked most, by its nature, is asked
// of the same segment of L1.
//
// An entry here is checked as one from L1 is: a change makes both bad at once.
type front struct {
	slots [frontSlots]frontSlot
	// refreshed is engine.refreshed as it was when the slots were filled.
	refreshed uint64
}

const (
	frontSlots = 4
	// frontEntry bounds what a slot keeps alive, in bytes.
	frontEntry = 16 << 10
	// frontFor is how long L1 is not asked: it must see now and then that an entry
	// is in use, or it would evict it.
	frontFor = time.Second
)

type frontSlot struct {
	key    []byte
	stamp  uint64 // of the key, see keyStamp
	entry  []byte
	answer answer // what the entry holds
	// made is nil until the answer is given from here.
	made  *madeValues
	until time.Time
}

// slot returns the only one in which the answer can be.
//
// An answer that WithRefresh has replaced goes by the same versions as the new
// one: refreshed counts such, and all slots are dropped when there was one.
func (f *front) slot(l *lookup, refreshed uint64) *frontSlot {
	if f.refreshed != refreshed {
		*f = front{refreshed: refreshed}
	}
	// What tells keys apart is the text and, at the end, the arguments. A hash of the
	// whole key would cost a good part of a hit.
	tail := binary.LittleEndian.Uint64(l.key[len(l.key)-8:]) // there are 16 bytes of the session at least
	mixed := (tail ^ binary.LittleEndian.Uint64(l.plan.digest[:])) * 0x9e3779b97f4a7c15
	return &f.slots[mixed>>32%frontSlots]
}

// holds says whether the slot has an entry under the key. It may be good no longer.
func (s *frontSlot) holds(key []byte, now time.Time) bool {
	return string(s.key) == string(key) && now.Before(s.until)
}

// put keeps an entry, which nobody may change any more.
func (s *frontSlot) put(l *lookup, entry []byte, a answer, now time.Time) {
	if len(l.key)+len(entry) > frontEntry {
		return
	}
	*s = frontSlot{key: append(s.key[:0], l.key...), stamp: l.stamps[0], entry: entry, answer: a, until: now.Add(frontFor)}
}
