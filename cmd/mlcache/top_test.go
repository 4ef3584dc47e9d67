package main

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mlcache/mlcache"
)

// showsTop looks at an application that reads while top runs.
func showsTop(t *testing.T, dsn string) {
	app, err := sql.Open("mlcache", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = app.Close() }()
	handle, err := mlcache.From(app)
	if err != nil {
		t.Fatal(err)
	}
	page := httptest.NewServer(handle.Handler())
	defer page.Close()
	read := func() (n int) {
		if err := app.QueryRowContext(t.Context(), "SELECT n FROM orders WHERE 'a secret' <> ''").Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	warm(t, handle, read)

	code, out, errOut := command(t, "", "top", page.URL) // no terminal: once
	for _, want := range []string{"memory (L1)", "hit ratio", "SELECT n FROM orders WHERE ? <> ?", "Redis answers"} {
		if !strings.Contains(out, want) {
			t.Errorf("top does not show %q", want)
		}
	}
	if code != exitOK || errOut != "" || strings.Contains(out, "secret") || strings.Contains(out, "\x1b") {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	code, out, _ = command(t, "", "top", "--once", "--json", page.URL)
	var once mlcache.Status
	if err := json.Unmarshal([]byte(out), &once); err != nil || code != exitOK || once.L1Hits != handle.Stats().L1Hits || once.L1Hits == 0 {
		t.Errorf("exit code %d, %v\n%s", code, err, out)
	}

	// A process of its own, until it is interrupted.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	live := exec.CommandContext(t.Context(), self, "top", "--json", "--interval", "200ms", page.URL)
	pipe, err := live.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := live.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(pipe)
	lines.Buffer(nil, maxReport)
	var last uint64
	for i := range 3 {
		if !lines.Scan() {
			t.Fatalf("top ended after %d lines: %v", i, lines.Err())
		}
		var r mlcache.Status
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		if r.L1Hits+r.L2Hits+r.Misses+r.Bypasses <= last {
			t.Errorf("line %d shows none of the reads since the one before", i)
		}
		last = r.L1Hits + r.L2Hits + r.Misses + r.Bypasses
		read()
	}
	if err := live.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if _ = live.Wait(); live.ProcessState.ExitCode() != exitSignal+2 {
		t.Errorf("interrupted, top ends with %v", live.ProcessState)
	}

	page.Close()
	if code, _, errOut := command(t, "", "top", page.URL); code != exitFailed || errOut == "" {
		t.Errorf("without a page: exit code %d, %q", code, errOut)
	}
}

func TestTopNeedsAPage(t *testing.T) {
	for _, args := range [][]string{{"top"}, {"top", "ftp://x/"}, {"top", "http://"}, {"top", "--interval", "1ms", "http://localhost/"}} {
		if code, _, errOut := command(t, "", args...); code != exitUsage || errOut == "" {
			t.Errorf("%v: exit code %d, %q", args, code, errOut)
		}
	}
	other := httptest.NewServer(nil)
	defer other.Close()
	if code, _, errOut := command(t, "", "top", other.URL); code != exitFailed || !strings.Contains(errOut, "no status page") {
		t.Errorf("another server: exit code %d, %q", code, errOut)
	}
}

// Whatever a table is called, the screen keeps its shape.
func TestTopScreen(t *testing.T) {
	r := &mlcache.Status{
		At: time.Now(), L1Hits: 100, Levels: []mlcache.LevelStatus{{Count: 100}, {}, {}},
		Tables:  []mlcache.TableStats{{Table: "public.\x1b[2J\nevil"}},
		ByCalls: []mlcache.StatementStats{{Text: strings.Repeat("é", 500), Hits: 1}},
	}
	before := &mlcache.Status{At: r.At.Add(-2 * time.Second), L1Hits: 40}
	lines := topLines(r, before, 60)
	for _, l := range lines {
		if len([]rune(l)) > 60 || strings.ContainsAny(l, "\x1b\n") {
			t.Errorf("line %q", l)
		}
	}
	if !strings.Contains(strings.Join(lines, "\n"), " 30 ") {
		t.Errorf("60 hits in two seconds are not 30 a second: %q", lines)
	}
	if f := frame(r, before, nil); strings.Count(f, "\n") > 30 || !strings.HasPrefix(f, "\x1b[H") {
		t.Errorf("a frame of %d lines", strings.Count(f, "\n"))
	}
}
