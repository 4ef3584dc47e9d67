package harness

import (
	"context"
	"fmt"
	neturl "net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// Redis is a Redis of one test's own, whose address stays the same when it is
// stopped and started again. It is a container, or, where EnvRedis names a ready
// server, a redis-server process.
type Redis struct {
	t       testing.TB
	url     string
	machine machine
}

// machine is what a Redis runs on.
type machine interface {
	start(ctx context.Context) error
	stop(ctx context.Context) error // asks it to end, as a planned restart does
	kill(ctx context.Context) error // ends it between two instructions
	pause(ctx context.Context) error
	resume(ctx context.Context) error
	// address is where another Redis on such a machine reaches this one, whose URL is for the tests.
	address(ctx context.Context, url string) (host, port string, err error)
}

// StartRedis starts a Redis that ends with the test. The arguments are
// redis-server's. By default it saves nothing, so that it is empty after a
// restart; with "--appendonly", "yes" it keeps its data.
func StartRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	args = append([]string{"--save", ""}, args...)
	r := &Redis{t: t}
	var err error
	if os.Getenv(EnvRedis) != "" {
		r.machine, r.url, err = redisProcess(t, args)
	} else {
		r.machine, r.url, err = redisContainer(t, args)
	}
	if err != nil {
		t.Fatalf("start a Redis: %v", err)
	}
	if err := waitForRedis(t.Context(), r.url); err != nil {
		t.Fatal(err)
	}
	return r
}

// URL is the value for mlcache_redis.
func (r *Redis) URL() string { return r.url }

// Address is where another Redis of StartRedis reaches this one.
func (r *Redis) Address() (host, port string) {
	r.t.Helper()
	host, port, err := r.machine.address(r.t.Context(), r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	return host, port
}

// Stop shuts Redis down: connections are refused from then on.
func (r *Redis) Stop() { r.t.Helper(); r.do("stop", r.machine.stop) }

// Kill ends Redis at once, without a chance to save.
func (r *Redis) Kill() { r.t.Helper(); r.do("kill", r.machine.kill) }

// Pause makes Redis hang: connections stay open, or are accepted by the kernel,
// and no answer comes.
func (r *Redis) Pause() { r.t.Helper(); r.do("pause", r.machine.pause) }

// Resume ends a Pause. What was sent meanwhile is answered then.
func (r *Redis) Resume() { r.t.Helper(); r.do("resume", r.machine.resume) }

// Start starts Redis again after Stop or Kill and waits until it answers.
func (r *Redis) Start() {
	r.t.Helper()
	r.do("start", r.machine.start)
	if err := waitForRedis(r.t.Context(), r.url); err != nil {
		r.t.Fatal(err)
	}
}

// Restart is Stop and Start.
func (r *Redis) Restart() {
	r.t.Helper()
	r.Stop()
	r.Start()
}

func (r *Redis) do(what string, f func(context.Context) error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := f(ctx); err != nil {
		r.t.Fatalf("%s Redis: %v", what, err)
	}
}

type containerMachine struct {
	container testcontainers.Container
	docker    *testcontainers.DockerClient
}

func redisContainer(t testing.TB, args []string) (machine, string, error) {
	c, url, err := pinnedRedis(t.Context(), args)
	t.Cleanup(stopper(c))
	if err != nil {
		return nil, "", err
	}
	docker, err := testcontainers.NewDockerClientWithOpts(t.Context())
	if err != nil {
		return nil, "", err
	}
	t.Cleanup(func() { docker.Close() })
	return &containerMachine{c, docker}, url, nil
}

func (m *containerMachine) start(ctx context.Context) error {
	// Not Container.Start: it waits for a line of the log that is there from the
	// first start.
	_, err := m.docker.ContainerStart(ctx, m.container.GetContainerID(), client.ContainerStartOptions{})
	return err
}

func (m *containerMachine) stop(ctx context.Context) error {
	timeout := 10 * time.Second
	return m.container.Stop(ctx, &timeout)
}

func (m *containerMachine) kill(ctx context.Context) error { return m.signal(ctx, "KILL") }

// pause is not ContainerPause: to freeze the container's control group fails now
// and then on a busy machine.
func (m *containerMachine) pause(ctx context.Context) error  { return m.signal(ctx, "STOP") }
func (m *containerMachine) resume(ctx context.Context) error { return m.signal(ctx, "CONT") }

// address is that on the containers' own network: what is published of a container is on the host alone.
func (m *containerMachine) address(ctx context.Context, _ string) (host, port string, err error) {
	host, err = m.container.ContainerIP(ctx)
	port, _, _ = strings.Cut(redisPort, "/")
	return host, port, err
}

func (m *containerMachine) signal(ctx context.Context, name string) error {
	_, err := m.docker.ContainerKill(ctx, m.container.GetContainerID(), client.ContainerKillOptions{Signal: name})
	return err
}

type processMachine struct {
	args []string
	cmd  *exec.Cmd
}

func redisProcess(t testing.TB, args []string) (machine, string, error) {
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	args = append([]string{"--bind", "127.0.0.1", "--port", fmt.Sprint(port), "--dir", t.TempDir()}, args...)
	m := &processMachine{args: args}
	t.Cleanup(func() { _ = m.kill(context.Background()) })
	return m, fmt.Sprintf("redis://127.0.0.1:%d", port), m.start(t.Context())
}

func (m *processMachine) start(context.Context) error {
	cmd := exec.Command("redis-server", m.args...)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("a test that stops its Redis needs redis-server on the PATH: %w", err)
	}
	m.cmd = cmd
	return nil
}

func (m *processMachine) stop(context.Context) error   { return m.end(syscall.SIGTERM) }
func (m *processMachine) kill(context.Context) error   { return m.end(syscall.SIGKILL) }
func (m *processMachine) pause(context.Context) error  { return m.cmd.Process.Signal(syscall.SIGSTOP) }
func (m *processMachine) resume(context.Context) error { return m.cmd.Process.Signal(syscall.SIGCONT) }

func (m *processMachine) address(_ context.Context, address string) (host, port string, err error) {
	u, err := neturl.Parse(address)
	if err != nil {
		return "", "", err
	}
	return u.Hostname(), u.Port(), nil
}

func (m *processMachine) end(signal syscall.Signal) error {
	if m.cmd == nil || m.cmd.ProcessState != nil {
		return nil
	}
	if err := m.cmd.Process.Signal(signal); err != nil {
		return err
	}
	// How it ended is of no interest: it was told to.
	_ = m.cmd.Wait()
	return nil
}
