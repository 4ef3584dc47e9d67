package orm

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

const plainProgram = "../../examples/plain/main.go"

// A program that was written against pgx says the same over mlcache: its source
// differs in the import and in the driver's name, nothing else.
func TestPlainProgramSaysTheSameOverBothDrivers(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(plainProgram)
	if err != nil {
		t.Fatal(err)
	}
	overPgx := strings.NewReplacer(`_ "github.com/mlcache/mlcache"`, `_ "github.com/jackc/pgx/v5/stdlib"`, `driver = "mlcache"`, `driver = "pgx"`).Replace(string(source))
	if n := strings.Count(overPgx, "\n"); n > 110 {
		t.Errorf("the program has grown to %d lines", n)
	}
	dsn := harness.NewDatabase(t)
	outputs := map[string]string{}
	for name, text := range map[string]string{"mlcache": string(source), "pgx": overPgx} {
		// Within the module of the examples, which says what it needs.
		dir, err := os.MkdirTemp("../../examples", "plain-"+name+"-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		bin := filepath.Join(t.TempDir(), name)
		harness.GoBuild(t, dir, []string{"build"}, "-o", bin, ".")
		run := exec.CommandContext(harness.Context(t), bin)
		run.Env = append(os.Environ(), "DATABASE_URL="+dsn)
		var log strings.Builder
		run.Stderr = &log
		out, err := run.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s\n%s", name, err, out, &log)
		}
		// All that the cache adds is its log, which goes where the program's slog does.
		for line := range strings.Lines(log.String()) {
			if name == "pgx" || !strings.Contains(line, " INFO mlcache: ") {
				t.Errorf("%s: on standard error: %s", name, line)
			}
		}
		outputs[name] = string(out)
	}
	if outputs["mlcache"] != outputs["pgx"] {
		t.Errorf("over mlcache:\n%s\nover pgx:\n%s", outputs["mlcache"], outputs["pgx"])
	}
	if !strings.Contains(outputs["pgx"], "2 lines left") {
		t.Errorf("the program has not come to its end:\n%s", outputs["pgx"])
	}
}

// The README shows the program that is run here.
func TestReadmeShowsThePlainProgram(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(plainProgram)
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```go\n"+string(source)+"```") {
		t.Errorf("README.md does not show %s as it is", plainProgram)
	}
}
