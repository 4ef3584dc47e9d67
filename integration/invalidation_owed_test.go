package integration

import (
	"context"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/invalidation"
)

// writeUntilLine writes until the process has a connection of its own, over which a fence is sent without a goroutine.
func (p *versionsPeer) writeUntilLine(scope string) {
	p.t.Helper()
	for range 5 {
		p.change(scope, p.fence(scope))
		time.Sleep(2 * time.Millisecond) // the connection is opened in the background
	}
}

func (p *versionsPeer) fence(scope string) *invalidation.Fence {
	p.t.Helper()
	f, err := p.Fence(context.Background(), []string{scope}, invalidation.FenceOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	return f
}

func (p *versionsPeer) change(scope string, f *invalidation.Fence) {
	p.t.Helper()
	if err := f.Release(context.Background(), invalidation.Committed); err != nil {
		p.t.Fatal(err)
	}
}

// TestInvalidationFenceThatIsRefusedIsSentAgain: nobody waits for the answer to a fence in bounded use, and yet a fence that Redis
// refuses, here for want of the script, must stand long before a release that takes its time.
func TestInvalidationFenceThatIsRefusedIsSentAgain(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	client := redisWith(t, server.URL(), patientTimeouts)
	p := openVersions(t, client, "owed", time.Minute)
	p.writeUntilLine("orders")
	if err := client.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	f := p.fence("orders")
	other := openVersions(t, redisWith(t, server.URL(), patientTimeouts), "owed", time.Minute)
	harness.Eventually(t, 10*time.Second, "the fence stands", func() bool { return f.Valid() })
	if c := other.know("orders"); c.Load() != 0 {
		t.Error("another process does not know of the fence")
	}
	p.change("orders", f)
	other.read("orders")
}

// TestInvalidationReleaseThatIsRefusedTogetherWithItsFence: both are sent before either is answered, and both are refused.
func TestInvalidationReleaseThatIsRefusedTogetherWithItsFence(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	client := redisWith(t, server.URL(), patientTimeouts)
	p := openVersions(t, client, "owed", time.Minute)
	other := openVersions(t, redisWith(t, server.URL(), patientTimeouts), "owed", time.Minute)
	p.writeUntilLine("orders")
	for range 20 {
		was := other.read("orders")
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		p.change("orders", p.fence("orders"))
		if mine := p.read("orders"); mine.version == was.version {
			t.Fatal("the change has not made a new version")
		}
		harness.Eventually(t, 10*time.Second, "the other process has heard", func() bool { return !other.usable(was) })
	}
	if s := p.Stats(); s.ReleaseErrors != 0 {
		t.Errorf("%d releases failed", s.ReleaseErrors)
	}
}

// TestInvalidationFenceLeavesNothingBehind: a release that is sent before its fence has been answered ends the fence all the same.
func TestInvalidationFenceLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	client := redisWith(t, server.URL(), patientTimeouts)
	p := openVersions(t, client, "owed", time.Minute)
	p.writeUntilLine("orders")
	for range 200 {
		p.change("orders", p.fence("orders"))
	}
	if s := p.Stats(); s.FenceErrors != 0 {
		t.Errorf("%d fences failed", s.FenceErrors)
	}
	if state := client.HGet(t.Context(), "{owed}:v", "sorders").Val(); len(state) != 16 {
		t.Errorf("fences are left: %s", state)
	}
}
