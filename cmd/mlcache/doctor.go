package main

import (
	"errors"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/mlcache/mlcache/cmd/mlcache/internal/doctor"
	"github.com/mlcache/mlcache/cmd/mlcache/internal/entries"
)

// diagnosis is how a doctor's findings become an exit code; there is nothing more
// to say on standard error.
type diagnosis int

func (diagnosis) Error() string { return "" }

func newDoctor() *cobra.Command {
	var on target
	var asJSON, bySize bool
	var o entries.Options
	cmd := &cobra.Command{
		Use:   "doctor [--dsn DSN] [--redis URL]",
		Short: "Look for what keeps the cache from working, and say what to do",
		Long: "Look at the database and the Redis of a DSN, as the application's user, for what\n" +
			"keeps answers from being cached or processes from being told of changes: versions,\n" +
			"roles, encoding, rights, memory, clocks, latency, a pooler in between, tables and\n" +
			"views that cannot be cached, and what writes past mlcache. Nothing is changed on\n" +
			"either.\n\n" +
			"With --size the answers in Redis are measured by a sample, to say how much memory\n" +
			"(mlcache_l1_size) would hold them.\n\n" +
			"The exit code is 0 if all is well, 1 if there are warnings, 2 if there are errors.",
		Example: "  mlcache doctor --dsn \"$DSN\"\n  mlcache doctor --dsn \"$DSN\" --size --json",
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if on.dsn == "" && on.redis == "" {
				return usageError{errors.New("doctor needs --dsn or --redis")}
			}
			cfg, err := on.config()
			if err != nil {
				return err
			}
			if bySize && cfg.Redis == "" {
				return usageError{errors.New("--size needs a Redis to measure in")}
			}
			var client redis.UniversalClient
			if cfg.Redis != "" {
				if client, err = redisClient(cfg); err != nil {
					return err
				}
				defer func() { err = errors.Join(err, client.Close()) }()
			}
			report := doctor.Examine(cmd.Context(), doctor.Options{Config: cfg, Redis: client, Size: bySize, Entries: o})
			write := report.Print
			if asJSON {
				write = report.JSON
			}
			if err := write(cmd.OutOrStdout()); err != nil {
				return err
			}
			if report.Level > doctor.OK {
				return diagnosis(report.Level)
			}
			return nil
		},
	}
	on.flags(cmd.Flags())
	sampleFlags(cmd, &o)
	cmd.Flags().BoolVar(&bySize, "size", false, "measure the answers in Redis, for the size of L1")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}
