//go:build unix

package servers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// victimVariable makes the test binary start both servers, say so, and wait to
// be killed, or panic.
const victimVariable = "MLCACHE_SERVERS_TEST_VICTIM"

func TestMain(m *testing.M) {
	if how := os.Getenv(victimVariable); how != "" {
		victim(how)
		return
	}
	os.Exit(m.Run())
}

func victim(how string) {
	ctx := context.Background()
	o := Options{Sources: []Source{Binary, Container, Packages}}
	db, err1 := Postgres(ctx, o)
	rd, err2 := Redis(ctx, o)
	if err := errors.Join(err1, err2); err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("up", db.URL, rd.URL)
	if how == "panic" {
		go func() { panic("a test's own panic") }()
	}
	select {}
}

// TestNothingOutlivesTheProcess ends a process that holds servers in ways that
// leave it no time to clean up.
func TestNothingOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"kill", "panic"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			temp, err := os.MkdirTemp("", "mlcache-victim-")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = os.RemoveAll(temp) }()
			if err := os.Chmod(temp, 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), victimVariable+"="+how, "TMPDIR="+temp)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			fields := strings.Fields(line)
			if err != nil || len(fields) != 3 || fields[0] != "up" {
				t.Fatalf("the process said %q, %v", line, err)
			}
			if how == "kill" {
				if found, _ := filepath.Glob(temp + "/mlcache-demo-*"); len(found) != 2 {
					t.Errorf("folders while it runs: %v", found)
				}
				if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			_ = cmd.Wait()
			deadline := time.Now().Add(10 * time.Second)
			for {
				left, _ := filepath.Glob(temp + "/*")
				if len(left) == 0 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("left behind: %v", left)
				}
				time.Sleep(20 * time.Millisecond)
			}
			refused(t, fields[1])
			refused(t, fields[2])
		})
	}
}
