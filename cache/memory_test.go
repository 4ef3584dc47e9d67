package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coocood/freecache"
)

// newReadyMemory returns a level whose arena has been made.
func newReadyMemory(tb testing.TB, size int64) *Memory {
	tb.Helper()
	m := NewMemory(size)
	tb.Cleanup(func() { _ = m.Close() })
	mustSet(tb, m, "first", "value", time.Minute)
	<-m.made
	return m
}

func mustSet(tb testing.TB, m *Memory, key, value string, ttl time.Duration) {
	tb.Helper()
	if err := m.Set(context.Background(), []byte(key), []byte(value), ttl); err != nil {
		tb.Fatalf("Set(%q): %v", key, err)
	}
}

func want(tb testing.TB, m *Memory, key, value string) {
	tb.Helper()
	got, ok := m.Lookup([]byte(key), nil)
	if !ok || string(got) != value {
		tb.Errorf("Lookup(%q) = %q, %v; want %q", key, got, ok, value)
	}
}

func wantMiss(tb testing.TB, m *Memory, key string) {
	tb.Helper()
	if got, ok := m.Lookup([]byte(key), nil); ok {
		tb.Errorf("Lookup(%q) = %q, want a miss", key, got)
	}
}

func TestMemoryExpiresInWholeSeconds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		ttl        time.Duration
		there, not time.Duration
	}{
		{time.Nanosecond, 0, 1001 * time.Millisecond},
		{500 * time.Millisecond, 400 * time.Millisecond, 1001 * time.Millisecond},
		{time.Second, 900 * time.Millisecond, 1001 * time.Millisecond},
		{1500 * time.Millisecond, 1500 * time.Millisecond, 2001 * time.Millisecond},
		{time.Hour, time.Hour - time.Second, time.Hour + time.Millisecond},
		// Beyond what 32 bits count.
		{1<<32*time.Second + 1, 2 * time.Hour, 0},
		{1<<63 - 1, 2 * time.Hour, 0},
	} {
		for _, ready := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v ready=%v", tc.ttl, ready), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					m := NewMemory(minMemory)
					defer m.Close()
					if ready {
						mustSet(t, m, "first", "value", time.Minute)
						<-m.made
					}
					mustSet(t, m, "key", "value", tc.ttl)
					time.Sleep(tc.there)
					want(t, m, "key", "value")
					if tc.not == 0 {
						return
					}
					time.Sleep(tc.not - tc.there)
					wantMiss(t, m, "key")
				})
			})
		}
	}
}

// An entry that has waited for the arena ends when it would have ended.
func TestMemoryExpiresWhilePending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := withoutArena(t)
		mustSet(t, m, "short", "value", time.Second)
		mustSet(t, m, "long", "value", 3*time.Second)
		time.Sleep(1500 * time.Millisecond)
		wantMiss(t, m, "short")
		want(t, m, "long", "value")
		m.makeArena()
		wantMiss(t, m, "short")
		want(t, m, "long", "value")
		time.Sleep(1600 * time.Millisecond)
		wantMiss(t, m, "long")
	})
}

// withoutArena returns a level whose arena is made only when the test calls makeArena.
func withoutArena(t *testing.T) *Memory {
	m := NewMemory(minMemory)
	m.made = make(chan struct{})
	m.pending = make(map[string]pendingValue)
	m.waiting.Store(true)
	m.clock.start()
	t.Cleanup(m.clock.stop)
	return m
}

func TestMemoryPending(t *testing.T) {
	t.Parallel()
	m := withoutArena(t)
	mustSet(t, m, "key", "old", time.Minute)
	value := []byte("value")
	if err := m.Set(t.Context(), []byte("key"), value, time.Minute); err != nil {
		t.Fatal(err)
	}
	copy(value, "xxxxx") // Set has copied
	want(t, m, "key", "value")
	got, _ := m.Lookup([]byte("key"), nil)
	copy(got, "yyyyy") // Lookup has copied
	want(t, m, "key", "value")
	if n := m.Len(); n != 1 {
		t.Errorf("Len = %d", n)
	}
	mustSet(t, m, "gone", "value", time.Minute)
	_ = m.Delete(t.Context(), []byte("gone"))
	wantMiss(t, m, "gone")

	m.makeArena()
	want(t, m, "key", "value")
	wantMiss(t, m, "gone")
	if m.pending != nil || m.bytes != 0 || m.waiting.Load() {
		t.Error("something still waits for the arena")
	}
}

