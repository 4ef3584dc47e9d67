package mlcache

import (
	"database/sql/driver"
	"time"
	"unsafe"
)

// boxes makes driver.Values that lie side by side in memory, so that the values of
// a result take a few allocations and not one each. No value is written to again
// once it has been handed out. The zero value is ready.
//
// Who keeps a value as an interface keeps its neighbours alive: at most boxChunk
// values of its kind.
type boxes struct {
	words   []uint64 // room for int64 and float64
	strings []string
	times   []time.Time
	// expect is how many values of each kind are still to come, by a guess.
	expect int
}

// boxChunk is how many values of one kind are allocated at once.
const boxChunk = 64

// fewBoxes is room enough for one row of a few columns, in one piece.
type fewBoxes struct {
	words   [4]uint64
	strings [2]string
	times   [2]time.Time
}

// reset forgets the memory handed out, for a result of so many rows.
func (b *boxes) reset(rows int) {
	*b = boxes{expect: rows}
}

// start allocates for the first value of all.
func (b *boxes) start() {
	if b.expect == 1 {
		few := new(fewBoxes)
		b.words, b.strings, b.times = few.words[:], few.strings[:], few.times[:]
	}
	b.expect = min(max(b.expect, 4), boxChunk)
}

func (b *boxes) chunk() int {
	if b.words == nil && b.strings == nil && b.times == nil {
		b.start()
	}
	return b.expect
}

func (b *boxes) word() *uint64 {
	if len(b.words) == 0 {
		if n := b.chunk(); len(b.words) == 0 {
			b.words = make([]uint64, n)
		}
	}
	w := &b.words[0]
	b.words = b.words[1:]
	return w
}

func (b *boxes) int64(v int64) driver.Value {
	if uint64(v) < 256 {
		return v // Go has these ready
	}
	w := b.word()
	*w = uint64(v)
	return box(int64Word, unsafe.Pointer(w))
}

func (b *boxes) float64(v float64) driver.Value {
	w := b.word()
	*(*float64)(unsafe.Pointer(w)) = v
	return box(float64Word, unsafe.Pointer(w))
}

func (b *boxes) string(v string) driver.Value {
	if len(b.strings) == 0 {
		if n := b.chunk(); len(b.strings) == 0 {
			b.strings = make([]string, n)
		}
	}
	s := &b.strings[0]
	b.strings = b.strings[1:]
	*s = v
	return box(stringWord, unsafe.Pointer(s))
}

func (b *boxes) time(v time.Time) driver.Value {
	if len(b.times) == 0 {
		if n := b.chunk(); len(b.times) == 0 {
			b.times = make([]time.Time, n)
		}
	}
	t := &b.times[0]
	b.times = b.times[1:]
	*t = v
	return box(timeWord, unsafe.Pointer(t))
}

// anyWords is an interface without methods as Go lays it out: the type, and a
// pointer to a value that does not fit into a pointer.
type anyWords struct{ typ, data unsafe.Pointer }

var (
	int64Word   = typeWord(int64(0))
	float64Word = typeWord(float64(0))
	stringWord  = typeWord("")
	timeWord    = typeWord(time.Time{})
)

func typeWord(v any) unsafe.Pointer { return (*anyWords)(unsafe.Pointer(&v)).typ }

func box(typ, data unsafe.Pointer) (v driver.Value) {
	*(*anyWords)(unsafe.Pointer(&v)) = anyWords{typ, data}
	return v
}
