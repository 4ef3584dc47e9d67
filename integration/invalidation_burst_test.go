package integration

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/invalidation"
)

// row makes a row of writes, one right behind the other, and returns how many calls of the script they took.
func row(t *testing.T, a *versionsPeer, writes int, after func(), scopes ...string) (calls uint64) {
	t.Helper()
	before := a.Stats()
	for range writes {
		f, err := a.Fence(t.Context(), scopes, invalidation.FenceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for !f.Valid() { // as a statement would take longer than the fence's answer
			runtime.Gosched()
		}
		if err := f.Release(t.Context(), invalidation.Committed); err != nil {
			t.Fatal(err)
		}
		after()
	}
	now := a.Stats()
	return now.Calls - before.Calls - (now.Polls - before.Polls)
}

// Writes that follow each other at once need one call each: their fence stays up in between, and is gone soon after. Each of
// them is known when it returns, here and to who asks Redis.
func TestInvalidationBurst(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	a := openVersions(t, redisWith(t, server.URL(), patientTimeouts), "burst", time.Hour)
	b := openVersions(t, redisWith(t, server.URL(), patientTimeouts), "burst", time.Hour)
	fences := func() int {
		s, err := b.client.HGet(context.Background(), "{burst}:v", "st").Result()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(s, ";")
	}
	cells := []*invalidation.Cell{a.know("t"), a.know("u")} // kept, as by a plan
	old := b.read("t")
	const writes = 200
	seen := map[string]bool{}
	// On a busy machine a row is interrupted now and then.
	calls := row(t, a, writes, func() {
		if cells[0].Load() != 0 && a.usable(old) {
			t.Error("what was before the write can be used")
		}
		s, err := b.client.HGet(context.Background(), "{burst}:v", "st").Result()
		if err != nil || seen[s[:16]] {
			t.Errorf("the version is that of a write before: %q, %v", s, err)
		}
		seen[s[:16]] = true
	}, "t", "u")
	t.Logf("%d writes in %d calls", writes, calls)
	if n := a.Stats().OpenFences; n != 0 {
		t.Errorf("%d open fences after the last write", n)
	}
	harness.Eventually(t, 2*time.Second, "the fence is gone long before its lease ends", func() bool { return fences() == 0 })
	if b.current(old) {
		t.Error("what was before the writes is vouched for")
	}
	fresh := b.read("t")
	if !b.current(fresh) || !a.usable(a.read("t")) {
		t.Error("not open after the burst")
	}

	least := row(t, a, writes, func() {}, "t", "u")
	for begun := time.Now(); least > writes*3/2 && time.Since(begun) < 30*time.Second; {
		least = min(least, row(t, a, writes, func() {}, "t", "u"))
	}
	t.Logf("%d writes in %d calls at best", writes, least)
	if least > writes*3/2 {
		t.Error("the fence does not stay up between writes")
	}
}

// Who reads in the process of the writes is not shut out by their burst, and what he knows then is the last write's version.
// Where that happens there is none for a while.
func TestInvalidationReadEndsABurst(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	a := openVersions(t, redisWith(t, server.URL(), patientTimeouts), "read", time.Hour)
	b := openVersions(t, redisWith(t, server.URL(), patientTimeouts), "read", time.Hour)
	state := func() string {
		s, err := b.client.HGet(context.Background(), "{read}:v", "st").Result()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	c := a.know("t")
	ended, spared := 0, 0
	// A busy machine may take longer over it.
	for n, begun := 0, time.Now(); n < 12 || spared == 0 && time.Since(begun) < 30*time.Second; n++ {
		row(t, a, 20, func() {}, "t")
		up := strings.Contains(state(), ";")
		if err := a.Ensure(t.Context(), []*invalidation.Cell{c}); err != nil {
			t.Fatal(err)
		}
		version := c.Load()
		if now := state(); now != fmt.Sprintf("%016x", version) {
			t.Errorf("after the writes %q is taken for %x", now, version)
		}
		if up {
			ended++
			if calls := row(t, a, 8, func() {}, "t"); calls >= 15 {
				spared++
			}
			time.Sleep(150 * time.Millisecond)
		}
		version = c.Load()
		row(t, a, 20, func() {}, "t")
		if err := a.Current(t.Context(), []*invalidation.Cell{c}, []uint64{version}, nil); err == nil {
			t.Error("a version from before the writes is current")
		}
		if now := state(); now != fmt.Sprintf("%016x", c.Load()) {
			t.Errorf("who asks Redis after the writes takes %q for %x", now, c.Load())
		}
		if up {
			time.Sleep(150 * time.Millisecond)
		}
	}
	t.Logf("%d reads came in a burst, %d were followed by none", ended, spared)
	// Some bursts have ended by themselves just before the read.
	if ended == 0 || spared == 0 {
		t.Error("no read has ended a burst")
	}
}

// Nothing of a burst outlives Close, nor what became of its writes.
func TestInvalidationBurstsEnds(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	for i, end := range map[string]func(a *versionsPeer){
		"closed": func(a *versionsPeer) {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		},
		"unknown": func(a *versionsPeer) {
			f, _ := a.Fence(t.Context(), []string{"t"}, invalidation.FenceOptions{})
			if err := f.Release(t.Context(), invalidation.Unknown); err != nil {
				t.Error(err)
			}
			time.Sleep(20 * time.Millisecond) // the burst, if it was one, is over
		},
	} {
		namespace := "end-" + i
		a := openVersions(t, redisWith(t, server.URL(), patientTimeouts), namespace, time.Hour)
		b := openVersions(t, redisWith(t, server.URL(), patientTimeouts), namespace, time.Hour)
		kept := a.know("t")
		b.read("t")
		row(t, a, 20, func() {}, "t")
		end(a)
		s, err := b.client.HGet(context.Background(), fmt.Sprintf("{%s}:v", namespace), "st").Result()
		if err != nil || (strings.Count(s, ";") > 0) != (i == "unknown") {
			t.Errorf("%s: %q, %v", i, s, err)
		}
		runtime.KeepAlive(kept)
	}
}

// Writers of the same at the same time tell Redis together, and each change is known when its release returns.
func TestInvalidationWritersOfTheSame(t *testing.T) {
	t.Parallel()
	const writers, writes = 16, 50
	server := harness.StartRedis(t)
	a := openVersions(t, redisWith(t, server.URL(), patientTimeouts), "same", time.Hour)
	b := openVersions(t, redisWith(t, server.URL(), patientTimeouts), "same", time.Hour)
	kept := a.know("t")
	b.read("t")
	version := func() string {
		s, err := b.client.HGet(context.Background(), "{same}:v", "st").Result()
		if err != nil {
			t.Fatal(err)
		}
		return s[:16]
	}
	before := a.Stats().Calls
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range writes {
				f, err := a.Fence(context.Background(), []string{"t", "u"}, invalidation.FenceOptions{})
				if err != nil {
					t.Error(err)
				}
				was := version() // an answer read now is from before the change
				if err := f.Release(context.Background(), invalidation.Committed); err != nil {
					t.Error(err)
				}
				if version() == was {
					t.Error("a change has made no version")
				}
			}
		})
	}
	wg.Wait()
	calls := a.Stats().Calls - before
	t.Logf("%d writes in %d calls", writers*writes, calls)
	if calls > writers*writes {
		t.Error("the writers did not share calls")
	}
	harness.Eventually(t, 2*time.Second, "open for all", func() bool { return a.usable(a.read("t")) && b.current(b.read("t")) })
	runtime.KeepAlive(kept)
}

