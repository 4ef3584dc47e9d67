package integration

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/invalidation"
)

// Writers of one process that change the same at the same time share a fence. It stands until the last of them is done,
// each of their releases makes a new version, and it stays for a lease if it is not known what became of one of them.
func TestInvalidationWritersShareAFence(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	a := openVersions(t, redisWith(t, server.URL(), patientTimeouts), "share", time.Hour)
	b := openVersions(t, redisWith(t, server.URL(), patientTimeouts), "share", time.Hour)
	scopes := []string{"t", "u"}
	fence := func(scopes ...string) *invalidation.Fence {
		f, err := a.Fence(t.Context(), scopes, invalidation.FenceOptions{Wait: true})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	release := func(f *invalidation.Fence, outcome invalidation.Outcome) {
		t.Helper()
		if err := f.Release(t.Context(), outcome); err != nil {
			t.Error(err)
		}
	}
	version := func() string {
		s, err := b.client.HGet(t.Context(), "{share}:v", "st").Result()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	nonce := func(s string) string { return s[:16] }
	fences := func(s string) int { return strings.Count(s, ";") }
	open := func() int { return a.Stats().OpenFences }

	old := b.read("t")
	first := fence(scopes...)
	begun := version()
	calls := a.Stats().Calls
	second, third := fence(scopes...), fence(scopes...)
	if n := a.Stats().Calls - calls; n > 1 { // a poll
		t.Errorf("two fences that had nothing to tell Redis made %d calls", n)
	}
	if version() != begun || fences(begun) != 1 || open() != 3 {
		t.Errorf("%q, then %q; %d open", begun, version(), open())
	}
	release(first, invalidation.Committed)
	one := version()
	if nonce(one) == nonce(begun) || fences(one) != 1 || b.current(old) || a.know("t").Load() != 0 || !second.Valid() {
		t.Errorf("after the first of three: %q, before %q", one, begun)
	}
	release(second, invalidation.RolledBack)
	if two := version(); fences(two) != 1 || a.know("t").Load() != 0 {
		t.Errorf("after the second of three: %q", two)
	}
	if err := third.Ensure(t.Context()); err != nil {
		t.Error(err)
	}
	fourth := fence(scopes...) // joins one whose first user is gone
	release(third, invalidation.Committed)
	if three := version(); nonce(three) == nonce(one) || fences(three) != 1 {
		t.Errorf("after the third of four: %q", three)
	}
	other := fence("t", "other") // does not
	if both := version(); fences(both) != 2 {
		t.Errorf("of two kinds: %q", both)
	}
	release(other, invalidation.Committed)
	release(fourth, invalidation.Committed)
	if last := version(); fences(last) != 0 || open() != 0 {
		t.Errorf("after the last: %q, %d open", last, open())
	}
	fresh := a.read("t")
	harness.Eventually(t, 5*time.Second, "usable by both", func() bool { return a.usable(fresh) && b.current(fresh) })

	// What is added to a shared fence is a fence of its own.
	first, second = fence(scopes...), fence(scopes...)
	if err := second.Add(t.Context(), "more"); err != nil {
		t.Error(err)
	}
	if more := b.know("more"); more.Load() != 0 {
		t.Error("what was added is not fenced")
	}
	release(first, invalidation.Committed)
	release(second, invalidation.Committed)
	if err := second.Add(t.Context(), "late"); err == nil {
		t.Error("something was added after the release")
	}
	if m := b.read("more"); !b.current(m) {
		t.Error("what was added is fenced still")
	}

	first, second = fence(scopes...), fence(scopes...)
	release(first, invalidation.Unknown)
	release(second, invalidation.RolledBack)
	if s := version(); fences(s) != 1 || b.current(fresh) {
		t.Errorf("it is not known what became of one, and after the last: %q", s)
	}
}

// A fence whose command Redis has not carried out yet is not renewed: if the renewal came first, the release would find the
// fence and leave nothing for the command behind it, which then put up one that nobody takes down.
func TestInvalidationFenceUnderWayIsNotRenewed(t *testing.T) {
	t.Parallel()
	const lease = 12 * time.Second // leases are looked at six times in that
	server := harness.StartRedis(t)
	client := redisWith(t, server.URL(), patientTimeouts)
	v, err := invalidation.Open(invalidation.Config{Client: client, Namespace: "renewed", MaxStaleness: time.Hour, FenceLease: lease, OwnConnections: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		v.Close()
		client.Close()
	})
	a := &versionsPeer{Versions: v, t: t, client: client}
	a.know("t")
	for range 3 { // so that there are connections
		if err := a.write("t"); err != nil {
			t.Fatal(err)
		}
	}
	heard := monitored(t, client)
	if err := client.Do(t.Context(), "client", "pause", (lease / 5).Milliseconds(), "write").Err(); err != nil {
		t.Fatal(err)
	}
	f, err := a.Fence(t.Context(), []string{"t"}, invalidation.FenceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(lease / 5)
	if err := f.Release(t.Context(), invalidation.Committed); err != nil {
		t.Fatal(err)
	}
	said := heard()
	if strings.Count(said, `"fence"`) == 0 || strings.Count(said, `"release"`) == 0 {
		t.Errorf("void: Redis has heard of no fence and release:\n%s", said)
	}
	if strings.Contains(said, `"renew"`) {
		t.Errorf("renewed:\n%s", said)
	}
}

// monitored has Redis tell of all commands that it carries out from here until the function is called that it returns.
func monitored(t *testing.T, client *redis.Client) (heard func() string) {
	t.Helper()
	conn, err := net.Dial("tcp", client.Options().Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, "MONITOR\r\n"); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(conn)
	if ok, err := lines.ReadString('\n'); ok != "+OK\r\n" {
		t.Fatalf("MONITOR: %q, %v", ok, err)
	}
	return func() string {
		t.Helper()
		const last = "the last that is listened to"
		if err := client.Echo(t.Context(), last).Err(); err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for !strings.Contains(all.String(), last) {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			all.WriteString(line)
		}
		return all.String()
	}
}
