package test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/invalidation"
)

// peer stands for one process: its own connection and its own Versions.
type peer struct {
	*invalidation.Versions
	t      testing.TB
	client *redis.Client
}

// newPeer joins the namespace. One poll an hour is as good as none: what the test sees came from elsewhere.
func newPeer(t testing.TB, addr string, edit ...func(*invalidation.Config)) *peer {
	t.Helper()
	// Patient: the race detector on a busy machine makes the scripts of a Redis in Go slow.
	client := redis.NewClient(&redis.Options{
		Addr: addr, MaxRetries: -1, DialerRetries: 1,
		DialTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second,
	})
	cfg := invalidation.Config{Client: client, Namespace: "test", MaxStaleness: time.Hour, FenceLease: 5 * time.Second}
	for _, f := range edit {
		f(&cfg)
	}
	v, err := invalidation.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		v.Close()
		client.Close()
	})
	return &peer{Versions: v, t: t, client: client}
}

func bound(d time.Duration) func(*invalidation.Config) {
	return func(c *invalidation.Config) { c.MaxStaleness = d }
}

func lease(d time.Duration) func(*invalidation.Config) {
	return func(c *invalidation.Config) { c.FenceLease = d }
}

// know makes the scope's version known and returns its cell.
func (p *peer) know(scope string) *invalidation.Cell {
	p.t.Helper()
	c := p.Cell(scope)
	if err := p.Ensure(context.Background(), []*invalidation.Cell{c}); err != nil {
		p.t.Fatal(err)
	}
	return c
}

func (p *peer) fence(wait bool, scopes ...string) *invalidation.Fence {
	p.t.Helper()
	f, err := p.Fence(context.Background(), scopes, invalidation.FenceOptions{Wait: wait, All: len(scopes) == 0})
	if err != nil {
		p.t.Fatal(err)
	}
	return f
}

func release(t testing.TB, f *invalidation.Fence, o invalidation.Outcome) {
	t.Helper()
	if err := f.Release(context.Background(), o); err != nil {
		t.Fatal(err)
	}
}

// write is a whole change of the scopes.
func (p *peer) write(scopes ...string) {
	p.t.Helper()
	release(p.t, p.fence(false, scopes...), invalidation.Committed)
}

// current asks Redis whether the version is current, until there is an answer: right after an outage there is none.
func (p *peer) current(c *invalidation.Cell, version uint64) (ok bool) {
	p.t.Helper()
	eventually(p.t, "an answer", func() bool {
		err := p.Current(context.Background(), []*invalidation.Cell{c}, []uint64{version}, nil)
		ok = err == nil
		return ok || errors.Is(err, invalidation.ErrStale)
	})
	return ok
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// subscribed waits until the peers hear each other, and have polled for what they may have missed before.
func subscribed(t testing.TB, peers ...*peer) {
	t.Helper()
	for _, p := range peers {
		p.know("warm-up")
		eventually(t, "subscribed", func() bool { return p.Stats().Subscriptions > 0 })
	}
	time.Sleep(100 * time.Millisecond)
}

func newRedis(t testing.TB) *miniredis.Miniredis {
	t.Helper()
	return miniredis.RunT(t)
}