func TestMemoryPendingIsBounded(t *testing.T) {
	t.Parallel()
	m := withoutArena(t)
	for i := range 2 * maxPending {
		mustSet(t, m, fmt.Sprint(i), "value", time.Minute)
	}
	if n := len(m.pending); n != maxPending {
		t.Errorf("%d entries wait, want %d", n, maxPending)
	}
	// When there is no room a new value is lost, but never stands an old one in for it.
	m.bytes = maxPendingBytes
	mustSet(t, m, "0", "new value, and longer", time.Minute)
	wantMiss(t, m, "0")
}

func TestMemoryLimits(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{1, minMemory, minMemory + 1, 1<<20 + 12345, 64 << 20} {
		m := newReadyMemory(t, size)
		key := []byte("key")
		fits := bytes.Repeat([]byte("v"), m.MaxEntry()-len(key))
		if err := m.Set(t.Context(), key, fits, time.Minute); err != nil {
			t.Errorf("size %d: the largest entry: %v", size, err)
		}
		want(t, m, "key", string(fits))
		if err := m.Set(t.Context(), key, append(fits, 'v'), time.Minute); !errors.Is(err, ErrTooLarge) {
			t.Errorf("size %d: one byte more: %v, want ErrTooLarge", size, err)
		}
		// The limit is freecache's own and not a stricter one.
		arena := freecache.NewCache(int(size))
		if arena.Set(key, fits, 1) != nil || arena.Set(key, append(fits, 'v'), 1) == nil {
			t.Errorf("size %d: freecache's limit is not %d", size, m.MaxEntry())
		}
	}
	m := newReadyMemory(t, 128<<20)
	if err := m.Set(t.Context(), make([]byte, MaxKeySize+1), []byte("v"), time.Minute); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a key too long: %v, want ErrTooLarge", err)
	}
	if err := m.Set(t.Context(), make([]byte, MaxKeySize), []byte("v"), time.Minute); err != nil {
		t.Errorf("the longest key: %v", err)
	}
}

func TestMemoryPendingLimits(t *testing.T) {
	t.Parallel()
	m := withoutArena(t)
	m.size = 128 << 20
	for name, size := range map[string][2]int{
		"a key too long": {MaxKeySize + 1, 1}, "an entry too large": {1, m.MaxEntry()},
	} {
		err := m.Set(t.Context(), make([]byte, size[0]), make([]byte, size[1]), time.Minute)
		if !errors.Is(err, ErrTooLarge) || m.Len() != 0 {
			t.Errorf("%s: %v, want ErrTooLarge; %d wait", name, err, m.Len())
		}
	}
}

func TestMemoryOff(t *testing.T) {
	t.Parallel()
	closed := newReadyMemory(t, minMemory)
	_ = closed.Close()
	neverUsed := NewMemory(minMemory)
	_ = neverUsed.Close()
	for name, m := range map[string]*Memory{
		"nil": nil, "size 0": NewMemory(0), "negative size": NewMemory(-1), "closed": closed, "closed before use": neverUsed,
	} {
		mustSet(t, m, "key", "value", time.Minute)
		wantMiss(t, m, "key")
		if _, err := m.Get(t.Context(), []byte("key"), nil); !errors.Is(err, ErrMiss) {
			t.Errorf("%s: Get = %v, want ErrMiss", name, err)
		}
		if err := m.Set(t.Context(), []byte("key"), []byte("value"), 0); !errors.Is(err, ErrTTL) {
			t.Errorf("%s: Set without a time to live = %v, want ErrTTL", name, err)
		}
		if err := m.Delete(t.Context(), []byte("key")); err != nil {
			t.Errorf("%s: Delete = %v", name, err)
		}
		if m.Len() != 0 || m.Evictions() != 0 {
			t.Errorf("%s: Len = %d, Evictions = %d", name, m.Len(), m.Evictions())
		}
		if err := m.Close(); err != nil {
			t.Errorf("%s: Close = %v", name, err)
		}
	}
	var off *Memory
	if off.Size() != 0 || off.MaxEntry() != 0 {
		t.Errorf("switched off: Size = %d, MaxEntry = %d", off.Size(), off.MaxEntry())
	}
}

