package mlcache

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func frontKey(n int) []byte { return binary.BigEndian.AppendUint64(make([]byte, 40), uint64(n)) }

// offered asks as fromL1 does, and reports whether the front had the answer.
func offered(f *front, n int, now time.Time) bool {
	key := frontKey(n)
	hash := f.hash(key)
	e, renewed := f.find(hash, key)
	if e != nil && e.fresh(now) {
		return int(binary.BigEndian.Uint64(e.entry)) == n
	}
	l := &lookup{here: key, stamps: []uint64{7}}
	f.offer(hash, e != nil, l, binary.BigEndian.AppendUint64(nil, uint64(n)), answer{columns: &decodedColumns{}}, renewed, now)
	return false
}

func (f *front) has(n int) bool {
	e, _ := f.find(f.hash(frontKey(n)), frontKey(n))
	return e != nil
}

func (f *front) renewKey(n int) { f.renew(f.hash(frontKey(n)), frontKey(n)) }

// taken is what the entries of a front take by themselves.
func (f *front) taken() (size int64, n int) {
	for i := range f.sets {
		for k := range f.sets[i].entries {
			if e := f.sets[i].entries[k].Load(); e != nil {
				size, n = size+e.size, n+1
			}
		}
	}
	return size, n
}

func TestFrontHasWhatIsAskedForAgain(t *testing.T) {
	f, now := newFront(64<<20), time.Now()
	const answers = 1000
	had := 0
	for range 4 {
		for n := range answers {
			if offered(f, n, now) {
				had++
			}
		}
	}
	if had < answers*29/10 {
		t.Errorf("had %d of %d", had, 3*answers)
	}
	kept := -1
	for n := range 50 {
		f.renewKey(n)
		if offered(f, n, now) {
			t.Error("found after a renewal")
		}
		if offered(f, n, now) {
			kept = n
		}
	}
	if kept < 0 {
		t.Fatal("nothing is kept again after a renewal")
	}
	f.renewKey(kept + 1)
	if !f.has(kept) || f.has(kept+1) {
		t.Error("an answer is found under another key, or not under its own")
	}
	if offered(f, kept, now.Add(2*frontFor)) {
		t.Error("L1 is never asked again")
	}
}

// What L1 has answered before another answer took its place is not found when it is offered only then, and the answers to
// other keys stay.
func TestFrontTakesNoAnswerFromBeforeARenewal(t *testing.T) {
	f, now := newFront(64<<10), time.Now() // one set
	offered(f, 1, now)
	key := frontKey(2)
	hash := f.hash(key)
	_, renewed := f.find(hash, key) // and L1 has an answer
	f.renewKey(2)
	l := &lookup{here: key, stamps: []uint64{7}}
	f.offer(hash, false, l, []byte("12345678"), answer{columns: &decodedColumns{}}, renewed, now)
	if f.has(2) {
		t.Error("the answer from before is found")
	}
	if !f.has(1) {
		t.Error("another key's answer is gone")
	}
	if offered(f, 2, now); !f.has(2) {
		t.Error("no room for the answer from after it")
	}
}

// A place that is in use goes to who is asked for twice in a row, so that answers that are asked for once drive nobody out.
func TestFrontKeepsWhatIsInUse(t *testing.T) {
	f, now := newFront(64<<10), time.Now() // one set
	if len(f.sets) != 1 {
		t.Fatalf("%d sets", len(f.sets))
	}
	for n := range frontWays {
		offered(f, n, now)
	}
	for n := range 100 {
		offered(f, 1000+n, now)
	}
	for n := range frontWays {
		if !offered(f, n, now) {
			t.Errorf("%d was driven out", n)
		}
	}
	offered(f, 99, now)
	offered(f, 99, now)
	if !offered(f, 99, now) {
		t.Error("asked for again and again, and not kept")
	}
	now = now.Add(2 * frontFor)
	if offered(f, 200, now); !offered(f, 200, now) {
		t.Error("no place though none is in use any more")
	}
}

// What the front takes is bounded whoever asks for what, and is all given back.
func TestFrontIsBounded(t *testing.T) {
	f := newFront(1 << 20)
	whole := f.room.Load()
	if whole != 64<<10 {
		t.Fatalf("%d bytes", whole)
	}
	var asking sync.WaitGroup
	for g := range 4 {
		asking.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(g)))
			now := time.Now()
			for range 5_000 {
				n := random.IntN(300)
				key := frontKey(n)
				hash := f.hash(key)
				e, renewed := f.find(hash, key)
				if e != nil && int(binary.BigEndian.Uint64(e.entry)) != n {
					t.Error("another key's answer")
				}
				l := &lookup{here: key, stamps: []uint64{7}}
				entry := append(binary.BigEndian.AppendUint64(nil, uint64(n)), make([]byte, random.IntN(frontMost))...)
				f.offer(hash, e != nil, l, entry, answer{columns: &decodedColumns{}}, renewed, now)
				if n%20 == 0 {
					f.renew(hash, key)
				}
				now = now.Add(time.Duration(random.IntN(int(frontFor / 10))))
			}
		})
	}
	asking.Wait()
	size, n := f.taken()
	if n == 0 || size > whole || f.room.Load() != whole-size {
		t.Errorf("%d entries take %d bytes, of %d there are %d left", n, size, whole, f.room.Load())
	}
	late := time.Now().Add(time.Hour)
	for range len(f.sets) {
		f.makeRoom(late)
	}
	if size, n := f.taken(); n != 0 || f.room.Load() != whole {
		t.Errorf("%d entries take %d bytes after an hour, of %d there are %d left", n, size, whole, f.room.Load())
	}
	if none := newFront(0); none != nil || none.has(1) {
		t.Error("a front without L1")
	}
}
