// Package servers finds or starts the PostgreSQL and the Redis that a benchmark
// runs against. What it starts is a private child process in a temporary folder,
// on a free loopback port, and is gone with it at Close.
package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// Pair is a PostgreSQL and a Redis that answer.
type Pair struct {
	Postgres, Redis string // URLs; they can hold passwords
	started         []*child
}

// Open returns the servers that the URLs name. For an empty one it starts the
// binary that it finds on this machine. The error says what to install or name.
func Open(ctx context.Context, postgres, redisURL string) (*Pair, error) {
	p := &Pair{Postgres: postgres, Redis: redisURL}
	if p.Redis == "" {
		if err := p.startRedis(ctx); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	if p.Postgres == "" {
		if err := p.startPostgres(ctx); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	if err := errors.Join(pingPostgres(ctx, p.Postgres), pingRedis(ctx, p.Redis)); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Close stops what Open started and removes its files.
func (p *Pair) Close() error {
	var errs []error
	for _, c := range slices.Backward(p.started) {
		errs = append(errs, c.stop())
	}
	p.started = nil
	return errors.Join(errs...)
}

func (p *Pair) startRedis(ctx context.Context) error {
	bin := find([]string{"redis-server", "valkey-server"}, "/usr/local/bin", "/opt/homebrew/bin")
	if bin == "" {
		return errors.New("mlcache: no redis-server on this machine: install it, or name a running one with -redis")
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mlcache-bench-redis-")
	if err != nil {
		return err
	}
	c, err := startChild(exec.Command(bin, "--bind", "127.0.0.1", "--port", strconv.Itoa(port),
		"--save", "", "--appendonly", "no", "--dir", dir), dir, nil)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	p.started = append(p.started, c)
	p.Redis = "redis://127.0.0.1:" + strconv.Itoa(port) + "/0"
	return c.await(ctx, func() error { return pingRedis(ctx, p.Redis) })
}

func (p *Pair) startPostgres(ctx context.Context) error {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.Reverse(dirs)
	dirs = append(dirs, "/usr/local/pgsql/bin", "/opt/homebrew/bin")
	initdb := find([]string{"initdb"}, dirs...)
	if initdb == "" {
		return errors.New("mlcache: no PostgreSQL on this machine: install it, or name a running one with -dsn")
	}
	// Not the link that some machines have on the PATH: postgres looks for its
	// files beside itself.
	initdb, err := filepath.EvalSymlinks(initdb)
	if err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mlcache-bench-postgres-")
	if err != nil {
		return err
	}
	as, err := unprivileged(dir)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	data := filepath.Join(dir, "data")
	make := exec.CommandContext(ctx, initdb, "-D", data, "-U", "postgres", "--auth=trust", "--no-sync",
		"--encoding=UTF8", "--locale=C")
	as.apply(make)
	make.Dir = dir
	if out, err := make.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("mlcache: initdb: %w: %s", err, out), os.RemoveAll(dir))
	}
	// What is measured is the driver, not the disk.
	c, err := startChild(exec.Command(filepath.Join(filepath.Dir(initdb), "postgres"), "-D", data, "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off",
		"-c", "full_page_writes=off", "-c", "shared_buffers=128MB", "-c", "max_connections=400"), dir, as)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	p.started = append(p.started, c)
	p.Postgres = "postgres://postgres@127.0.0.1:" + strconv.Itoa(port) + "/postgres?sslmode=disable"
	return c.await(ctx, func() error { return pingPostgres(ctx, p.Postgres) })
}

// child is a server process that is to end with this one.
type child struct {
	cmd    *exec.Cmd
	dir    string
	exited chan struct{}
}

const (
	startLimit = 30 * time.Second
	stopLimit  = 10 * time.Second
)

// await returns when ping does not fail any more.
func (c *child) await(ctx context.Context, ping func() error) error {
	deadline := time.After(startLimit)
	for {
		err := ping()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.exited:
			return fmt.Errorf("mlcache: %s ended at once, see its output above", filepath.Base(c.cmd.Path))
		case <-deadline:
			return fmt.Errorf("mlcache: %s does not answer: %w", filepath.Base(c.cmd.Path), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop asks for a fast end (SIGINT is PostgreSQL's fast shutdown), and then
// takes care of it.
func (c *child) stop() error {
	_ = c.cmd.Process.Signal(os.Interrupt)
	select {
	case <-c.exited:
	case <-time.After(stopLimit):
		_ = c.cmd.Process.Kill()
		<-c.exited
	}
	return os.RemoveAll(c.dir)
}

func find(names []string, dirs ...string) string {
	for _, name := range names {
		for _, dir := range dirs {
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return path
			}
		}
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func pingPostgres(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func pingRedis(ctx context.Context, url string) error {
	opt, err := redis.ParseURL(url)
	if err != nil {
		return errors.New("mlcache: the Redis URL cannot be read")
	}
	client := redis.NewClient(opt)
	defer client.Close()
	return client.Ping(ctx).Err()
}
