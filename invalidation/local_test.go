package invalidation

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func open(t testing.TB, cfg Config) *Versions {
	t.Helper()
	v, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

func fence(t testing.TB, v *Versions, scopes ...string) *Fence {
	t.Helper()
	f, err := v.Fence(t.Context(), scopes, FenceOptions{All: len(scopes) == 0})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func release(t testing.TB, f *Fence, o Outcome) {
	t.Helper()
	if err := f.Release(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefusesBadConfig(t *testing.T) {
	t.Parallel()
	for _, cfg := range []Config{{MaxStaleness: -1}, {FenceLease: -1}, {FenceLease: time.Millisecond}, {IdleAfter: -1}} {
		if _, err := Open(cfg); err == nil {
			t.Errorf("Open(%+v) has no error", cfg)
		}
	}
}

func TestLocalChangeGivesANewVersion(t *testing.T) {
	t.Parallel()
	v := open(t, Config{})
	a, b := v.Cell("a"), v.Cell("b")
	a0, b0 := a.Load(), b.Load()
	if a0 == 0 || b0 == 0 || v.Epoch().Load() == 0 {
		t.Fatal("a version is unknown from the start")
	}
	if !v.Live(0) {
		t.Error("not live without Redis")
	}
	f := fence(t, v, "a")
	if a.Load() != 0 || b.Load() != b0 {
		t.Errorf("fenced: a = %d, b = %d, want 0, %d", a.Load(), b.Load(), b0)
	}
	if !f.Valid() {
		t.Error("the fence is not valid")
	}
	release(t, f, Committed)
	if a.Load() == 0 || a.Load() == a0 || b.Load() != b0 {
		t.Errorf("released: a = %d (was %d), b = %d (was %d)", a.Load(), a0, b.Load(), b0)
	}
	a1 := a.Load()
	release(t, f, Committed)
	if a.Load() != a1 {
		t.Error("a second Release did something")
	}
	if err := f.Add(t.Context(), "b"); err == nil {
		t.Error("Add after Release has no error")
	}
}

func TestLocalRollbackKeepsTheVersion(t *testing.T) {
	t.Parallel()
	v := open(t, Config{})
	a := v.Cell("a")
	was := a.Load()
	f := fence(t, v, "a")
	release(t, f, RolledBack)
	if a.Load() != was {
		t.Errorf("version %d, want %d", a.Load(), was)
	}
}

func TestLocalTwoWritersOnOneScope(t *testing.T) {
	t.Parallel()
	v := open(t, Config{})
	a := v.Cell("a")
	first, second := fence(t, v, "a"), fence(t, v, "a", "a")
	release(t, first, Committed)
	if a.Load() != 0 {
		t.Error("the first release opened a scope with a second writer in flight")
	}
	release(t, second, RolledBack)
	if a.Load() == 0 {
		t.Error("the last release did not open the scope")
	}
}

func TestLocalUnknownOutcomeStaysFencedForTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := open(t, Config{FenceLease: 3 * time.Second})
		a := v.Cell("a")
		was := a.Load()
		f := fence(t, v, "a")
		release(t, f, Unknown)
		ensure := func() {
			if err := v.Ensure(t.Context(), []*Cell{a}); err != nil {
				t.Fatal(err)
			}
		}
		// Another writer's release must not open it early.
		release(t, fence(t, v, "a"), Committed)
		time.Sleep(3*time.Second - 1)
		if ensure(); a.Load() != 0 {
			t.Error("readable although the change may become visible")
		}
		time.Sleep(1 * time.Nanosecond)
		if ensure(); a.Load() == 0 || a.Load() == was {
			t.Errorf("version %d after the lease, was %d", a.Load(), was)
		}
	})
}

func TestLocalEverything(t *testing.T) {
	t.Parallel()
	v := open(t, Config{})
	a := v.Cell("a")
	told := 0
	v.OnChange("a", func() { told++ })
	epoch, version := v.Epoch().Load(), a.Load()
	f := fence(t, v)
	if v.Epoch().Load() != 0 {
		t.Error("everything is fenced and the epoch is readable")
	}
	release(t, f, Committed)
	if got := v.Epoch().Load(); got == 0 || got == epoch {
		t.Errorf("epoch %d, was %d", got, epoch)
	}
	epoch = v.Epoch().Load()
	if err := v.Invalidate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := v.Epoch().Load(); got == 0 || got == epoch {
		t.Errorf("epoch %d, was %d", got, epoch)
	}
	if err := v.Invalidate(t.Context(), "a", "a"); err != nil {
		t.Fatal(err)
	}
	if got := a.Load(); got == 0 || got == version {
		t.Errorf("version %d, was %d", got, version)
	}
	if told != 3 {
		t.Errorf("told of %d changes, want 3", told)
	}
}

func TestLocalCurrent(t *testing.T) {
	t.Parallel()
	v := open(t, Config{})
	cells := []*Cell{v.Cell("a"), v.Epoch()}
	versions := []uint64{cells[0].Load(), cells[1].Load()}
	if err := v.Current(t.Context(), cells, versions, nil); err != nil {
		t.Error(err)
	}
	f := fence(t, v, "a")
	if err := v.Current(t.Context(), cells, versions, nil); err != ErrStale {
		t.Errorf("fenced: %v", err)
	}
	release(t, f, Committed)
	if err := v.Current(t.Context(), cells, versions, nil); err != ErrStale {
		t.Errorf("changed: %v", err)
	}
	if err := v.Current(t.Context(), cells, versions[:1], nil); err == nil || err == ErrStale {
		t.Errorf("a missing version: %v", err)
	}
}

// A cell that nobody refers to any more costs nothing; one that is in use stays the same.
func TestCellsAreAsManyAsAreInUse(t *testing.T) {
	v := open(t, Config{})
	kept := v.Cell("kept")
	version := kept.Load()
	for range 100_000 {
		v.Cell(newSeed())
	}
	for range 100 {
		runtime.GC()
		if v.Stats().Cells == 1 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := v.Stats().Cells; n != 1 {
		t.Errorf("%d cells, want 1", n)
	}
	if v.Cell("kept") != kept || kept.Load() != version {
		t.Error("the cell in use has changed")
	}
}

func TestCloseShutsEverything(t *testing.T) {
	t.Parallel()
	v := open(t, Config{})
	a := v.Cell("a")
	for range 2 {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}
	if a.Load() != 0 || v.Epoch().Load() != 0 || v.Cell("b").Load() != 0 {
		t.Error("a version is readable after Close")
	}
	if err := v.Ensure(context.Background(), []*Cell{a}); err != ErrClosed {
		t.Errorf("Ensure: %v", err)
	}
	f, err := v.Fence(context.Background(), []string{"a"}, FenceOptions{})
	if f == nil || err != ErrClosed {
		t.Errorf("Fence: %v, %v", f, err)
	}
}

// A version stands for one value only, whoever reads and writes at the same time.
func TestLocalVersionsNeverComeBack(t *testing.T) {
	t.Parallel()
	v := open(t, Config{})
	a := v.Cell("a")
	var mu sync.Mutex
	value, seen := 0, map[uint64]int{}
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			for i := range 300 {
				if w < 2 {
					f, _ := v.Fence(context.Background(), []string{"a"}, FenceOptions{})
					outcome := RolledBack
					if i%3 > 0 {
						outcome = Committed
						mu.Lock()
						value++
						mu.Unlock()
					}
					f.Release(context.Background(), outcome)
					time.Sleep(50 * time.Microsecond)
					continue
				}
				before := a.Load()
				mu.Lock()
				if before != 0 && before == a.Load() {
					if was, ok := seen[before]; ok && was != value {
						t.Errorf("version %d stood for %d and for %d", before, was, value)
					}
					seen[before] = value
				}
				mu.Unlock()
				time.Sleep(50 * time.Microsecond)
			}
		})
	}
	wg.Wait()
	if len(seen) < 50 {
		t.Errorf("only %d versions were seen", len(seen))
	}
}
