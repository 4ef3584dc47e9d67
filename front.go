package mlcache

import (
	"bytes"
	"hash/maphash"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// front holds the answers that are asked for most, in front of L1: their form has been checked, their columns are known, and
// their values are made. L1 copies an entry under a lock; what is read here is shared, and nobody waits for anybody.
//
// An entry here is checked as one from L1 is: a change makes both bad at once. The nil front is empty and takes nothing.
type front struct {
	seed maphash.Seed
	sets []frontSet // a power of two of them
	room atomic.Int64
	hand atomic.Uint32 // where room is looked for next

	renewing [16]sync.Mutex // by set
}

// frontSet has the only places of the keys whose hash names it. It is as long as a line of the processor's cache.
type frontSet struct {
	entries [frontWays]atomic.Pointer[frontEntry]
	tags    [frontWays]atomic.Uint32 // of the entries' keys, so that others need not be looked at
	// asked is the tag of the key that L1 has answered last of those that found all places in use. When L1 answers it again,
	// it gets one all the same.
	asked atomic.Uint32
	// renewed counts the answers of L1 to keys of this set that were replaced or taken out. What L1 has answered
	// before that does not come to stand here after it.
	renewed atomic.Uint32
	// busy is until when no place need be looked for: all were in use. In Unix nanoseconds.
	busy atomic.Int64
}

const (
	frontWays = 4
	// frontShare is how much of L1's size goes to the front on top of it, and frontEach how much of that there is for a place.
	frontShare = 1.0 / 16
	frontEach  = 1 << 10
	// frontPlaces bounds the number of places, and with frontEach what the front of a large L1 takes.
	frontPlaces = 1 << 14
	// frontMost bounds what an entry takes without its values, in bytes.
	frontMost = 16 << 10
	// frontFor is how long L1 is not asked: it must see now and then that an entry
	// is in use, or it would evict it.
	frontFor = time.Second
)

// frontEntry is an answer. Only what is atomic changes.
type frontEntry struct {
	key    []byte
	stamp  uint64 // of the key, see keyStamp
	entry  []byte
	answer answer // what the entry holds
	size   int64
	// renewed is the set's as it was when L1 was asked, or when another key's answer was replaced later.
	renewed atomic.Uint32

	until atomic.Int64 // when L1 is to be asked again, in Unix nanoseconds
	made  atomic.Pointer[madeValues]
	tries atomic.Int32 // to make them
}

// newFront returns the front of an L1 of so many bytes; nil if there is no L1 or hardly any.
func newFront(l1Size int64) *front {
	sets := int64(float64(l1Size)*frontShare/frontEach) / frontWays
	if sets < 1 {
		return nil
	}
	sets = 1 << (bits.Len64(uint64(min(sets, frontPlaces/frontWays))) - 1)
	f := &front{seed: maphash.MakeSeed(), sets: make([]frontSet, sets)}
	f.room.Store(sets * frontWays * frontEach)
	return f
}

// hash tells keys apart; nobody can foresee which share a set. The place before the key is left out: few keys are in two.
func (f *front) hash(here []byte) uint64 {
	if f == nil {
		return 0
	}
	return maphash.Bytes(f.seed, here[len(place{}.prefix):])
}

func (f *front) set(hash uint64) (set *frontSet, tag uint32) {
	return &f.sets[hash&uint64(len(f.sets)-1)], uint32(hash >> 32)
}

// find returns what is kept under the key, nil for nothing. It may be good no longer, see fresh. renewed is for offer.
func (f *front) find(hash uint64, key []byte) (e *frontEntry, renewed uint32) {
	if f == nil {
		return nil, 0
	}
	set, tag := f.set(hash)
	renewed = set.renewed.Load()
	for i := range set.tags {
		if set.tags[i].Load() != tag {
			continue
		}
		if e := set.entries[i].Load(); e != nil && e.renewed.Load() == renewed && bytes.Equal(e.key, key) {
			return e, renewed
		}
	}
	return nil, renewed
}

// renew takes out what is kept under the key. It is called when L1 has another answer, or none, before anybody is given that.
// An answer that L1 gave before and that is offered only now is not found.
func (f *front) renew(hash uint64, key []byte) {
	if f == nil {
		return
	}
	set, _ := f.set(hash)
	mu := &f.renewing[hash&uint64(len(f.sets)-1)%uint64(len(f.renewing))]
	mu.Lock()
	defer mu.Unlock()
	old := set.renewed.Add(1) - 1
	for i := range set.entries {
		e := set.entries[i].Load()
		switch {
		case e == nil:
		case !bytes.Equal(e.key, key):
			e.renewed.CompareAndSwap(old, old+1)
		case set.entries[i].CompareAndSwap(e, nil):
			f.room.Add(e.size)
		}
	}
}

// fresh says whether L1 need not be asked.
func (e *frontEntry) fresh(now time.Time) bool { return now.UnixNano() < e.until.Load() }

// keep says that L1 holds the entry still.
func (e *frontEntry) keep(now time.Time) { e.until.Store(now.Add(frontFor).UnixNano()) }

// offer keeps what L1 has answered, if there is a place and room for it. known says that find has found an older one. Nobody
// may change entry any more.
func (f *front) offer(hash uint64, known bool, l *lookup, entry []byte, a answer, renewed uint32, now time.Time) {
	if f == nil {
		return
	}
	bytesOf := len(l.here) + len(entry)
	if bytesOf > frontMost {
		return
	}
	set, tag := f.set(hash)
	at := -1
	if known || now.UnixNano() >= set.busy.Load() {
		at = set.place(l.here, now)
	}
	if at < 0 {
		if set.asked.Load() != tag {
			set.asked.Store(tag)
			return
		}
		at = int(f.hand.Add(1)) % frontWays
	}
	size := int64(frontEntrySize + bytesOf + valuesOf(&a)*frontValueSize + max(0, a.columns.size-frontColumns))
	if f.room.Add(-size) < 0 {
		if f.makeRoom(now); f.room.Load() < 0 {
			f.room.Add(size)
			return
		}
	}
	e := &frontEntry{key: bytes.Clone(l.here), stamp: l.stamps[0], entry: entry, answer: a, size: size}
	e.renewed.Store(renewed)
	e.keep(now)
	old := set.entries[at].Load()
	if !set.entries[at].CompareAndSwap(old, e) {
		f.room.Add(size)
		return
	}
	set.tags[at].Store(tag)
	if old != nil {
		f.room.Add(old.size)
	}
}

const (
	frontColumns   = 2 << 10 // of an answer's columns, which others share, mostly
	frontEntrySize = 256     // of an entry without its key and bytes, about
	frontValueSize = 32      // of a value that was made, about: the interface, and what it points to beside the entry
)

// place returns where the key's entry belongs: where an older one stands, or one that nobody has asked for lately, or none.
// It is negative if there is no such place.
func (set *frontSet) place(key []byte, now time.Time) int {
	at, busy := -1, int64(math.MaxInt64)
	for i := range set.entries {
		e := set.entries[i].Load()
		switch {
		case e != nil && bytes.Equal(e.key, key):
			return i
		case e == nil || !e.fresh(now) || e.renewed.Load() != set.renewed.Load():
			at = i
		default:
			busy = min(busy, e.until.Load())
		}
	}
	if at < 0 {
		set.busy.Store(busy)
	}
	return at
}

// makeRoom drops what nobody has asked for lately from the next set. Who finds no room is in a hurry, and not alone.
func (f *front) makeRoom(now time.Time) {
	set := &f.sets[int(f.hand.Add(1))&(len(f.sets)-1)]
	for i := range set.entries {
		if old := set.entries[i].Load(); old != nil && !old.fresh(now) && set.entries[i].CompareAndSwap(old, nil) {
			f.room.Add(old.size)
		}
	}
}
