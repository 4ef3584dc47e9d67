package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
)

func mustEntry(tb testing.TB, h Header, payload string) []byte {
	tb.Helper()
	b, err := AppendEntry(nil, &h, []byte(payload))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestEntryRoundTrip(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		h       Header
		payload string
	}{
		"plain":      {Header{Stamps: []uint64{7, 8, 1<<64 - 1}, StoredAt: 100, Deadline: 200, Flags: 0xa5}, "rows"},
		"no payload": {Header{Stamps: []uint64{1}}, ""},
		"no stamps":  {Header{StoredAt: -1, Deadline: 1 << 62}, "rows"},
		"most":       {Header{Stamps: slices.Repeat([]uint64{9}, MaxStamps)}, "rows"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prefix := []byte("what was there before")
			b, err := AppendEntry(bytes.Clone(prefix), &tc.h, []byte(tc.payload))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(b, prefix) {
				t.Fatal("AppendEntry changed what dst held")
			}
			b = b[len(prefix):]
			h, payload, err := ParseEntry(b)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(h, tc.h) || string(payload) != tc.payload {
				t.Errorf("ParseEntry = %+v %q, want %+v %q", h, payload, tc.h, tc.payload)
			}
			payload, ok := Match(b, tc.h.Stamps, 150)
			if !ok || string(payload) != tc.payload {
				t.Errorf("Match = %q %v, want %q true", payload, ok, tc.payload)
			}
			if cap(payload) != len(payload) {
				t.Error("appending to the payload would overwrite the checksum")
			}
			if d := Deadline(b); d != tc.h.Deadline {
				t.Errorf("Deadline = %d, want %d", d, tc.h.Deadline)
			}
			if at := StoredAt(b); at != tc.h.StoredAt {
				t.Errorf("StoredAt = %d, want %d", at, tc.h.StoredAt)
			}
		})
	}
}

func TestEntryPayloadInPlace(t *testing.T) {
	t.Parallel()
	h := Header{Stamps: []uint64{3}, Deadline: 5}
	b, err := AppendHeader([]byte("xy"), &h)
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, "rows"...)
	b = FinishEntry(b, 2)
	if want := mustEntry(t, h, "rows"); !bytes.Equal(b[2:], want) {
		t.Errorf("built in place %x, in one call %x", b[2:], want)
	}
}

func TestEntryRefusesUnknownStamps(t *testing.T) {
	t.Parallel()
	for name, stamps := range map[string][]uint64{
		"zero":     {1, 0, 2},
		"too many": slices.Repeat([]uint64{1}, MaxStamps+1),
	} {
		dst := []byte("dst")
		got, err := AppendEntry(dst, &Header{Stamps: stamps}, []byte("rows"))
		if !errors.Is(err, ErrStamps) || string(got) != "dst" {
			t.Errorf("%s: AppendEntry = %q, %v; want dst unchanged and ErrStamps", name, got, err)
		}
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	entry := mustEntry(t, Header{Stamps: []uint64{10, 20}, Deadline: 1000}, "rows")
	forever := mustEntry(t, Header{Stamps: []uint64{10}}, "rows")
	free := mustEntry(t, Header{}, "rows")
	// Bytes that AppendEntry refuses to write: a stamp of zero.
	unknown := mustEntry(t, Header{Stamps: []uint64{10, 20}}, "rows")
	binary.LittleEndian.PutUint64(unknown[offStamps+stampSize:], 0)
	otherVersion := bytes.Clone(entry)
	otherVersion[2]++
	for name, tc := range map[string]struct {
		b      []byte
		stamps []uint64
		now    int64
		want   bool
	}{
		"good":                    {entry, []uint64{10, 20}, 999, true},
		"first stamp differs":     {entry, []uint64{11, 20}, 999, false},
		"last stamp differs":      {entry, []uint64{10, 21}, 999, false},
		"other order":             {entry, []uint64{20, 10}, 999, false},
		"fewer stamps":            {entry, []uint64{10}, 999, false},
		"more stamps":             {entry, []uint64{10, 20, 30}, 999, false},
		"no stamps asked":         {entry, nil, 999, false},
		"stamp unknown now":       {entry, []uint64{10, 0}, 999, false},
		"stamp unknown then":      {unknown, []uint64{10, 20}, 999, false},
		"stamp unknown both":      {unknown, []uint64{10, 0}, 999, false},
		"at the deadline":         {entry, []uint64{10, 20}, 1000, false},
		"after the deadline":      {entry, []uint64{10, 20}, 1001, false},
		"no deadline":             {forever, []uint64{10}, 1 << 62, true},
		"depends on nothing":      {free, nil, 1 << 62, true},
		"depends on nothing, but": {free, []uint64{1}, 0, false},
		"other format version":    {otherVersion, []uint64{10, 20}, 999, false},
		"nothing":                 {nil, nil, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload, ok := Match(tc.b, tc.stamps, tc.now)
			if ok != tc.want || (ok && string(payload) != "rows") || (!ok && payload != nil) {
				t.Errorf("Match = %q, %v; want %v", payload, ok, tc.want)
			}
		})
	}
}

