package cache

import (
	"bytes"
	"testing"
	"time"

	"github.com/coocood/freecache"
)

const benchMemory = 64 << 20

// benchEntry is an entry of 200 bytes that depends on two tables and an epoch.
func benchEntry(b *testing.B) (entry, key []byte, stamps []uint64) {
	stamps = []uint64{1, 2, 3}
	h := Header{Stamps: stamps, Deadline: time.Now().Add(time.Hour).UnixMilli()}
	entry, err := AppendEntry(nil, &h, bytes.Repeat([]byte("v"), 200-offStamps-3*stampSize-sumSize))
	if err != nil || len(entry) != 200 {
		b.Fatal(len(entry), err)
	}
	return entry, bytes.Repeat([]byte("k"), 100), stamps
}

// The hit as the driver has it, beside freecache's own.
func BenchmarkHit(b *testing.B) {
	entry, key, stamps := benchEntry(b)
	now := time.Now().UnixMilli()
	b.Run("freecache.Get", func(b *testing.B) {
		arena := freecache.NewCache(benchMemory)
		if err := arena.Set(key, entry, 3600); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := arena.Get(key); err != nil {
				b.Fatal(err)
			}
		}
	})
	m := newReadyMemory(b, benchMemory)
	mustSet(b, m, string(key), string(entry), time.Hour)
	hit := func(b *testing.B, buf []byte) {
		b.ReportAllocs()
		for b.Loop() {
			got, ok := m.Lookup(key, buf)
			if !ok {
				b.Fatal("miss")
			}
			if _, ok := Match(got, stamps, now); !ok {
				b.Fatal("no match")
			}
		}
	}
	b.Run("Lookup+Match", func(b *testing.B) { hit(b, nil) })
	b.Run("Lookup+Match/buf", func(b *testing.B) { hit(b, make([]byte, 0, 512)) })
}

func BenchmarkHitParallel(b *testing.B) {
	entry, key, stamps := benchEntry(b)
	now := time.Now().UnixMilli()
	m := newReadyMemory(b, benchMemory)
	mustSet(b, m, string(key), string(entry), time.Hour)
	var stats Stats
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		buf := make([]byte, 0, 512)
		count := stats.Stripe()
		for pb.Next() {
			got, _ := m.Lookup(key, buf)
			if _, ok := Match(got, stamps, now); ok {
				count.L1.Hits.Add(1)
			}
		}
	})
	if hits := stats.Snapshot().L1.Hits; hits != uint64(b.N) {
		b.Fatalf("%d hits of %d", hits, b.N)
	}
}

func BenchmarkMatch(b *testing.B) {
	entry, _, stamps := benchEntry(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := Match(entry, stamps, 1); !ok {
			b.Fatal("no match")
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	entry, _, _ := benchEntry(b)
	b.ReportAllocs()
	for b.Loop() {
		if Verify(entry) != nil {
			b.Fatal("not verified")
		}
	}
}

func BenchmarkSet(b *testing.B) {
	entry, key, _ := benchEntry(b)
	m := newReadyMemory(b, benchMemory)
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Set(b.Context(), key, entry, time.Hour); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendArg(b *testing.B) {
	dst := make([]byte, 0, 256)
	args := []any{int64(42), "an order's number", true, time.Now()}
	b.ReportAllocs()
	for b.Loop() {
		out := dst
		for _, arg := range args {
			out, _ = AppendArg(out, arg)
		}
	}
}
