package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"strconv"
	"strings"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

const installRedis = "name a running one with REDIS_URL, or install Redis " +
	"(Debian and Ubuntu: apt-get install redis-server; Fedora: dnf install valkey; macOS: brew install redis) or Docker"

// Redis returns a Redis, or a Valkey, that answers. Unless Options.Sources
// leaves InProcess out it fails only when Options.URL names one that does not
// answer, or when ctx ends.
func Redis(ctx context.Context, o Options) (*Server, error) {
	return first(ctx, o, "Redis", installRedis, map[Source]starter{
		GivenURL:  givenRedis,
		Binary:    binaryRedis,
		Container: containerRedis,
		Packages:  packagedRedis,
		InProcess: inProcessRedis,
	})
}

func givenRedis(ctx context.Context, o Options) (*Server, error) {
	if o.URL == "" {
		return nil, errAbsent
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	if err := pingRedis(ctx, o.URL); err != nil {
		return nil, err
	}
	return &Server{URL: o.URL, Detail: "REDIS_URL"}, nil
}

func binaryRedis(ctx context.Context, o Options) (*Server, error) {
	path := o.look.redisBin()
	if path == "" {
		return nil, errAbsent
	}
	s, err := retryPort(ctx, func(port int) (*Server, error) { return runRedis(ctx, o, path, port) })
	if err != nil {
		return nil, err
	}
	s.Detail = path
	return s, nil
}

func runRedis(ctx context.Context, o Options, path string, port int) (*Server, error) {
	f, err := newFolder()
	if err != nil {
		return nil, err
	}
	password := secret()
	cmd := exec.Command(path, "-") // a configuration on standard input shows no password in the process list
	cmd.Stdin = strings.NewReader(strings.Join([]string{
		"bind 127.0.0.1", "port " + strconv.Itoa(port), "requirepass " + password,
		`save ""`, "appendonly no", "daemonize no",
		"maxmemory 512mb", "maxmemory-policy allkeys-lru", "",
	}, "\n"))
	p, err := startProcess(cmd, f, "")
	if err != nil {
		return nil, errors.Join(err, f.remove())
	}
	s := &Server{URL: redisURL(port, password), stop: p.stop}
	if err := ready(ctx, o.Timeout, p.exited, func(ctx context.Context) error { return pingRedis(ctx, s.URL) }); err != nil {
		return nil, p.failure(err)
	}
	return s, nil
}

func inProcessRedis(context.Context, Options) (*Server, error) {
	m := miniredis.NewMiniRedis()
	password := secret()
	m.RequireAuth(password)
	if err := m.Start(); err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(m.Addr())
	if err != nil {
		m.Close()
		return nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		m.Close()
		return nil, err
	}
	return &Server{
		URL: redisURL(n, password), Detail: "miniredis, an imitation",
		stop: func() error { m.Close(); return nil },
	}, nil
}

func redisURL(port int, password string) string {
	u := url.URL{Scheme: "redis", User: url.UserPassword("", password), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "0"}
	return u.String()
}

// quiet keeps go-redis from printing every attempt that fails while a server
// starts.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func init() { redis.SetLogger(quiet{}) }

func pingRedis(ctx context.Context, dsn string) error {
	opt, err := redis.ParseURL(dsn)
	if err != nil {
		return errors.New("not a Redis URL") // the library's own error repeats the URL, password included
	}
	opt.MaxRetries = -1
	c := redis.NewClient(opt)
	defer func() { _ = c.Close() }()
	if err := c.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}