// Match leaves the checksum alone, so that it meets bytes of any length.
func TestMatchStaysInside(t *testing.T) {
	t.Parallel()
	stamps := []uint64{10, 20}
	entry := mustEntry(t, Header{Stamps: stamps}, "rows")
	for n := range entry {
		least := offStamps + stampSize*len(stamps) + sumSize
		if payload, ok := Match(entry[:n:n], stamps, 0); ok != (n >= least) || len(payload) > len("rows") {
			t.Errorf("the first %d bytes: %q, %v", n, payload, ok)
		}
	}
}

func TestSetDeadline(t *testing.T) {
	t.Parallel()
	b := mustEntry(t, Header{Stamps: []uint64{1}, StoredAt: 4, Deadline: 1000, Flags: 2}, "rows")
	SetDeadline(b, 500)
	if want := mustEntry(t, Header{Stamps: []uint64{1}, StoredAt: 4, Deadline: 500, Flags: 2}, "rows"); !bytes.Equal(b, want) {
		t.Errorf("got %x, want %x", b, want)
	}
	for _, junk := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte{1}, 100)} {
		before := bytes.Clone(junk)
		SetDeadline(junk, 500)
		if !bytes.Equal(junk, before) || Deadline(junk) != 0 || StoredAt(junk) != 0 {
			t.Errorf("bytes that are no entry: %x became %x, Deadline %d", before, junk, Deadline(junk))
		}
	}
}

// Every way in which one entry's bytes can be damaged must be found.
func TestEntryDamage(t *testing.T) {
	t.Parallel()
	entry := mustEntry(t, Header{Stamps: []uint64{10, 20, 30}, StoredAt: 1, Deadline: 1 << 40}, "some rows of a result")
	refuse := func(b []byte, what string, args ...any) {
		t.Helper()
		if h, payload, err := ParseEntry(b); !errors.Is(err, ErrCorrupt) || payload != nil || h.Stamps != nil {
			t.Errorf(what+": ParseEntry = %v, %q, %v; want ErrCorrupt", append(args, h, payload, err)...)
		}
	}
	for bit := range len(entry) * 8 {
		b := bytes.Clone(entry)
		b[bit/8] ^= 1 << (bit % 8)
		refuse(b, "bit %d flipped", bit)
	}
	for n := range entry {
		refuse(entry[:n], "first %d bytes", n)
		refuse(entry[len(entry)-n:], "last %d bytes", n)
	}
	refuse(append(bytes.Clone(entry), 0), "one byte more")
	refuse(append(bytes.Clone(entry), entry...), "twice")
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		b := bytes.Clone(entry)
		from := rng.IntN(len(b))
		part := b[from : from+1+rng.IntN(len(b)-from)]
		for i := range part {
			part[i] = byte(rng.Uint32())
		}
		if !bytes.Equal(b, entry) {
			refuse(b, "seed %d, random bytes", seed)
		}
	}
}

