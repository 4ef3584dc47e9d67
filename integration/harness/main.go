package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
	_ "time/tzdata" // a machine without it could not leave UTC

	"github.com/testcontainers/testcontainers-go/log"
)

// The environment variables that say where the servers come from.
const (
	// EnvPostgres is the URL of a PostgreSQL to use instead of a container. Its
	// user must be allowed to create databases and roles.
	EnvPostgres = "MLCACHE_TEST_POSTGRES"
	// EnvRedis is the URL of a Redis to use instead of a container.
	EnvRedis = "MLCACHE_TEST_REDIS"
	// EnvPostgresImage and EnvRedisImage replace the official images.
	EnvPostgresImage = "MLCACHE_TEST_POSTGRES_IMAGE"
	EnvRedisImage    = "MLCACHE_TEST_REDIS_IMAGE"
	// EnvRun marks every container of a run with a label, by which the caller
	// can remove what a killed run left behind.
	EnvRun = "MLCACHE_TEST_RUN"
)

// startTimeout covers the pull of an image.
const startTimeout = 5 * time.Minute

// servers are what Main started, or found.
var servers struct {
	postgres string // DSN with the right to create databases
	redis    string // URL
}

// Main runs the tests of a package between the start and the end of its servers
// and exits. In a process that [StartProcess] started it serves that one's
// requests instead.
func Main(m *testing.M) {
	if err := leaveUTC(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if os.Getenv(envProcess) != "" {
		os.Exit(serveProcess(os.Stdin, os.Stdout))
	}
	os.Exit(runWithServers(m))
}

// leaveUTC puts the process into a time zone in which UTC, the session's zone and
// the machine's own are three things.
func leaveUTC() (err error) {
	zone := os.Getenv(envZone)
	if zone == "" {
		zone = "America/St_Johns"
	}
	time.Local, err = time.LoadLocation(zone)
	return err
}

// envZone names another time zone for a process.
const envZone = "MLCACHE_TEST_ZONE"

// LocalZone is what [StartProcess] is given for a process in that time zone.
func LocalZone(name string) (env string) { return envZone + "=" + name }

// quiet drops what testcontainers has to say about each step of each container:
// what goes wrong comes back as an error.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

func runWithServers(m *testing.M) int {
	log.SetDefault(quiet{})
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	var (
		wg               sync.WaitGroup
		pgStop, rdStop   func()
		pgError, rdError error
	)
	wg.Go(func() { servers.postgres, pgStop, pgError = startPostgres(ctx) })
	wg.Go(func() { servers.redis, rdStop, rdError = startRedis(ctx) })
	wg.Wait()
	for _, stop := range []func(){pgStop, rdStop} {
		if stop != nil {
			defer stop()
		}
	}
	if err := errors.Join(pgError, rdError); err != nil {
		fmt.Fprintf(os.Stderr, "integration tests need a Docker engine, or servers named by %s and %s: %v\n", EnvPostgres, EnvRedis, err)
		return 1
	}
	return m.Run()
}