// Where nobody else listens, nobody is sent a message; who comes to listen misses nothing.
func TestInvalidationNoMessageToOneself(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	a := openVersions(t, redisWith(t, server.URL(), patientTimeouts), "alone", time.Hour)
	kept := a.know("t")
	harness.Eventually(t, 10*time.Second, "listening", func() bool { return a.Stats().Subscriptions > 0 })
	write := func() {
		t.Helper()
		if err := a.write("t"); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(10 * time.Millisecond)
	was := a.Stats()
	for range 20 {
		write()
	}
	now := a.Stats()
	if n := now.Messages - was.Messages; n != 0 {
		t.Errorf("%d messages to oneself", n)
	}
	if counted(now) < counted(was)+15 {
		t.Errorf("how long news takes was measured %d times", counted(now)-counted(was))
	}

	b := openVersions(t, redisWith(t, server.URL(), patientTimeouts), "alone", time.Hour)
	b.read("t")
	harness.Eventually(t, 10*time.Second, "b listens", func() bool { return b.Stats().Subscriptions > 0 && b.usable(b.read("t")) })
	for range 20 {
		old := b.read("t")
		write()
		// Within far less than the third of an hour after which b would ask.
		harness.Eventually(t, 10*time.Second, "b has heard of it", func() bool { return !b.usable(old) })
	}
	if s := b.Stats(); s.Messages == 0 || s.Gaps != 0 || s.Resyncs != 0 {
		t.Errorf("%+v", s)
	}
	if s := a.Stats(); s.Gaps != 0 {
		t.Errorf("what was not published is missed: %+v", s)
	}
	runtime.KeepAlive(kept)
}

func counted(s invalidation.Stats) (n uint64) {
	for _, b := range s.Propagation.Buckets {
		n += b
	}
	return n
}
