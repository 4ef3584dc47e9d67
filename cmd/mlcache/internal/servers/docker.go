package servers

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// The official images that are used unless Options.Image says otherwise.
const (
	PostgresImage = "postgres:16-alpine"
	RedisImage    = "redis:7-alpine"
)

const pullLimit = 3 * time.Minute

func containerPostgres(ctx context.Context, o Options) (*Server, error) {
	password := secret()
	// The entrypoint of the image starts a server for its own use first, which
	// does not listen on TCP: an answer there means that the real one is up.
	c, err := startContainer(ctx, o, cmp.Or(o.Image, PostgresImage), "5432/tcp",
		[]string{"POSTGRES_USER=mlcache", "POSTGRES_PASSWORD=" + password, "POSTGRES_DB=postgres"},
		append([]string{"postgres"}, settings()...))
	if err != nil {
		return nil, err
	}
	return c.server(ctx, o, postgresURL(c.port, password), pingPostgres)
}

func containerRedis(ctx context.Context, o Options) (*Server, error) {
	c, err := startContainer(ctx, o, cmp.Or(o.Image, RedisImage), "6379/tcp", nil,
		[]string{"redis-server", "--save", "", "--appendonly", "no", "--maxmemory", "512mb", "--maxmemory-policy", "allkeys-lru"})
	if err != nil {
		return nil, err
	}
	u := "redis://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)) + "/0"
	return c.server(ctx, o, u, pingRedis)
}

// container is a container whose docker command is a child of this process, so
// that it is noticed when it ends by itself.
type container struct {
	name, image string
	port        int
	process     *process
}

// startContainer runs image with one port published on the loopback interface.
func startContainer(ctx context.Context, o Options, image, port string, env, args []string) (*container, error) {
	if _, err := exec.LookPath("docker"); err != nil {
		return nil, errAbsent
	}
	if err := pull(ctx, o, image); err != nil {
		return nil, err
	}
	f, err := newFolder()
	if err != nil {
		return nil, err
	}
	c := &container{name: label(), image: image}
	run := []string{"run", "--rm", "--name", c.name, "--label", "mlcache.demo=1", "--publish", "127.0.0.1::" + port}
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		run = append(run, "--env", name) // the value travels by environment, out of the process list
	}
	cmd := exec.Command("docker", append(append(run, image), args...)...)
	cmd.Env = append(os.Environ(), env...)
	owner := f.owner
	f.owner = nil // the docker command needs the rights of whoever runs this process
	if c.process, err = startProcess(cmd, f, c.name); err != nil {
		f.owner = owner
		return nil, errors.Join(err, f.remove())
	}
	if c.port, err = c.publishedPort(ctx, o.Timeout, port); err != nil {
		return nil, errors.Join(c.process.failure(err), c.remove())
	}
	return c, nil
}

// pull makes sure that the image is there.
func pull(ctx context.Context, o Options, image string) error {
	if _, err := docker(ctx, 10*time.Second, "image", "inspect", "--format", "{{.Id}}", image); err == nil {
		return nil
	}
	if _, err := docker(ctx, 10*time.Second, "version", "--format", "{{.Server.Version}}"); err != nil {
		return errAbsent // a docker command without an engine
	}
	o.Log("Pulling the image " + image + ".")
	_, err := docker(ctx, pullLimit, "pull", "--quiet", image)
	return err
}

func (c *container) publishedPort(ctx context.Context, limit time.Duration, port string) (n int, err error) {
	err = ready(ctx, limit, c.process.exited, func(ctx context.Context) error {
		out, err := docker(ctx, limit, "port", c.name, port)
		if err != nil {
			return err
		}
		line, _, _ := strings.Cut(out, "\n")
		_, text, err := net.SplitHostPort(strings.TrimSpace(line))
		if err != nil {
			return err
		}
		n, err = strconv.Atoi(text)
		return err
	})
	return n, err
}

func (c *container) server(ctx context.Context, o Options, url string, ping func(context.Context, string) error) (*Server, error) {
	err := ready(ctx, o.Timeout, c.process.exited, func(ctx context.Context) error { return ping(ctx, url) })
	if err != nil {
		return nil, errors.Join(c.process.failure(err), c.remove())
	}
	return &Server{URL: url, Detail: "image " + c.image, stop: c.stop}, nil
}

func (c *container) stop() error {
	err := c.remove()
	return errors.Join(err, c.process.stop())
}

// remove ends the container at once, with its anonymous volumes. One that is
// gone already is no error.
func (c *container) remove() error {
	_, err := docker(context.Background(), 30*time.Second, "rm", "--force", "--volumes", c.name)
	if err != nil && strings.Contains(err.Error(), "No such container") {
		return nil
	}
	return err
}

func docker(ctx context.Context, limit time.Duration, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, strings.Join(strings.Fields(stderr.String()), " "))
	}
	return string(out), nil
}
