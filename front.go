package mlcache

import "time"

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
	hash  uint64 // of the key; the entry's first stamp is the same
	key   []byte
	entry []byte
	until time.Time
}

// get returns the entry under the key, or nil.
//
// An answer that WithRefresh has replaced goes by the same versions as the new
// one: refreshed counts such, and all slots are dropped when there was one.
func (f *front) get(key []byte, hash, refreshed uint64, now time.Time) []byte {
	if f.refreshed != refreshed {
		*f = front{refreshed: refreshed}
		return nil
	}
	s := &f.slots[hash%frontSlots]
	if s.hash == hash && string(s.key) == string(key) && now.Before(s.until) {
		return s.entry
	}
	return nil
}

// put keeps an entry, which nobody may change any more.
func (f *front) put(key []byte, hash uint64, entry []byte, now time.Time) {
	s := &f.slots[hash%frontSlots]
	if len(key)+len(entry) > frontEntry {
		return
	}
	*s = frontSlot{hash: hash, key: append(s.key[:0], key...), entry: entry, until: now.Add(frontFor)}
}
