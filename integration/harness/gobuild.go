package harness

import (
	"os"
	"os/exec"
	"slices"
	"testing"
)

// GoBuild runs "go build" or "go test -c" in a folder whose own go.mod must do. A test
// that was built with the race detector builds with it too: what it then needs has
// been compiled for the test itself.
func GoBuild(t testing.TB, dir string, command []string, arguments ...string) {
	t.Helper()
	if raced {
		command = append(slices.Clone(command), "-race")
	}
	// Without the minute of Context: on a fresh machine everything is compiled first.
	cmd := exec.CommandContext(t.Context(), "go", append(command, arguments...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
}
