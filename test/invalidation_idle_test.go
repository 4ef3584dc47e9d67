package test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/mlcache/mlcache/invalidation"
)

func idleAfter(d time.Duration) func(*invalidation.Config) {
	return func(c *invalidation.Config) { c.IdleAfter = d }
}

// Nobody reads, so Redis is not asked, although somebody listens to the schema. What changes meanwhile is noticed before
// anything is answered again.
func TestInvalidationIdlePeerDoesNotPoll(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	const short = 30 * time.Millisecond
	writer := newPeer(t, m.Addr())
	reader := newPeer(t, m.Addr(), bound(short), idleAfter(200*time.Millisecond), deaf)
	told := make(chan struct{}, 100)
	reader.OnChange("schema", func() { told <- struct{}{} })
	ensure := func() {
		t.Helper()
		if err := reader.Ensure(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
	}
	cell := reader.know("t")
	before := cell.Load()

	used := reader.Stats().Polls
	for range 30 {
		time.Sleep(10 * time.Millisecond)
		reader.Live(short)
	}
	if reader.Paused() || reader.Stats().Polls < used+10 {
		t.Fatalf("paused: %v, after %d polls while somebody read", reader.Paused(), reader.Stats().Polls-used)
	}

	eventually(t, "a pause", reader.Paused)
	time.Sleep(2 * short)
	polls := reader.Stats().Polls
	for len(told) > 0 {
		<-told
	}
	writer.write("schema")
	writer.write("t")
	time.Sleep(1200 * time.Millisecond) // longer than it takes to look again
	if n := reader.Stats().Polls - polls; n != 0 {
		t.Fatalf("%d polls, and nobody reads", n)
	}
	if reader.Live(short) {
		t.Fatal("answers may be given, and nobody asks whether they are good")
	}
	ensure()
	if !reader.Live(time.Second) || reader.Paused() {
		t.Fatal("it does not go on when somebody reads")
	}
	if len(told) == 0 {
		t.Fatal("the schema's change was not told")
	}
	if cell.Load() == before {
		t.Fatal("an answer from before the change could be given")
	}
	ensure()

	// Own changes are told at once, paused or not.
	eventually(t, "a second pause", reader.Paused)
	elsewhere := writer.know("t")
	version := elsewhere.Load()
	reader.write("t")
	if writer.current(elsewhere, version) {
		t.Fatal("a change made in the pause was not told")
	}
}

// More has changed in the pause than Redis remembers, and the schema's version has never been asked for.
func TestInvalidationListenerHearsAfterALongPause(t *testing.T) {
	t.Parallel()
	m := newRedis(t)
	writer := newPeer(t, m.Addr())
	reader := newPeer(t, m.Addr(), bound(30*time.Millisecond), idleAfter(time.Millisecond), deaf)
	told := make(chan struct{}, 100)
	reader.OnChange("schema", func() { told <- struct{}{} })
	reader.know("t")
	eventually(t, "a pause", reader.Paused)
	time.Sleep(60 * time.Millisecond)
	for len(told) > 0 {
		<-told
	}
	writer.write("schema")
	scopes := make([]string, 5000) // Redis remembers 4096 changes
	for i := range scopes {
		scopes[i] = strconv.Itoa(i)
	}
	for some := range slices.Chunk(scopes, 250) {
		if err := writer.Invalidate(context.Background(), some...); err != nil {
			t.Fatal(err)
		}
	}
	if err := reader.Ensure(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if len(told) == 0 {
		t.Fatal("the schema's change was not told")
	}
}
