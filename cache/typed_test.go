package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

type person struct {
	Name string
	Age  int
}

func TestCodecs(t *testing.T) {
	t.Parallel()
	for name, codec := range map[string]Codec[person]{"json": JSON[person](), "gob": Gob[person]()} {
		b, err := codec.Marshal(person{"Ada", 36})
		if err != nil {
			t.Fatal(name, err)
		}
		if got, err := codec.Unmarshal(b); err != nil || got != (person{"Ada", 36}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if _, err := codec.Unmarshal([]byte("\x03\xff")); err == nil {
			t.Errorf("%s decodes nonsense", name)
		}
	}
	b := []byte("x")
	got, err := Bytes().Unmarshal(b)
	b[0] = 'y'
	if err != nil || string(got) != "x" {
		t.Errorf("bytes: %q, %v", got, err)
	}
}

func TestMemoize(t *testing.T) {
	t.Parallel()
	c := newTestCache(t, Config{})
	calls := 0
	broken := errors.New("broken")
	f := Memoize(c, "person", JSON[person](), func(_ context.Context, id int) (person, error) {
		calls++
		if id < 0 {
			return person{}, broken
		}
		return person{fmt.Sprint("p", id), id}, nil
	})
	for range 3 {
		for id := range 2 {
			if got, err := f(t.Context(), id); err != nil || got.Age != id {
				t.Errorf("%+v, %v", got, err)
			}
		}
	}
	if calls != 2 {
		t.Errorf("%d calls", calls)
	}
	for range 2 {
		if _, err := f(t.Context(), -1); err != broken {
			t.Errorf("error %v", err)
		}
	}
	if calls != 4 {
		t.Errorf("an error was kept: %d calls", calls)
	}
	if _, err := c.DeletePrefix(t.Context(), "person:"); err != nil {
		t.Fatal(err)
	}
	if _, err := f(t.Context(), 1); err != nil || calls != 5 {
		t.Errorf("%v, %d calls", err, calls)
	}
}

// What another version of the program has stored is computed anew.
func TestMemoizeOverForeignBytes(t *testing.T) {
	t.Parallel()
	c := newTestCache(t, Config{})
	if err := c.Set(t.Context(), "n:1", []byte(`"text"`)); err != nil {
		t.Fatal(err)
	}
	f := Memoize(c, "n", JSON[int](), func(_ context.Context, id int) (int, error) { return id * 2, nil })
	if got, err := f(t.Context(), 1); err != nil || got != 2 {
		t.Errorf("%d, %v", got, err)
	}
}

func TestWriteAround(t *testing.T) {
	t.Parallel()
	c := newTestCache(t, Config{})
	origin := map[int]person{}
	loads := 0
	failing := errors.New("failing")
	var fail error
	w := &WriteAround[int, person]{
		Cache: c, Name: "person",
		Load:   func(_ context.Context, k int) (person, error) { loads++; return origin[k], nil },
		Store:  func(_ context.Context, k int, p person) error { origin[k] = p; return fail },
		Delete: func(_ context.Context, k int) error { delete(origin, k); return fail },
	}
	get := func(want person) {
		t.Helper()
		for range 2 {
			if got, err := w.Get(t.Context(), 1); err != nil || got != want {
				t.Errorf("%+v, %v; want %+v", got, err, want)
			}
		}
	}
	get(person{})
	if err := w.Put(t.Context(), 1, person{"Ada", 36}); err != nil {
		t.Fatal(err)
	}
	get(person{"Ada", 36})
	// A write that says it failed may have happened.
	fail = failing
	if err := w.Put(t.Context(), 1, person{"Ada", 37}); err != failing {
		t.Errorf("error %v", err)
	}
	get(person{"Ada", 37})
	fail = nil
	if err := w.Remove(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	get(person{})
	if loads != 4 {
		t.Errorf("%d loads", loads)
	}
}

// halver is a compressor for tests.
type halver struct{}

func (halver) Compress(dst, src []byte) []byte {
	return append(dst, bytes.ReplaceAll(src, []byte(strings.Repeat("z", 100)), []byte{0xf5})...)
}

func (halver) Decompress(dst, src []byte, limit int) ([]byte, error) {
	out := bytes.ReplaceAll(src, []byte{0xf5}, []byte(strings.Repeat("z", 100)))
	if len(out) > limit {
		return nil, errors.New("too large")
	}
	return append(dst, out...), nil
}

func TestPack(t *testing.T) {
	t.Parallel()
	key, other := bytes.Repeat([]byte{1}, SealKeySize), bytes.Repeat([]byte{2}, SealKeySize)
	sealer := func(k []byte, previous ...[]byte) *Sealer {
		s, err := NewSealer(k, previous...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	entry, err := AppendEntry(nil, &Header{Stamps: []uint64{1}}, []byte("secret "+strings.Repeat("z", 1000)))
	if err != nil {
		t.Fatal(err)
	}
	plain := newTestCache(t, Config{})
	small := newTestCache(t, Config{Compressor: halver{}, CompressAbove: 100})
	sealed := newTestCache(t, Config{Sealer: sealer(key)})
	both := newTestCache(t, Config{Compressor: halver{}, CompressAbove: 100, Sealer: sealer(key)})
	rotated := newTestCache(t, Config{Sealer: sealer(other, key)})
	foreign := newTestCache(t, Config{Sealer: sealer(other)})
	for i, tt := range []struct {
		from, to *Cache
		key      string
		opens    bool
	}{
		{plain, plain, "k", true}, {small, small, "k", true}, {sealed, sealed, "k", true}, {both, both, "k", true},
		{plain, small, "k", true}, {sealed, rotated, "k", true},
		{small, plain, "k", false},   // who cannot decompress it
		{sealed, sealed, "l", false}, // moved to another key
		{sealed, sealed.Namespace("n"), "k", false},
		{sealed, foreign, "k", false}, // another key of encryption
		{sealed, plain, "k", false},   // who does not know of sealing
		{plain, sealed, "k", false},   // forged: not sealed at all
		{rotated, sealed, "k", false}, // sealed with the new key
	} {
		packed := tt.from.pack("k", entry)
		got, err := tt.to.unpack(tt.key, packed)
		if (err == nil) != tt.opens || tt.opens && !bytes.Equal(got, entry) || !tt.opens && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d: %v", i, err)
		}
		if tt.from.cfg.Sealer != nil && bytes.Contains(packed, []byte("secret")) {
			t.Errorf("%d: shows what it holds", i)
		}
		if tt.from.cfg.Compressor != nil && len(packed) > len(entry)/2 {
			t.Errorf("%d: %d bytes of %d", i, len(packed), len(entry))
		}
		for at := range packed {
			bad := bytes.Clone(packed)
			bad[at] ^= 0x10
			if got, err := tt.from.unpack("k", bad); err == nil && !bytes.Equal(got, entry) {
				t.Fatalf("%d: damage at %d goes unnoticed", i, at)
			}
		}
	}
	for _, bad := range [][]byte{nil, key[:31], append(key, 0)} {
		if _, err := NewSealer(bad); !errors.Is(err, ErrSealKey) {
			t.Errorf("a key of %d bytes: %v", len(bad), err)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	s, err := NewSealer(bytes.Repeat([]byte{1}, SealKeySize))
	if err != nil {
		f.Fatal(err)
	}
	caches := []*Cache{
		newTestCache(f, Config{Compressor: halver{}}),
		newTestCache(f, Config{Compressor: halver{}, Sealer: s}),
	}
	entry, _ := AppendEntry(nil, &Header{Stamps: []uint64{1}}, []byte("v"))
	for _, c := range caches {
		f.Add(c.pack("k", entry))
	}
	f.Add([]byte{})
	f.Add([]byte{3})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range caches {
			if got, err := c.unpack("k", b); err == nil {
				if err := Verify(got); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

func TestAdaptive(t *testing.T) {
	t.Parallel()
	a := &Adaptive{Max: 100 * time.Second, Full: 16, Counters: 1000}
	if err := a.start(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	last := a.stretch([]byte("hot"), 10*time.Second)
	if last != 10*time.Second {
		t.Errorf("never seen: %v", last)
	}
	for range 40 {
		a.seen([]byte("hot"))
		now := a.stretch([]byte("hot"), 10*time.Second)
		if now < last {
			t.Errorf("%v after %v", now, last)
		}
		last = now
	}
	if last != 100*time.Second {
		t.Errorf("hot: %v", last)
	}
	if cold := a.stretch([]byte("cold"), 10*time.Second); cold != 10*time.Second {
		t.Errorf("cold: %v", cold)
	}
	// Old fame fades, and the table does not grow.
	for i := range 200_000 {
		a.seen(fmt.Append(nil, i))
	}
	if f := a.frequency([]byte("hot")); f > 60 { // 200,000 in 1024 counters make 195 each
		t.Errorf("frequency %d", f)
	}
	var none *Adaptive
	none.seen([]byte("k"))
	if none.stretch([]byte("k"), time.Second) != time.Second {
		t.Error("nil stretches")
	}
}

// Without Redis an entry that is asked for often outlives L1TTL too, unless the caller
// has said how long it is to live.
func TestAdaptiveInMemory(t *testing.T) {
	t.Parallel()
	c := newTestCache(t, Config{L1TTL: 50 * time.Millisecond, Adaptive: &Adaptive{Max: time.Hour}})
	for key, opts := range map[string][]Option{"hot": nil, "short": {WithTTL(50*time.Millisecond, 0)}} {
		load := func(context.Context) ([]byte, error) { return []byte("value of " + key), nil }
		for range 100 {
			if _, err := c.GetOrLoad(t.Context(), key, load, opts...); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Set(t.Context(), key+" set", []byte("v"), opts...); err != nil {
			t.Fatal(err)
		}
		if err := c.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if _, err := c.GetOrLoad(t.Context(), key, load, opts...); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(60 * time.Millisecond)
	wantValues(t, c, true, "hot")
	wantValues(t, c, false, "short", "hot set", "short set") // a key that nobody asks for is not stretched
}

// The estimate of how many entries fit is held against freecache.
func TestL1Entries(t *testing.T) {
	t.Parallel()
	for _, value := range []int{40, 200, 1000} {
		const size = 4 << 20
		m := NewMemory(size)
		defer m.Close()
		key := make([]byte, 20)
		put := func(i int) {
			copy(key, fmt.Sprintf("%020d", i))
			if err := m.Set(t.Context(), key, make([]byte, value), time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		put(0)
		<-m.made
		estimate := L1Entries(int64(len(key)+value), size)
		for i := range int(estimate) {
			put(i)
		}
		if kept := m.Len(); kept < estimate*96/100 {
			t.Errorf("%d bytes: %d of %d are kept", value, kept, estimate)
		}
		for i := range int(estimate) * 2 {
			put(i)
		}
		if most := m.Len(); most > estimate*16/10 {
			t.Errorf("%d bytes: %d fit, more than %d", value, most, estimate)
		}
		if s := L1Size(int64(len(key)+value), estimate); s < size*98/100 || s > size*102/100 {
			t.Errorf("%d bytes for %d entries", s, estimate)
		}
	}
	if L1Entries(0, 1) != 0 || L1Entries(1, 0) != 0 || L1Size(0, 1) != 0 || L1Size(1<<40, 1<<40) <= 0 {
		t.Error("odd sizes")
	}
}
