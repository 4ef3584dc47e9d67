package orm

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

// Every example compiles, runs, is answered from the cache and sees its own write.
func TestExamplesRun(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./...")
	build.Dir = "../../examples"
	build.Env = append(os.Environ(), "GOWORK=off") // the example's own go.mod must do
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	programs, err := filepath.Glob(filepath.Join(bin, "*"))
	if err != nil {
		t.Fatal(err)
	}
	folders, err := filepath.Glob("../../examples/*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if len(programs) == 0 || len(programs) != len(folders) {
		t.Fatalf("%d programs of %d folders", len(programs), len(folders))
	}
	dsn := harness.NewDatabase(t)
	for _, program := range programs {
		t.Run(filepath.Base(program), func(t *testing.T) {
			for _, redis := range []string{harness.RedisURL(), ""} {
				run := exec.CommandContext(harness.Context(t), program)
				run.Env = append(os.Environ(), "REDIS_URL="+redis,
					"DATABASE_URL="+harness.With(dsn, "mlcache_namespace", harness.NewNamespace(t)))
				out, err := run.CombinedOutput()
				if err != nil {
					t.Fatalf("REDIS_URL=%s: %v\n%s", redis, err, out)
				}
				if !regexp.MustCompile(`answered from the cache: [1-9]`).Match(out) {
					t.Errorf("REDIS_URL=%s: nothing came from the cache:\n%s", redis, out)
				}
				if !strings.HasSuffix(string(out), "\nThe Lathe of Heaven\n") {
					t.Errorf("REDIS_URL=%s: the program does not see its own write:\n%s", redis, out)
				}
			}
		})
	}
}
