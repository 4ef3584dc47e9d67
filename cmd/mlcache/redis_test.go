package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/cmd/mlcache/internal/servers"
	"github.com/mlcache/mlcache/invalidation"
)

// ownRedis starts a real Redis for one test.
func ownRedis(t *testing.T) (string, *redis.Client) {
	t.Helper()
	s, err := servers.Redis(t.Context(), servers.Options{Sources: []servers.Source{servers.Binary, servers.Container, servers.Packages}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.URL, redisAt(t, s.URL)
}

func redisAt(t *testing.T, address string) *redis.Client {
	t.Helper()
	opt, err := redis.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opt)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func openVersions(t *testing.T, client redis.UniversalClient, namespace string) *invalidation.Versions {
	t.Helper()
	v, err := invalidation.Open(invalidation.Config{Client: client, Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	if err := v.Ensure(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return v
}

// watching runs mlcache watch until the test ends, and returns its lines.
func watching(t *testing.T, args ...string) *bufio.Scanner {
	t.Helper()
	outR, outW := io.Pipe()
	errR, errW := io.Pipe()
	done := make(chan int, 1)
	go func() {
		code := run(append([]string{"watch", "--for", "3s"}, args...), strings.NewReader(""), outW, errW)
		_ = outW.Close()
		_ = errW.Close()
		done <- code
	}()
	first := bufio.NewScanner(errR)
	if !first.Scan() || !strings.HasPrefix(first.Text(), "Watching the namespace shop") {
		t.Fatalf("said %q, exit code %d", first.Text(), <-done)
	}
	go func() { _, _ = io.Copy(io.Discard, errR) }()
	t.Cleanup(func() {
		go func() { _, _ = io.Copy(io.Discard, outR) }()
		if code := <-done; code != exitOK {
			t.Errorf("watch ended with exit code %d", code)
		}
	})
	return bufio.NewScanner(outR)
}

func TestWatchShowsWhatIsInvalidated(t *testing.T) {
	ctx := t.Context()
	address, client := ownRedis(t)
	v := openVersions(t, client, "shop")
	asText := watching(t, "--redis", address, "--namespace", "shop")
	asJSON := watching(t, "--dsn", "postgres://127.0.0.1:1/none?mlcache_namespace=shop&mlcache_redis="+url.QueryEscape(address), "--json")

	other, err := v.Fence(ctx, []string{"public.items"}, invalidation.FenceOptions{Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	steps := []func() error{
		func() error {
			f, err := v.Fence(ctx, []string{"public.items", "public.orders"}, invalidation.FenceOptions{Wait: true})
			if err != nil {
				return err
			}
			return f.Release(ctx, invalidation.Committed)
		},
		func() error { return other.Release(ctx, invalidation.Committed) },
		func() error { return v.Invalidate(ctx, "!schema") },
		func() error { return v.Invalidate(ctx, "a\x1b[2J") },
		func() error { return v.Invalidate(ctx) },
	}
	want := []struct{ text, event, tables, fenced string }{
		{"release  public.items, public.orders  (being written by another: 1)", "release", "[public.items public.orders]", "[public.items]"},
		{"release  public.items", "release", "[public.items]", "[]"},
		{"schema   ", "schema", "[]", "[]"},
		{`release  "a\x1b[2J"`, "release", "[a\x1b[2J]", "[]"},
		{"epoch    everything", "epoch", "[]", "[]"},
	}
	before := uint64(0)
	for i, step := range steps {
		if err := step(); err != nil {
			t.Fatal(err)
		}
		if !asText.Scan() || len(asText.Text()) < 14 || asText.Text()[14:] != want[i].text {
			t.Fatalf("step %d: got %q, want %q", i, asText.Text(), want[i].text)
		}
		if !asJSON.Scan() {
			t.Fatalf("step %d: no line", i)
		}
		var e event
		if err := json.Unmarshal(asJSON.Bytes(), &e); err != nil {
			t.Fatalf("%s: %v", asJSON.Bytes(), err)
		}
		if e.Event != want[i].event || fmt.Sprint(e.Tables) != want[i].tables || fmt.Sprint(e.Fenced) != want[i].fenced ||
			e.Sequence <= before || time.Since(e.Time).Abs() > time.Minute {
			t.Errorf("step %d: %+v, want %+v", i, e, want[i])
		}
		before = e.Sequence
	}
}

func TestWatchEndsWhereItCannotListen(t *testing.T) {
	address, client := ownRedis(t)
	if err := client.Do(t.Context(), "ACL", "SETUSER", "deaf", "on", ">secret", "~*", "+@all", "-subscribe").Err(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ url, want string }{
		{withUser(t, address, "deaf", "secret"), "NOPERM"},
		{"redis://127.0.0.1:1", "refused"},
	} {
		code, out, errOut := command(t, "", "watch", "--for", "5s", "--redis", test.url)
		if code != exitFailed || out != "" || !strings.Contains(errOut, test.want) {
			t.Errorf("exit code %d, said %q and %q", code, out, errOut)
		}
	}
}

func withUser(t *testing.T, address, user, password string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

func TestStatsOfANamespace(t *testing.T) {
	ctx := t.Context()
	address, client := ownRedis(t)
	args := []string{"stats", "--redis", address, "--namespace", "a*b"}
	if code, out, errOut := command(t, "", args...); code != exitOK || errOut != "" || !strings.Contains(out, "holds nothing of the namespace a*b") {
		t.Errorf("an empty Redis: exit code %d, said %q and %q", code, out, errOut)
	}
	v := openVersions(t, client, "a*b")
	if err := v.Invalidate(ctx, "public.items", "public.orders"); err != nil {
		t.Fatal(err)
	}
	f, err := v.Fence(ctx, []string{"public.items"}, invalidation.FenceOptions{Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Release(context.Background(), invalidation.RolledBack) }()
	l2, foreign := cache.NewRedis(client, "a*b"), cache.NewRedis(client, "a-b")
	for i := range 300 {
		key := []byte{byte(i), byte(i >> 8)}
		if err := l2.Set(ctx, key, make([]byte, 1000+i%3), time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := foreign.Set(ctx, key, make([]byte, 50), time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	code, out, errOut := command(t, "", append(args, "--json", "--sample", "90")...)
	var s namespaceStats
	if err := json.Unmarshal([]byte(out), &s); err != nil || code != exitOK || errOut != "" {
		t.Fatalf("%v: exit code %d, said %q and %q", err, code, out, errOut)
	}
	a := s.Answers
	if a.Entries != 300 || !a.Exact || a.Measured != 90 || a.AverageBytes < 1000 || a.AverageBytes > 1002 || a.LargestBytes != 1002 || a.AverageMemory <= a.AverageBytes {
		t.Errorf("answers: %+v", a)
	}
	state, err := client.HMGet(ctx, "{a*b}:v", "e", "q").Result()
	if err != nil {
		t.Fatal(err)
	}
	if s.Tables != 2 || s.Epoch != state[0] || fmt.Sprint(s.Sequence) != state[1] || s.VersionsSize == 0 || s.RedisUsed == 0 || s.RedisMax != 512<<20 {
		t.Errorf("%+v, and Redis says %v", s, state)
	}
	if len(s.Fences) != 1 || s.Fences[0].Table != "public.items" || s.Fences[0].EndsMS <= 0 || s.Fences[0].EndsMS > 5000 {
		t.Errorf("fences: %+v", s.Fences)
	}
	code, out, _ = command(t, "", args...)
	for _, want := range []string{"2 tables", "public.items, its lease ends in", "300,", "512.0 MiB at most"} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("exit code %d, no %q in\n%s", code, want, out)
		}
	}
	if err := client.Del(ctx, "{a*b}:v").Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.Set(ctx, "{a*b}:v", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := command(t, "", args...); code != exitFailed || !strings.Contains(errOut, "not of this protocol") {
		t.Errorf("over a foreign key: exit code %d, %q", code, errOut)
	}
}
