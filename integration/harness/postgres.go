package harness

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/postgres"
)

// Postgres is a PostgreSQL of one test's own, which the test may configure, break and
// start again under the same address. It is a container, or, where EnvPostgres names a
// ready server, a process of the programs that are installed; the test is skipped where
// there are none.
type Postgres struct {
	t       testing.TB
	dsn     string
	machine machine
}

// StartPostgres starts a PostgreSQL that ends with the test. The settings are as in
// postgresql.conf, "wal_writer_delay=10s".
func StartPostgres(t testing.TB, settings ...string) *Postgres {
	t.Helper()
	if os.Getenv(EnvPostgres) != "" {
		return StartPostgresHere(t, settings...)
	}
	machine, dsn, err := postgresContainer(t, settings)
	return started(t, machine, dsn, err)
}

// StartPostgresHere is StartPostgres with a process of the programs that are installed,
// for Copy.
func StartPostgresHere(t testing.TB, settings ...string) *Postgres {
	t.Helper()
	machine, dsn, err := postgresProcess(t, settings)
	return started(t, machine, dsn, err)
}

// Copy starts another server on a physical copy of this one's files, made with
// pg_basebackup: a standby that follows, or a server of its own.
func (p *Postgres) Copy(standby bool) *Postgres {
	p.t.Helper()
	args := []string{"-d", p.dsn, "-c", "fast", "--no-sync"}
	if standby {
		args = append(args, "-R")
	}
	machine, dsn, err := postgresProcessOn(p.t, nil, func(m *postgresMachine, data string) error {
		return m.run(postgresPrograms(), "pg_basebackup", append(args, "-D", data)...)
	})
	return started(p.t, machine, dsn, err)
}

func started(t testing.TB, m machine, dsn string, err error) *Postgres {
	t.Helper()
	if err == nil {
		err = waitForPostgres(t.Context(), dsn)
	}
	if err != nil {
		t.Fatalf("start a PostgreSQL: %v", err)
	}
	return &Postgres{t: t, dsn: dsn, machine: m}
}

// DSN is that of a user who may do anything, for pgx.
func (p *Postgres) DSN() string { return p.dsn }

// Kill ends the server at once, so that it has not written what it did not have to.
func (p *Postgres) Kill() { p.t.Helper(); p.do("kill", p.machine.kill) }

// KillProcess ends one of the server's processes, by the number that the server has for
// it, at once.
func (p *Postgres) KillProcess(pid int) {
	p.t.Helper()
	if err := p.machine.(interface {
		killProcess(ctx context.Context, pid int) error
	}).killProcess(p.t.Context(), pid); err != nil {
		p.t.Fatalf("kill PostgreSQL's process: %v", err)
	}
}

// Stop shuts the server down.
func (p *Postgres) Stop() { p.t.Helper(); p.do("stop", p.machine.stop) }

// Start starts the server again after Kill or Stop and waits until it answers.
func (p *Postgres) Start() {
	p.t.Helper()
	p.do("start", p.machine.start)
	if err := waitForPostgres(p.t.Context(), p.dsn); err != nil {
		p.t.Fatal(err)
	}
}

func (p *Postgres) do(what string, f func(context.Context) error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := f(ctx); err != nil {
		p.t.Fatalf("%s PostgreSQL: %v", what, err)
	}
}

func postgresContainer(t testing.TB, settings []string) (machine, string, error) {
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	args := []string{"-c", "fsync=off"}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	pin := testcontainers.WithHostConfigModifier(func(h *container.HostConfig) {
		h.PortBindings = network.PortMap{network.MustParsePort("5432/tcp"): {{
			HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: strconv.Itoa(port),
		}}}
	})
	c, err := postgres.Run(t.Context(), envOr(EnvPostgresImage, defaultPostgresImage),
		postgres.WithDatabase("postgres"), postgres.WithUsername("postgres"), postgres.WithPassword("secret"),
		testcontainers.WithCmdArgs(args...), pin, labelled())
	t.Cleanup(stopper(c))
	if err != nil {
		return nil, "", err
	}
	docker, err := testcontainers.NewDockerClientWithOpts(t.Context())
	if err != nil {
		return nil, "", err
	}
	t.Cleanup(func() { docker.Close() })
	return &postgresInContainer{&containerMachine{c, docker}}, fmt.Sprintf("postgres://postgres:secret@127.0.0.1:%d/postgres?sslmode=disable", port), nil
}