// Damage that has a right checksum, as a forger would write it.
func TestEntryForged(t *testing.T) {
	t.Parallel()
	entry := mustEntry(t, Header{Stamps: []uint64{10, 20}}, "rows")
	forge := func(change func(b []byte) []byte) []byte {
		b := change(bytes.Clone(entry[:len(entry)-sumSize]))
		return binary.LittleEndian.AppendUint64(b, xxhash.Sum64(b))
	}
	for name, b := range map[string][]byte{
		"more stamps than bytes": forge(func(b []byte) []byte { b[offCount], b[offCount+1] = 0xff, 0xff; return b }),
		"one stamp too many":     forge(func(b []byte) []byte { b[offCount] = 3; return b }),
		"a stamp of zero":        forge(func(b []byte) []byte { clear(b[offStamps : offStamps+8]); return b }),
		"reserved bytes":         forge(func(b []byte) []byte { b[offReserved+1] = 1; return b }),
		"version":                forge(func(b []byte) []byte { b[2] = 2; return b }),
		"nothing but a checksum": forge(func([]byte) []byte { return nil }),
		"half a head":            forge(func(b []byte) []byte { return b[:offStamps-1] }),
	} {
		if err := Verify(b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: Verify = %v, want ErrCorrupt", name, err)
		}
	}
	if err := Verify(forge(func(b []byte) []byte { return b })); err != nil {
		t.Errorf("the forger's tool itself is wrong: %v", err)
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	stamps := []uint64{1, 2, 3}
	entry := mustEntry(t, Header{Stamps: stamps, Deadline: 100}, "rows")
	if n := testing.AllocsPerRun(1000, func() {
		if _, ok := Match(entry, stamps, 50); !ok {
			t.Fatal("no match")
		}
	}); n != 0 {
		t.Errorf("Match allocates %v times", n)
	}
	if n := testing.AllocsPerRun(1000, func() {
		if Verify(entry) != nil {
			t.Fatal("not verified")
		}
	}); n != 0 {
		t.Errorf("Verify allocates %v times", n)
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add(mustEntry(f, Header{Stamps: []uint64{10, 20}, StoredAt: 1, Deadline: 2, Flags: 3}, "rows"), false)
	f.Add(mustEntry(f, Header{}, ""), true)
	f.Add(mustEntry(f, Header{Deadline: math.MinInt64}, ""), false)
	f.Add([]byte("ML\x01\x00\xff\xff\x00\x00"), true)
	f.Fuzz(func(t *testing.T, b []byte, sum bool) {
		if sum { // otherwise the checksum keeps the fuzzer out of everything behind it
			b = FinishEntry(bytes.Clone(b), 0)
		}
		h, payload, err := ParseEntry(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("error is not ErrCorrupt: %v", err)
			}
			return
		}
		again, err := AppendEntry(nil, &h, payload)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x parses, but is written as %x (%v)", b, again, err)
		}
		if h.Deadline == math.MinInt64 {
			return // there is no moment before it
		}
		if m, ok := Match(b, h.Stamps, h.Deadline-1); !ok || !bytes.Equal(m, payload) {
			t.Fatalf("ParseEntry and Match disagree about %x", b)
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add(mustEntry(f, Header{Stamps: []uint64{10, 20}, Deadline: 1000}, "rows"), uint64(10), uint64(20), 2, int64(5))
	f.Add(mustEntry(f, Header{}, ""), uint64(0), uint64(0), 0, int64(0))
	f.Add([]byte("ML\x01\x00\xff\xff\x00\x00"), uint64(1), uint64(0), 1, int64(-1))
	f.Fuzz(func(t *testing.T, b []byte, s1, s2 uint64, n int, now int64) {
		stamps := []uint64{s1, s2}[:max(0, min(n, 2))]
		payload, ok := Match(b, stamps, now)
		if !ok {
			return
		}
		// What matched is an entry once it has its checksum.
		sealed := FinishEntry(bytes.Clone(b[:len(b)-sumSize]), 0)
		clear(sealed[offReserved : offReserved+2])
		sealed = FinishEntry(sealed[:len(sealed)-sumSize], 0)
		h, want, err := ParseEntry(sealed)
		if err != nil || !bytes.Equal(payload, want) || len(h.Stamps) != len(stamps) {
			t.Fatalf("Match accepts %x: %v", b, err)
		}
		for i, s := range stamps {
			if s == 0 || h.Stamps[i] != s {
				t.Fatalf("Match accepts stamps %v for %v", stamps, h.Stamps)
			}
		}
		if h.Deadline != 0 && now >= h.Deadline {
			t.Fatalf("Match accepts at %d with deadline %d", now, h.Deadline)
		}
	})
}
