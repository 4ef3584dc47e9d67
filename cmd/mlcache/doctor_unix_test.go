//go:build unix

package main

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/mlcache/mlcache/cmd/mlcache/internal/servers"
)

// nobody is whom servers run as that refuse to run as root.
const nobody = 65534

// asNobody makes cmd run as nobody, with dir its own, if this process is root's.
func asNobody(t *testing.T, cmd *exec.Cmd, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}

// placeFor makes a folder that another account can reach.
func placeFor(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mlcache-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// listening runs cmd until the test ends and returns when port answers.
func listening(t *testing.T, cmd *exec.Cmd, port int) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGQUIT)
		_ = cmd.Wait()
	})
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(limit) {
			t.Fatal(err)
		}
	}
}

func unusedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// program finds a program on the path or in one of the places; without it there is
// no test, except in CI.
func program(t *testing.T, name string, places ...string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, pattern := range places {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("this test needs " + name)
	}
	t.Skip("this test needs " + name)
	return ""
}

func TestDoctorFindsAPooler(t *testing.T) {
	binary := program(t, "pgbouncer", "/usr/sbin/pgbouncer")
	pg, err := servers.Postgres(t.Context(), servers.Options{Sources: []servers.Source{servers.Binary, servers.Container, servers.Packages}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Close() })
	u, err := url.Parse(pg.URL)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	dir, port := placeFor(t), unusedPort(t)
	config := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(config, fmt.Appendf(nil, "[databases]\npostgres = host=127.0.0.1 port=%s user=mlcache password=%s\n[pgbouncer]\n"+
		"listen_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n", u.Port(), password, port), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-q", config)
	asNobody(t, cmd, dir)
	listening(t, cmd, port)

	dsn := fmt.Sprintf("postgres://mlcache@127.0.0.1:%d/postgres?sslmode=disable", port)
	has(t, examined(t, 1, "--dsn", dsn), "warning pooler", "prepares statements")
	for _, mode := range []string{"cache_describe", "exec", "simple_protocol"} {
		has(t, examined(t, 0, "--dsn", dsn+"&default_query_exec_mode="+mode), "ok pooler", mode+" suits it")
	}
}

func TestDoctorFindsAStandby(t *testing.T) {
	backup := program(t, "pg_basebackup", "/usr/lib/postgresql/*/bin/pg_basebackup")
	server := program(t, "postgres", "/usr/lib/postgresql/*/bin/postgres")
	pg, err := servers.Postgres(t.Context(), servers.Options{Sources: []servers.Source{servers.Binary}})
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = pg.Close() })
	u, err := url.Parse(pg.URL)
	if err != nil {
		t.Fatal(err)
	}
	dir, port := placeFor(t), unusedPort(t)
	data := filepath.Join(dir, "data")
	cmd := exec.Command(backup, "--dbname", pg.URL, "--pgdata", data, "--write-recovery-conf", "--checkpoint=fast")
	cmd.Dir = dir
	asNobody(t, cmd, dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd = exec.Command(server, "-D", data, "-c", "port="+strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "max_connections=60")
	cmd.Dir = dir
	asNobody(t, cmd, dir)
	listening(t, cmd, port)
	u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	// It answers a moment after it listens.
	for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); time.Sleep(50 * time.Millisecond) {
		if code, _, _ := command(t, "", "explain", "--dsn", u.String(), "SELECT 1"); code == exitOK {
			break
		}
	}
	has(t, examined(t, 2, "--dsn", u.String()), "error database role", "standby")
}