// Close may come at any moment of the arena's making. Afterwards nothing is
// left and nothing runs: synctest fails a test that leaves a goroutine.
func TestMemoryCloseWhileStarting(t *testing.T) {
	t.Parallel()
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			m := NewMemory(minMemory)
			var wg sync.WaitGroup
			wg.Go(func() { _ = m.Close() })
			for range 4 {
				wg.Go(func() {
					mustSet(t, m, "key", "value", time.Minute)
					m.Lookup([]byte("key"), nil)
				})
			}
			wg.Wait()
			wantClosed(t, m)
		})
	}
}

func TestMemoryCloseWhileMaking(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := withoutArena(t)
		mustSet(t, m, "key", "value", time.Minute)
		closed := make(chan struct{})
		go func() {
			_ = m.Close()
			close(closed)
		}()
		synctest.Wait()
		wantClosed(t, m)
		select {
		case <-closed:
			t.Error("Close does not wait for the arena's maker")
		default:
		}
		m.makeArena()
		<-closed
		wantClosed(t, m)
	})
}

func wantClosed(t *testing.T, m *Memory) {
	t.Helper()
	wantMiss(t, m, "key")
	if m.arena.Load() != nil || m.pending != nil || m.waiting.Load() {
		t.Error("memory is held")
	}
	if m.clock.timer != nil {
		t.Error("the clock still ticks")
	}
}

func TestSecondClockCountsOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c secondClock
		c.start()
		for i := range uint32(100) {
			time.Sleep(500 * time.Millisecond)
			time.Sleep(500 * time.Millisecond)
			synctest.Wait()
			if now := c.Now(); now != i+2 {
				t.Fatalf("after %d seconds the clock says %d", i+1, now)
			}
		}
		c.stop()
		c.stop()
		at := c.Now()
		time.Sleep(time.Minute)
		if c.Now() != at {
			t.Error("the clock goes on after stop")
		}
	})
}

// What comes back under a key is what was stored last under that key, or
// nothing, whatever is evicted, replaced and deleted in between, and while the
// arena is being made.
func TestMemoryNeverGivesAnother(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	m := NewMemory(minMemory)
	defer m.Close()
	last := make(map[string]string)
	hits := 0
	buf := make([]byte, 64)
	for i := range 200_000 {
		key := fmt.Sprintf("key %d", int(rng.ExpFloat64()*2000))
		switch op := rng.IntN(10); {
		case op < 4:
			value := fmt.Sprintf("%s, version %d, %s", key, i, bytes.Repeat([]byte("."), rng.IntN(m.MaxEntry()-60)))
			mustSet(t, m, key, value, time.Minute)
			last[key] = value
		case op < 5:
			_ = m.Delete(t.Context(), []byte(key))
			delete(last, key)
		default:
			got, ok := m.Lookup([]byte(key), buf[:rng.IntN(len(buf))])
			if !ok {
				continue
			}
			hits++
			if string(got) != last[key] {
				t.Fatalf("seed %d, step %d: %q gave %q, want %q", seed, i, key, got, last[key])
			}
		}
	}
	if hits < 1000 || m.Evictions() == 0 {
		t.Errorf("the test shows little: %d hits, %d evictions", hits, m.Evictions())
	}
}

func TestMemoryAllocations(t *testing.T) {
	m := newReadyMemory(t, minMemory)
	mustSet(t, m, "key", "value", time.Minute)
	key, buf := []byte("key"), make([]byte, 0, 100)
	for _, tc := range []struct {
		what string
		buf  []byte
		most float64
	}{{"with a buffer", buf, 0}, {"without", nil, 1}} {
		if n := testing.AllocsPerRun(1000, func() {
			if _, ok := m.Lookup(key, tc.buf); !ok {
				t.Fatal("no hit")
			}
		}); n > tc.most {
			t.Errorf("a hit %s allocates %v times, want %v", tc.what, n, tc.most)
		}
	}
	if n := testing.AllocsPerRun(1000, func() { m.Lookup([]byte("absent"), nil) }); n != 0 {
		t.Errorf("a miss allocates %v times", n)
	}
	value := []byte("value")
	if n := testing.AllocsPerRun(1000, func() { _ = m.Set(nil, key, value, time.Minute) }); n != 0 { //nolint:staticcheck // no context is looked at
		t.Errorf("Set allocates %v times", n)
	}
}
