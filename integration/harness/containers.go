package harness

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that waits for PostgreSQL
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/postgres"
	"github.com/testcontainers/testcontainers-go/modules/redis"
)

const (
	defaultPostgresImage = "postgres:17"
	defaultRedisImage    = "redis:7.4"

	redisPort = "6379/tcp"
	runLabel  = "com.github.mlcache.run"
)

func startPostgres(ctx context.Context) (dsn string, stop func(), err error) {
	if url := os.Getenv(EnvPostgres); url != "" {
		return url, nil, waitForPostgres(ctx, url)
	}
	c, err := postgres.Run(ctx, envOr(EnvPostgresImage, defaultPostgresImage),
		postgres.WithDatabase("postgres"), postgres.WithUsername("postgres"), postgres.WithPassword("secret"),
		// The server's own count of statements, and room for parallel tests.
		testcontainers.WithCmdArgs("-c", "shared_preload_libraries=pg_stat_statements", "-c", "max_connections=400"),
		labelled(),
	)
	stop = stopper(c)
	if err != nil {
		return "", stop, err
	}
	dsn, err = c.ConnectionString(ctx, "sslmode=disable")
	if err != nil {
		return "", stop, err
	}
	// The log says "ready" before the last start of an official image, so only a
	// connection tells.
	return dsn, stop, waitForPostgres(ctx, dsn)
}

func startRedis(ctx context.Context) (url string, stop func(), err error) {
	if url := os.Getenv(EnvRedis); url != "" {
		return url, nil, waitForRedis(ctx, url)
	}
	c, err := redis.Run(ctx, envOr(EnvRedisImage, defaultRedisImage), testcontainers.WithCmdArgs("--save", ""), labelled())
	stop = stopper(c)
	if err != nil {
		return "", stop, err
	}
	url, err = c.ConnectionString(ctx)
	if err != nil {
		return "", stop, err
	}
	return url, stop, waitForRedis(ctx, url)
}

// pinnedRedis starts a Redis container whose port on the host stays the same
// when it is stopped and started again.
func pinnedRedis(ctx context.Context, args []string) (*redis.RedisContainer, string, error) {
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	pin := testcontainers.WithHostConfigModifier(func(h *container.HostConfig) {
		h.PortBindings = network.PortMap{network.MustParsePort(redisPort): {{
			HostIP:   netip.MustParseAddr("127.0.0.1"),
			HostPort: strconv.Itoa(port),
		}}}
	})
	c, err := redis.Run(ctx, envOr(EnvRedisImage, defaultRedisImage), testcontainers.WithCmdArgs(args...), pin, labelled())
	return c, fmt.Sprintf("redis://127.0.0.1:%d", port), err
}

func labelled() testcontainers.CustomizeRequestOption {
	return testcontainers.WithLabels(map[string]string{runLabel: os.Getenv(EnvRun)})
}

func stopper(c testcontainers.Container) func() {
	return func() {
		// A run that failed to remove its containers has still run its tests; the
		// label is there for the rest.
		_ = testcontainers.TerminateContainer(c, testcontainers.StopTimeout(time.Second))
	}
}

// freePort finds a port below the range from which the kernel takes the client
// side of connections (32768 and up on Linux): while the server is stopped, a
// client that dials a port within that range may connect to itself.
func freePort() (int, error) {
	for range 100 {
		port := 20000 + rand.IntN(10000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no free port found on 127.0.0.1")
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}
