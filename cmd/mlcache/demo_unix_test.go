//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/cmd/mlcache/internal/demo"
	"github.com/mlcache/mlcache/cmd/mlcache/internal/servers"
	"github.com/mlcache/mlcache/metrics"
)

func small(more ...string) []string {
	return append([]string{
		"demo", "--products", "2000", "--orders", "6000", "--duration", "2s", "--write-every", "200ms", "--rounds", "4",
	}, more...)
}

// quietPlace gives the demo a folder for temporary files and no servers by URL;
// check fails if something was left in the folder.
func quietPlace(t *testing.T) (check func()) {
	t.Helper()
	// Not t.TempDir: PostgreSQL, under another account, must reach it.
	dir, err := os.MkdirTemp("", "mlcache-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	t.Setenv("DATABASE_URL", "")
	t.Setenv("REDIS_URL", "")
	return func() {
		t.Helper()
		limit := time.Now().Add(10 * time.Second)
		for {
			left, err := filepath.Glob(filepath.Join(dir, "mlcache-demo-*"))
			if err != nil {
				t.Fatal(err)
			}
			left = append(left, processesOf(dir)...)
			if len(left) == 0 {
				return
			}
			if time.Now().After(limit) {
				t.Fatalf("left behind: %v", left)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// processesOf lists processes whose command line or environment names dir; only
// Linux tells them.
func processesOf(dir string) []string {
	var found []string
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range procs {
		if proc == "/proc/"+strconv.Itoa(os.Getpid()) {
			continue
		}
		line, _ := os.ReadFile(proc + "/cmdline") // the process may be gone by now
		environment, _ := os.ReadFile(proc + "/environ")
		if strings.Contains(string(line)+string(environment), dir) {
			found = append(found, proc+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// reads finds a table row's number of reads.
func reads(t *testing.T, out, label string) int {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(label) + ` +([0-9,]+) `).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("no row %q in\n%s", label, out)
	}
	n, err := strconv.Atoi(strings.ReplaceAll(found[1], ",", ""))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDemoOnServersOfItsOwn(t *testing.T) {
	check := quietPlace(t)
	code, out, errOut := command(t, "", small()...)
	if code != exitOK || errOut != "" {
		t.Fatalf("exit code %d\n%s\n%s", code, out, errOut)
	}
	check()
	for _, label := range []string{"database, without mlcache", "database, through mlcache", "L2, Redis", "L1, memory"} {
		if reads(t, out, label) == 0 {
			t.Errorf("no reads by %q", label)
		}
	}
	for _, want := range []string{"2,000 products, 6,000 orders", "none was wrong", "is served by the other process after", "in 4 rounds; the bound is 1s", "Whole run"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.ContainsAny(out, "\r\x1b\b\t") {
		t.Errorf("control characters without a terminal: %q", out)
	}
	for line := range strings.Lines(out) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// idleInTheDemo are the metrics that stand still in a demo where all is well.
var idleInTheDemo = map[string]bool{
	"multilevel_cache_fence_errors_total": true, "multilevel_cache_late_invalidations_total": true, "multilevel_cache_fills_dropped_total": true,
	"multilevel_cache_late_answers_total": true, "multilevel_cache_renewals_total": true, "multilevel_cache_schema_changes_total": true,
	"multilevel_cache_epochs_total": true, "multilevel_cache_resyncs_total": true, "multilevel_cache_subscriptions_total": true,
	"multilevel_cache_l1_evictions_total": true, "multilevel_cache_flights_shared_total": true, "multilevel_cache_bypasses_total": true,
}

// TestDemoShowsItself scrapes a demo under load: every metric is there, those that count what the demo does grow, and the status page
// is served.
func TestDemoShowsItself(t *testing.T) {
	check := quietPlace(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	type ended struct {
		code   int
		errOut string
	}
	done := make(chan ended, 1)
	go func() {
		var out, errOut strings.Builder
		code := run(small("--listen", address, "--duration", "6s"), strings.NewReader(""), &out, &errOut)
		done <- ended{code, errOut.String()}
	}()
	get := func(path string) (string, error) {
		resp, err := http.Get("http://" + address + path)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", path, resp.Status)
		}
		return string(body), err
	}
	// The sum of a metric's values: of a histogram, the number of observations.
	scrape := func() (map[string]float64, error) {
		text, err := get("/metrics")
		sums := map[string]float64{}
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			at := strings.LastIndexByte(line, ' ')
			if at < 0 || strings.HasPrefix(line, "#") {
				continue
			}
			n, numberErr := strconv.ParseFloat(line[at+1:], 64)
			if numberErr != nil {
				return nil, fmt.Errorf("%q: %w", line, numberErr)
			}
			name, _, _ := strings.Cut(line[:at], "{")
			sums[strings.TrimSuffix(name, "_count")] += n
		}
		return sums, err
	}
	var first, last map[string]float64
	var page string
	for {
		select {
		case e := <-done:
			if e.code != exitOK {
				t.Fatalf("exit code %d\n%s", e.code, e.errOut)
			}
			check()
			if first == nil || !strings.Contains(page, "<title>mlcache") {
				t.Fatalf("nothing was shown; the page: %q", page)
			}
			for _, m := range metrics.All() {
				n, there := last[m.Name]
				if !there && m.Name != "multilevel_cache_bypasses_total" { // it has no value before the first bypass
					t.Errorf("no %s", m.Name)
				}
				if m.Type != metrics.Gauge && !idleInTheDemo[m.Name] && n <= first[m.Name] {
					t.Errorf("%s stands still: %v, then %v", m.Name, first[m.Name], n)
				}
			}
			return
		case <-time.After(50 * time.Millisecond):
		}
		now, err := scrape()
		if err != nil {
			continue // not yet, or no more
		}
		if first == nil {
			first = now
		}
		last = now
		if shown, err := get("/"); err == nil {
			page = shown
		}
	}
}

// TestDemoWithoutRedis is what happens where no Redis can be had.
func TestDemoWithoutRedis(t *testing.T) {
	check := quietPlace(t)
	var out strings.Builder
	err := demo.Run(t.Context(), demo.Options{
		Products: 1000, Orders: 1000, Duration: time.Second, WriteEvery: 100 * time.Millisecond, Rounds: 2, Bound: time.Second,
		Redis: servers.Options{Sources: []servers.Source{servers.InProcess}},
		Out:   &out, Command: []string{os.Args[0], applicationCommand},
	})
	if err != nil || !strings.Contains(out.String(), "in this process") {
		t.Errorf("%v\n%s", err, out.String())
	}
	if reads(t, out.String(), "L2, Redis") == 0 {
		t.Error("nothing was answered by the imitation")
	}
	check()
}

// TestDemoLeavesGivenServersAsTheyWere gives it a database and a Redis that hold
// something already.
func TestDemoLeavesGivenServersAsTheyWere(t *testing.T) {
	check := quietPlace(t)
	ctx := t.Context()
	sources := servers.Options{Sources: []servers.Source{servers.Binary, servers.Container, servers.Packages}}
	db, err := servers.Postgres(ctx, sources)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	rd, err := servers.Redis(ctx, sources)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rd.Close() })
	conn, err := pgx.Connect(ctx, db.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(ctx, "CREATE TABLE products AS SELECT 42 AS answer"); err != nil {
		t.Fatal(err)
	}
	opt, err := redis.ParseURL(rd.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opt)
	t.Cleanup(func() { _ = client.Close() })
	if err := client.Set(ctx, "mlcache:mine", "42", 0).Err(); err != nil {
		t.Fatal(err)
	}
	state := func() string {
		t.Helper()
		var relations, answer string
		err := conn.QueryRow(ctx, `SELECT string_agg(n.nspname || '.' || c.relname, ' ' ORDER BY n.nspname, c.relname),
			(SELECT string_agg(answer::text, ' ') FROM public.products)
			FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'`).Scan(&relations, &answer)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := client.Keys(ctx, "*").Result()
		if err != nil {
			t.Fatal(err)
		}
		return relations + " " + answer + " " + strings.Join(keys, " ")
	}
	before := state()

	t.Setenv("DATABASE_URL", db.URL)
	t.Setenv("REDIS_URL", rd.URL)
	code, out, errOut := command(t, "", small()...)
	if code != exitOK || !strings.Contains(out, "the one in DATABASE_URL") || !strings.Contains(out, "the one in REDIS_URL") {
		t.Errorf("exit code %d\n%s\n%s", code, out, errOut)
	}
	if after := state(); after != before {
		t.Errorf("before: %s\nafter: %s", before, after)
	}
	// check would find the folders of this test's own servers.
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := rd.Close(); err != nil {
		t.Error(err)
	}
	check()
}

// TestDemoFindsWrongAnswers runs it with applications whose caches do not hear of
// each other's writes.
func TestDemoFindsWrongAnswers(t *testing.T) {
	check := quietPlace(t)
	t.Setenv(careless, "1")
	code, out, errOut := command(t, "", small("--max-staleness", "50ms")...)
	if code != exitWrong || !strings.Contains(out, "WERE WRONG") || !strings.Contains(out, "older than the bound allows") ||
		!strings.Contains(errOut, demo.ErrWrongAnswer.Error()) {
		t.Errorf("exit code %d\n%s\n%s", code, out, errOut)
	}
	check()
}

// TestDemoEndsBySignal ends a demo in the middle of its load.
func TestDemoEndsBySignal(t *testing.T) {
	for _, test := range []struct {
		signal syscall.Signal
		code   int // -1: the process has no time to choose one
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}, {syscall.SIGKILL, -1}} {
		t.Run(test.signal.String(), func(t *testing.T) {
			check := quietPlace(t)
			cmd := exec.Command(os.Args[0], small("--duration", "60s")...)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for lines.Scan() && !strings.Contains(lines.Text(), " without mlcache ") {
				continue // the load has begun when the first figures are shown
			}
			sent := time.Now()
			if err := cmd.Process.Signal(test.signal); err != nil {
				t.Fatal(err)
			}
			// The pipe is at its end when the last process that holds it is gone.
			_, _ = io.Copy(io.Discard, out)
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != test.code {
				t.Errorf("exit code %d", code)
			}
			if d := time.Since(sent); d > 8*time.Second {
				t.Errorf("it took %v to end", d)
			}
			check()
		})
	}
}
