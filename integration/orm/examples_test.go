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
	folders, err := filepath.Glob("../../examples/*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	arguments := []string{"-o", bin + "/"}
	want := 0
	for _, f := range folders {
		// The plain program does not know that it runs over a cache.
		if name := filepath.Base(filepath.Dir(f)); !strings.HasPrefix(name, "plain") {
			arguments = append(arguments, "./"+name)
			want++
		}
	}
	harness.GoBuild(t, "../../examples", []string{"build"}, arguments...)
	programs, err := filepath.Glob(filepath.Join(bin, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(programs) == 0 || len(programs) != want {
		t.Fatalf("%d programs of %d folders", len(programs), want)
	}
	for _, program := range programs {
		t.Run(filepath.Base(program), func(t *testing.T) {
			t.Parallel()
			dsn := harness.NewDatabase(t)
			for _, redis := range []string{harness.RedisURL(), ""} {
				run := exec.CommandContext(harness.Context(t), program)
				run.Env = append(os.Environ(), "REDIS_URL="+redis,
					"DATABASE_URL="+harness.With(dsn, "mlcache_namespace", harness.NewNamespace(t)))
				var log strings.Builder
				run.Stderr = &log // what the log says last is no part of the answer
				out, err := run.Output()
				if err != nil {
					t.Fatalf("REDIS_URL=%s: %v\n%s\n%s", redis, err, out, &log)
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
