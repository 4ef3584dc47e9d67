package pgxtests

import (
	"bytes"
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
)

// exceptions are the tests that may fail over mlcache, each with the reason. One
// that passes after all is an error, so that the list stays short.
var exceptions = map[string]string{}

// Whatever passes over pgx passes over mlcache: with a cache that is empty, and
// in another process with what the first has left in Redis.
func TestPgxsOwnTestsPass(t *testing.T) {
	t.Parallel()
	plain, cached := build(t)
	dsn := harness.NewDatabase(t,
		"CREATE EXTENSION hstore", "CREATE EXTENSION ltree", "CREATE DOMAIN uint64 AS numeric(20,0)")
	overlay := []string{"MLCACHE_REDIS=" + harness.RedisURL(), "MLCACHE_NAMESPACE=" + harness.NewNamespace(t)}

	want := run(t, plain, "PGX_TEST_DATABASE="+dsn)
	passed := want.named("PASS")
	if len(passed) == 0 {
		t.Fatalf("nothing passes over pgx\n%s", want.output)
	}
	for _, name := range want.named("FAIL") {
		t.Logf("fails over pgx too: %s", name)
	}
	for _, round := range []string{"empty cache", "warm cache"} {
		got := run(t, cached, append(overlay, "PGX_TEST_DATABASE="+dsn)...)
		good, failed := 0, []string(nil)
		for _, name := range passed {
			why, excepted := exception(name)
			switch verdict := got.verdicts[name]; {
			case verdict == "PASS":
				good++
			case excepted:
				t.Logf("%s: %s: %s: %s", round, name, verdict, why)
			default:
				failed = append(failed, name)
				t.Errorf("%s: %s passes over pgx, and over mlcache: %q", round, name, verdict)
			}
		}
		t.Logf("%s: %d of %d tests that pass over pgx pass over mlcache; %s", round, good, len(passed), got.counts)
		if len(failed) > 0 {
			t.Logf("output of the failed tests:\n%s", got.about(failed))
		}
		if !regexp.MustCompile(`[1-9]\d* L[12] hits`).MatchString(got.counts) {
			t.Errorf("%s: no test was answered from the cache: %q", round, got.counts)
		}
	}
}

func exception(name string) (why string, ok bool) {
	top, _, _ := strings.Cut(name, "/")
	if why, ok = exceptions[name]; !ok {
		why, ok = exceptions[top]
	}
	return why, ok
}

// outcome is what a run of pgx's tests printed.
type outcome struct {
	output   string
	verdicts map[string]string // PASS, FAIL or SKIP by the name of the test
	counts   string            // what the cache did
}

var verdictLine = regexp.MustCompile(`(?m)^ *--- (PASS|FAIL|SKIP): (\S+)`)

func run(t *testing.T, binary string, env ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-test.v", "-test.timeout=4m")
	cmd.Dir = filepath.Dir(binary)
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	o := outcome{output: out.String(), verdicts: make(map[string]string)}
	for _, m := range verdictLine.FindAllStringSubmatch(o.output, -1) {
		o.verdicts[m[2]] = m[1]
	}
	o.counts = regexp.MustCompile(`(?m)^cache: .*`).FindString(o.output)
	if err != nil && len(o.named("FAIL")) == 0 {
		t.Fatalf("%s: %v\n%s", filepath.Base(binary), err, o.output)
	}
	return o
}

func (o outcome) named(verdict string) []string {
	var names []string
	for name, v := range o.verdicts {
		if v == verdict {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// about returns the parts of the output that belong to some tests.
func (o outcome) about(names []string) string {
	tests := make(map[string]bool)
	for _, name := range names {
		tests[name] = true
	}
	var b strings.Builder
	on := false
	for line := range strings.Lines(o.output) {
		if _, name, ok := strings.Cut(line, "=== RUN   "); ok {
			on = tests[strings.TrimSpace(name)]
		} else if m := verdictLine.FindStringSubmatch(line); m != nil {
			on = tests[m[2]]
		}
		if on {
			b.WriteString(line)
		}
	}
	return b.String()
}

// The list of exceptions names tests that exist.
func TestExceptionsAreTestsOfPgx(t *testing.T) {
	t.Parallel()
	text := read(t, filepath.Join(pgxDir(t), "stdlib", "sql_test.go"))
	for _, name := range slices.Sorted(maps.Keys(exceptions)) {
		top, _, _ := strings.Cut(name, "/")
		if !strings.Contains(text, "func "+top+"(") {
			t.Errorf("%s is no test of pgx", name)
		}
	}
}
