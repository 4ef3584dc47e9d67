package pgxtests

import (
	_ "embed"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

// opener and repeats are files that are put beside the copied tests: one opens
// every DB over mlcache, the other tells how often to run what is run in every
// exec mode.
var (
	//go:embed opener.go.txt
	opener string
	//go:embed repeats.go.txt
	repeats string
)

// repeated makes a test that runs in every exec mode run several times on the
// same DB, so that the later rounds can be answered from the cache. It changes
// both copies.
var repeated = struct{ from, to string }{
	"\t\t\t\tf(t, db)\n", "\t\t\t\tfor range repeats() { f(t, db) }\n",
}

// rewrites are all else that changes in pgx's tests: how a DB is opened, and the
// type by which the connection behind a *sql.Conn is asked for its *pgx.Conn.
var rewrites = []struct{ from, to string }{
	{"sql.Open(", "openNamed("},
	{"stdlib.OpenDB(", "openCachedDB("},
	{"stdlib.OpenDBFromPool(", "openCachedPool("},
	{"driverConn.(*stdlib.Conn)", "driverConn.(pgxConn)"},
}

// build copies pgx's tests into a module of their own and compiles them to run
// over pgx, and again with every DB opened over mlcache.
func build(t *testing.T) (plain, cached string) {
	t.Helper()
	dir := t.TempDir()
	from := pgxDir(t)
	module(t, dir)
	for _, name := range []string{"plain", "cached"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(from, "stdlib", "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	external := regexp.MustCompile(`(?m)^package stdlib_test$`)
	copied := 0
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if !external.Match(text) {
			t.Logf("%s tests pgx from within and opens no DB: left out", filepath.Base(f))
			continue
		}
		copied++
		rewritten := strings.ReplaceAll(string(text), repeated.from, repeated.to)
		write(t, filepath.Join(dir, "plain", filepath.Base(f)), rewritten)
		for _, r := range rewrites {
			rewritten = strings.ReplaceAll(rewritten, r.from, r.to)
		}
		if left := regexp.MustCompile(`\bsql\.Open|stdlib\.OpenDB|\*stdlib\.Conn\b`).FindString(rewritten); left != "" {
			t.Errorf("%s: %s is left, so some test does not run over mlcache", filepath.Base(f), left)
		}
		write(t, filepath.Join(dir, "cached", filepath.Base(f)), rewritten)
	}
	if copied == 0 {
		t.Fatalf("no tests in %s/stdlib", from)
	}
	for _, name := range []string{"plain", "cached"} {
		write(t, filepath.Join(dir, name, "repeats_test.go"), repeats)
	}
	write(t, filepath.Join(dir, "cached", "opener_test.go"), opener)
	return compile(t, dir, "plain"), compile(t, dir, "cached")
}

// pgxDir is where the module cache has pgx, at the version that go.mod names.
func pgxDir(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-m", "-json", "github.com/jackc/pgx/v5")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	var m struct{ Version, Dir string }
	if err := json.Unmarshal(out, &m); err != nil {
		t.Fatal(err)
	}
	t.Logf("pgx %s", m.Version)
	return m.Dir
}

// module writes a go.mod that has the same versions of everything as this one.
func module(t *testing.T, dir string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, "../go.mod")
	text = strings.Replace(text, "module github.com/mlcache/mlcache/integration\n", "module pgxtests\n", 1)
	text = strings.Replace(text, "mlcache => ../", "mlcache => "+root, 1)
	write(t, filepath.Join(dir, "go.mod"), text)
	write(t, filepath.Join(dir, "go.sum"), read(t, "../go.sum"))
}

func compile(t *testing.T, dir, name string) (binary string) {
	t.Helper()
	binary = filepath.Join(dir, name+".test")
	// -mod=mod: pgx's tests need modules that this one only needs indirectly.
	harness.GoBuild(t, dir, []string{"test", "-c"}, "-mod=mod", "-vet=off", "-o", binary, "./"+name)
	return binary
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
