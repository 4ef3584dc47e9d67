package main

import (
	"database/sql"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/cmd/mlcache/internal/demo"
	"github.com/mlcache/mlcache/cmd/mlcache/internal/servers"
	mlcacheprom "github.com/mlcache/mlcache/metrics/prometheus"
)

// applicationCommand is how the demo starts its application processes: this same
// program, by a command that is not listed.
const applicationCommand = "demo-application"

func newDemo() *cobra.Command {
	o := demo.Options{
		Postgres: servers.Options{URL: os.Getenv("DATABASE_URL"), Image: os.Getenv("MLCACHE_DEMO_POSTGRES_IMAGE")},
		Redis:    servers.Options{URL: os.Getenv("REDIS_URL"), Image: os.Getenv("MLCACHE_DEMO_REDIS_IMAGE")},
	}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch two processes read through the cache, checked against the database",
		Long: "Fills a made-up shop, reads it from two application processes without and then\n" +
			"through mlcache while something is written now and then, measures how soon one\n" +
			"process serves what the other wrote, and compares every answer with the\n" +
			"database's. It takes less than a minute, and leaves nothing behind.\n\n" +
			"PostgreSQL and Redis are those in DATABASE_URL and REDIS_URL where set. Otherwise\n" +
			"the demo starts its own: from the binaries on this machine, else with Docker (the\n" +
			"images " + servers.PostgresImage + " and " + servers.RedisImage + ", or those in\n" +
			"MLCACHE_DEMO_POSTGRES_IMAGE and MLCACHE_DEMO_REDIS_IMAGE), else, as root on Debian\n" +
			"or Ubuntu, from packages that it installs. In a database that it was given it uses\n" +
			"a schema of its own, and in a Redis keys of its own; it removes both at the end.\n\n" +
			"With --listen 127.0.0.1:9187 and a longer --duration there is a status page to look\n" +
			"at, and metrics for Prometheus.\n\n" +
			"The exit code is 3 if an answer was wrong.",
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Products < 1 || o.Orders < 1 || o.Rounds < 1 || o.Duration <= 0 {
				return usageError{errors.New("the demo needs at least one product, one order, one round and some time")}
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			o.Command = []string{self, applicationCommand}
			o.Out, o.Terminal = cmd.OutOrStdout(), isTerminal(cmd.OutOrStdout())
			return demo.Run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Products, "products", 100_000, "products in the shop")
	f.IntVar(&o.Orders, "orders", 300_000, "orders in the shop")
	f.DurationVar(&o.Duration, "duration", 10*time.Second, "how long to read through the cache")
	f.DurationVar(&o.WriteEvery, "write-every", time.Second, "time between two writes meanwhile; 0 for none")
	f.IntVar(&o.Rounds, "rounds", 20, "how often to measure when the other process sees a write")
	f.StringVar(&o.Listen, "listen", "", "address, such as 127.0.0.1:9187, at which one of the processes shows its status page and, under /metrics, its metrics while the demo runs")
	f.DurationVar(&o.Bound, "max-staleness", time.Second, "how old an answer may be, mlcache_max_staleness")
	return cmd
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

func newDemoApplication() *cobra.Command {
	return &cobra.Command{
		Use: applicationCommand, Hidden: true, Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Serve(cmd.InOrStdin(), cmd.OutOrStdout(), openCached)
		},
	}
}

// openCached opens a database as any application would: by the driver's name.
func openCached(dsn, listen string) (*sql.DB, func() demo.Counts, error) {
	db, err := sql.Open("mlcache", dsn)
	if err != nil {
		return nil, nil, err
	}
	handle, err := mlcache.From(db)
	if err == nil && listen != "" {
		err = show(handle, listen)
	}
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, func() demo.Counts {
		s := handle.Stats()
		return demo.Counts{L1: s.L1Hits, L2: s.L2Hits, Misses: s.Misses, Bypasses: s.Bypasses}
	}, nil
}

// show serves the status page and the metrics as a service would, until the process ends.
func show(handle *mlcache.Handle, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(mlcacheprom.NewCollector(handle, nil))
	mux := http.NewServeMux()
	mux.Handle("/{$}", handle.Handler())
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: readHeaderTimeout}
	go func() { _ = server.Serve(listener) }() // the process ends without it
	return nil
}

const readHeaderTimeout = 5 * time.Second
