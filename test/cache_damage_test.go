package test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/cache/rowset"
)

// The whole way of an answer into Redis and back: whatever happens to its bytes
// there, what comes out is the rows that went in, or nothing.
func TestDamageInRedisIsAMiss(t *testing.T) {
	t.Parallel()
	server, client := newCacheRedis(t)
	r := cache.NewRedis(client, "ns")
	key, stamps := []byte("key"), []uint64{1, 2}
	now := time.Now().UnixMilli()

	head, err := cache.AppendHeader(nil, &cache.Header{Stamps: stamps, StoredAt: now, Deadline: now + 60_000})
	if err != nil {
		t.Fatal(err)
	}
	var rows rowset.Builder
	if err := rows.ResetTo(head, rowset.Wire, []rowset.Column{{Name: "a", TypeOID: 25}, {Name: "b", TypeOID: 25}}); err != nil {
		t.Fatal(err)
	}
	if err := rows.AddRow([][]byte{[]byte("one"), nil}); err != nil {
		t.Fatal(err)
	}
	entry := cache.FinishEntry(rows.Buffer(), 0)
	if err := r.Set(t.Context(), key, entry, time.Minute); err != nil {
		t.Fatal(err)
	}

	// read is what a caller has to do with bytes from outside.
	read := func() (string, error) {
		b, err := r.Get(t.Context(), key, nil)
		if err != nil {
			return "", err
		}
		if err := cache.Verify(b); err != nil {
			return "", err
		}
		payload, ok := cache.Match(b, stamps, now)
		if !ok {
			return "", errors.New("stale")
		}
		set, err := rowset.Open(payload)
		if err != nil {
			return "", err
		}
		cells := make([][]byte, set.NumCols())
		for set.Next(cells) {
			if cells[1] != nil {
				return "", errors.New("NULL became a value")
			}
		}
		return string(cells[0]), nil
	}
	if got, err := read(); err != nil || got != "one" {
		t.Fatalf("undamaged: %q, %v", got, err)
	}

	name := r.Name(key)
	good := string(entry)
	spoil := func(b string) {
		t.Helper()
		if b == good {
			return
		}
		if err := server.Set(name, b); err != nil {
			t.Fatal(err)
		}
		if got, err := read(); !errors.Is(err, cache.ErrCorrupt) && !errors.Is(err, cache.ErrMiss) {
			t.Errorf("%x: %q, %v; want ErrCorrupt", b, got, err)
		}
	}
	for bit := range len(good) * 8 {
		b := []byte(good)
		b[bit/8] ^= 1 << (bit % 8)
		spoil(string(b))
	}
	for n := range len(good) {
		spoil(good[:n])
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		b := make([]byte, rng.IntN(2*len(good)))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		spoil(string(b))
	}

	// Stored again, it is good again.
	if err := r.Set(t.Context(), key, entry, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, err := read(); err != nil || got != "one" {
		t.Errorf("overwritten: %q, %v", got, err)
	}
}