// postgresInContainer numbers its processes by itself.
type postgresInContainer struct{ *containerMachine }

func (m *postgresInContainer) killProcess(ctx context.Context, pid int) error {
	code, _, err := m.container.Exec(ctx, []string{"sh", "-c", "kill -9 " + strconv.Itoa(pid)})
	if err == nil && code != 0 {
		err = fmt.Errorf("kill ended with %d", code)
	}
	return err
}

// postgresMachine is a server process.
type postgresMachine struct {
	processMachine
	program string
	dir     string
	account *syscall.SysProcAttr
}

func postgresProcess(t testing.TB, settings []string) (machine, string, error) {
	folder := postgresPrograms()
	if folder == "" {
		t.Skip("there are no initdb and postgres on the PATH, nor where pg_config says")
	}
	return postgresProcessOn(t, settings, func(m *postgresMachine, data string) error {
		return m.run(folder, "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	})
}

// postgresProcessOn starts a server on the files that lay makes.
func postgresProcessOn(t testing.TB, settings []string, lay func(m *postgresMachine, data string) error) (machine, string, error) {
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	// Not the test's own folder, which another account may not enter.
	dir, err := os.MkdirTemp("", "mlcache-postgres-")
	if err != nil {
		return nil, "", err
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &postgresMachine{program: filepath.Join(postgresPrograms(), "postgres"), dir: dir}
	if m.account, err = plainAccount(dir); err != nil {
		return nil, "", err
	}
	data := filepath.Join(dir, "data")
	if err := lay(m, data); err != nil {
		return nil, "", err
	}
	m.args = []string{"-D", data, "-p", strconv.Itoa(port), "-k", dir, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "logging_collector=off"}
	for _, s := range settings {
		m.args = append(m.args, "-c", s)
	}
	t.Cleanup(func() { _ = m.kill(context.Background()) })
	return m, fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port), m.start(t.Context())
}

// run runs one of PostgreSQL's programs as the server's account.
func (m *postgresMachine) run(folder, program string, args ...string) error {
	cmd := exec.Command(filepath.Join(folder, program), args...)
	cmd.Dir, cmd.SysProcAttr = m.dir, m.account
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, out)
	}
	return nil
}

// postgresPrograms is the folder of the server's programs, empty if there are none.
func postgresPrograms() string {
	var folders []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real // others may not be linked to
		}
		folders = append(folders, filepath.Dir(path))
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		folders = append(folders, strings.TrimSpace(string(out)))
	}
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for _, folder := range append(folders, debian...) {
		if _, err := os.Stat(filepath.Join(folder, "initdb")); err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(folder, "postgres")); err == nil {
			return folder
		}
	}
	return ""
}

// plainAccount gives the folder to an account that is not root's, which PostgreSQL
// refuses to run for. It is nil for who is not root.
func plainAccount(dir string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		if account, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

func (m *postgresMachine) start(context.Context) error {
	cmd := exec.Command(m.program, m.args...)
	cmd.Dir, cmd.SysProcAttr = m.dir, m.account
	if err := cmd.Start(); err != nil {
		return err
	}
	m.cmd = cmd
	return nil
}

func (m *postgresMachine) stop(context.Context) error { return m.end(syscall.SIGINT) }

// kill is an immediate shutdown, which leaves no process behind.
func (m *postgresMachine) kill(context.Context) error { return m.end(syscall.SIGQUIT) }

func (m *postgresMachine) killProcess(_ context.Context, pid int) error {
	return syscall.Kill(pid, syscall.SIGKILL)
}
