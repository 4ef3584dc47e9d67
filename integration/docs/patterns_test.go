package docs

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// patterns are those that docs/patterns.md must have a row for.
var patterns = []string{
	"L1/L2 hierarchy with promotion", "Get or set", "Decorator", "Pub/sub invalidation of keys",
	"Pub/sub invalidation of patterns", "Version-based namespaces", "Adaptive TTL",
	"Read-through with write-around", "Instrumentation", "L1 sizing", "Shorter L1 TTLs",
	"Cold start from L2", "Cold start from the database", "Tiered latencies",
}

// table reads the first table of a page: its rows, without the head.
func table(t *testing.T, page string) [][]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			if rows != nil {
				break
			}
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		rows = append(rows, cells)
	}
	if len(rows) < 3 {
		t.Fatalf("%s has no table", page)
	}
	for _, row := range rows {
		if len(row) != len(rows[0]) {
			t.Errorf("%s: %d cells, want %d: %q", page, len(row), len(rows[0]), row)
		}
	}
	return rows[2:]
}

var inCode = regexp.MustCompile("`([^`]+)`")

// names are what a cell has in code.
func names(cell string) (out []string) {
	for _, m := range inCode.FindAllStringSubmatch(cell, -1) {
		out = append(out, m[1])
	}
	return out
}

// envWhole says that every test of the repository is being run: none of them needs to run
// twice at the same time.
const envWhole = "MLCACHE_TEST_WHOLE"

// Every pattern has an API that go doc finds, an example that shows its output, and a
// test; and all of them pass.
func TestPatterns(t *testing.T) {
	t.Parallel()
	have := make(map[string]bool)
	funcs := testFunctions(t)
	run := make(map[string][]string)
	want := func(row, kind, name string) {
		where := funcs[name]
		if len(where) == 0 || !strings.HasPrefix(name, kind) {
			t.Errorf("%s: there is no %s %s", row, kind, name)
		}
		for _, f := range where {
			if kind == "Example" && !f.output {
				t.Errorf("%s: %s has no Output and is never run", row, name)
			}
			// TestExamples runs those of the public packages, at the same time and on the same servers.
			if _, ok := public[f.dir]; kind == "Example" && ok {
				continue
			}
			if kind == "Test" && os.Getenv(envWhole) != "" {
				continue
			}
			run[f.dir] = append(run[f.dir], name)
		}
	}
	for _, row := range table(t, "docs/patterns.md") {
		name := row[0]
		have[name] = true
		api, examples, tests := names(row[1]), names(row[2]), names(row[3])
		if len(api) == 0 || len(examples) == 0 || len(tests) == 0 {
			t.Errorf("%s: a cell names nothing: %q", name, row)
		}
		for _, a := range api {
			goDoc(t, name, a)
		}
		for _, e := range examples {
			want(name, "Example", e)
		}
		for _, f := range tests {
			want(name, "Test", f)
		}
	}
	for _, p := range patterns {
		if !have[p] {
			t.Errorf("no row for %s", p)
		}
	}
	runAll(t, run)
}

// module is the root's path; packages are named by what comes after it.
const module = "github.com/mlcache/mlcache"

// goDoc wants go doc to find a name.
func goDoc(t *testing.T, row, name string) {
	t.Helper()
	pkg, symbol, _ := strings.Cut(name, ".")
	path := module
	if pkg != "mlcache" {
		path += "/" + pkg
	}
	cmd := exec.Command("go", "doc", path+"."+symbol)
	cmd.Dir = root
	if _, err := os.Stat(filepath.Join(root, pkg, "go.mod")); err == nil {
		cmd.Dir = filepath.Join(root, pkg)
		if !inWorkspace(t, pkg) {
			cmd.Env = append(os.Environ(), "GOWORK=off")
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: go doc %s: %v\n%s", row, name, err, out)
	}
}

// runAll runs tests and examples, by directory, and wants each of them to pass.
func runAll(t *testing.T, run map[string][]string) {
	t.Helper()
	for _, dir := range slices.Sorted(maps.Keys(run)) {
		all := slices.Compact(slices.Sorted(slices.Values(run[dir])))
		cmd := exec.Command("go", "test", "-count=1", "-v", "-run", "^("+strings.Join(all, "|")+")$", ".")
		cmd.Dir = filepath.Join(root, dir)
		cmd.Env = append(os.Environ(),
			harness.EnvPostgres+"="+harness.AdminDSN(), "DATABASE_URL="+harness.AdminDSN(),
			harness.EnvRedis+"="+harness.RedisURL(), "REDIS_URL="+harness.RedisURL())
		if !inWorkspace(t, dir) {
			cmd.Env = append(cmd.Env, "GOWORK=off")
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", dir, err, out)
			continue
		}
		for _, name := range all {
			if !strings.Contains(string(out), "--- PASS: "+name+" (") {
				t.Errorf("%s: %s was not run:\n%s", dir, name, out)
			}
		}
	}
}
