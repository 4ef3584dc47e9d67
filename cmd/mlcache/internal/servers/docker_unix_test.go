//go:build unix

package servers

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// standIn is a docker command that runs the image's command on this machine and
// notes what it was asked.
const standIn = `#!/bin/sh
here=$(dirname "$0")
echo "$*" >>"$here/calls"
case $1 in
image) exit 1 ;;
version) echo 1.0 ;;
pull) [ ! -e "$here/no-pull" ] || { echo "no such host" >&2; exit 1; } ;;
run)
	while [ "$1" != redis-server ]; do shift; done
	exec "$@" --bind 127.0.0.1 --port "$(cat "$here/port")" ;;
port) echo "127.0.0.1:$(cat "$here/port")" ;;
rm) ;;
esac
`

func TestContainerIsPulledStartedAndRemoved(t *testing.T) {
	dir := t.TempDir()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "docker", standIn)
	write(t, dir, "port", strconv.Itoa(port))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))

	s, err := Redis(t.Context(), Options{Sources: []Source{Container}, Image: "example/redis:1"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Source != Container || s.Detail != "image example/redis:1" {
		t.Errorf("%+v", s)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	refused(t, s.URL)
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"pull --quiet example/redis:1\n", "--publish 127.0.0.1::6379/tcp", "run --rm ", "rm --force --volumes mlcache-demo-"} {
		if !strings.Contains(string(calls), want) {
			t.Errorf("docker was never called with %q:\n%s", want, calls)
		}
	}
}

func TestImageThatCannotBePulledLeadsToTheNextSource(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "docker", standIn)
	write(t, dir, "no-pull", "")
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	var log strings.Builder
	s, err := Redis(t.Context(), Options{Sources: []Source{Container, InProcess}, Log: func(s string) { log.WriteString(s + "\n") }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if s.Source != InProcess || !strings.Contains(log.String(), "no such host") {
		t.Errorf("source %s, log:\n%s", s.Source, log.String())
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}
