package pgxtests

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// rounds are the ways in which all tests are run over mlcache.
var rounds = []struct {
	name    string
	repeats int
}{
	{"empty cache", 1},
	{"what another process left in Redis", 1},
	{"each test twice on the same DB", 2},
}

// Whatever passes over pgx passes over mlcache.
func TestPgxsOwnTestsPass(t *testing.T) {
	t.Parallel()
	plain, cached := build(t)
	dsn, namespace := harness.NewDatabase(t,
		"CREATE EXTENSION hstore", "CREATE EXTENSION ltree", "CREATE DOMAIN uint64 AS numeric(20,0)", "CREATE TABLE beside (n int)"), harness.NewNamespace(t)
	database := "PGX_TEST_DATABASE=" + dsn
	env := []string{database, "MLCACHE_REDIS=" + patientRedis(), "MLCACHE_NAMESPACE=" + namespace}
	beside := harness.Open(t, "mlcache", harness.With(dsn, "mlcache_redis", patientRedis(), "mlcache_namespace", namespace))
	references := make(map[int]outcome)
	for _, round := range rounds {
		count := "REPEATS=" + strconv.Itoa(round.repeats)
		want, ok := references[round.repeats]
		if !ok {
			want = run(t, plain, "", count, database)
			references[round.repeats] = want
			for _, name := range want.named("FAIL") {
				t.Logf("fails over pgx too, run %d times: %s", round.repeats, name)
			}
		}
		untilNothingIsFenced(t, beside)
		compare(t, round.name, want, run(t, cached, "", append(env, count)...), func(name string) bool {
			// A test with a deadline can fail on a busy machine, over pgx as well.
			return run(t, cached, name, append(env, count)...).verdicts[name] == "PASS"
		})
	}
}

// untilNothingIsFenced waits for the end of what the round before has left. Six of pgx's tests give a connection away and never
// give it back, so that the process ends with everything fenced, as one that is killed does: the lease must end, and then some time
// pass, since one of its writes came before it knew the server.
func untilNothingIsFenced(t *testing.T, db *sql.DB) {
	t.Helper()
	h, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	harness.Eventually(t, time.Minute, "a hit beside the tests", func() bool {
		before := h.Stats()
		harness.Query(t, db, "SELECT n FROM beside")
		after := h.Stats()
		return after.L1Hits+after.L2Hits > before.L1Hits+before.L2Hits
	})
	t.Logf("nothing is fenced after %v", time.Since(start).Round(time.Millisecond))
}

// compare says which tests passed in want and not in got, nor in a second try.
func compare(t *testing.T, round string, want, got outcome, again func(name string) bool) {
	t.Helper()
	passed := want.named("PASS")
	if len(passed) < 100 {
		t.Fatalf("%s: only %d tests pass over pgx\n%s", round, len(passed), want.output)
	}
	good, failed := 0, []string(nil)
	for _, name := range passed {
		switch verdict := got.verdicts[name]; {
		case verdict == "PASS":
			good++
		case again(name):
			t.Logf("%s: %s passes in a second try", round, name)
			good++
		default:
			failed = append(failed, name)
			t.Errorf("%s: %s passes over pgx, and over mlcache: %q", round, name, verdict)
		}
	}
	t.Logf("%s: %d of %d tests that pass over pgx pass over mlcache, in %v (pgx %v); %s",
		round, good, len(passed), got.took.Round(time.Millisecond), want.took.Round(time.Millisecond), got.counts)
	if len(failed) > 0 {
		t.Logf("output of the failed tests:\n%s", got.about(failed))
	}
	if !regexp.MustCompile(`[1-9]\d* L[12] hits`).MatchString(got.counts) {
		t.Errorf("%s: no test was answered from the cache: %q", round, got.counts)
	}
}

// outcome is what a run of pgx's tests printed.
type outcome struct {
	output   string
	verdicts map[string]string // PASS, FAIL or SKIP by the name of the test
	counts   string            // what the cache did
	took     time.Duration
}

var verdictLine = regexp.MustCompile(`(?m)^ *--- (PASS|FAIL|SKIP): (\S+)`)

// run runs pgx's tests, or only the one that is named.
func run(t *testing.T, binary, only string, env ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	args := []string{"-test.v", "-test.timeout=4m"}
	if only != "" {
		args = append(args, "-test.run=^"+strings.ReplaceAll(regexp.QuoteMeta(only), "/", "$/^")+"$")
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = filepath.Dir(binary)
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	err := cmd.Run()
	o := outcome{output: out.String(), verdicts: make(map[string]string), took: time.Since(start)}
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
			on = within(strings.TrimSpace(name), tests)
		} else if m := verdictLine.FindStringSubmatch(line); m != nil {
			on = within(m[2], tests)
		}
		if on {
			b.WriteString(line)
		}
	}
	return b.String()
}

// within says whether a test is one of tests, or inside one.
func within(name string, tests map[string]bool) bool {
	top, _, _ := strings.Cut(name, "/")
	return tests[name] || tests[top]
}
