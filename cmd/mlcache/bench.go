package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/mlcache/mlcache/cmd/mlcache/internal/trial"
)

func newBench() *cobra.Command {
	var on target
	var file string
	var statistics, asJSON bool
	var top int
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "bench --dsn DSN (--file FILE | --pg-stat-statements)",
		Short: "Try your own queries over pgx and over the cache, and say what it brings",
		Long: "Run your own queries over pgx and over mlcache in turn, on one connection each, and\n" +
			"show the latency of each level and, for each query, what caching brings or costs.\n\n" +
			"The queries are those of a file (statements that end with semicolons; - is standard\n" +
			"input) or those on which the database has spent most time, as pg_stat_statements\n" +
			"counts it. That lists texts with parameters ($1) instead of values: these are counted\n" +
			"and not run.\n\n" +
			"Nothing is written: what is not a read whose answer the cache would keep is not run,\n" +
			"and for the server every connection is read-only. What the trial leaves in Redis ends\n" +
			"by itself, and no application is given it. It runs as if mlcache_mode were auto.\n\n" +
			"How often an application asks the same again is not known here: the hit ratio is that\n" +
			"of repeated texts. What a query needs for caching to pay is in the table.\n\n" +
			"The exit code is 1 if no statement could be run.",
		Example: "  mlcache bench --dsn \"$DSN\" --file queries.sql\n" +
			"  mlcache bench --dsn \"$DSN\" --redis redis://localhost:6379 --pg-stat-statements --top 50 --for 30s",
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case on.dsn == "":
				return usageError{errors.New("bench needs --dsn")}
			case (file == "") == !statistics:
				return usageError{errors.New("bench needs either --file or --pg-stat-statements")}
			case limit <= 0 || top <= 0:
				return usageError{errors.New("--for and --top need to be more than nothing")}
			}
			cfg, err := on.config()
			if err != nil {
				return err
			}
			var list []trial.Statement
			var hidden int
			if statistics {
				list, hidden, err = statistical(cmd.Context(), cfg.DSN, top)
			} else {
				list, err = fromFile(file, cmd.InOrStdin())
			}
			if err != nil {
				return err
			}
			if len(list) == 0 && hidden == 0 {
				return errors.New("mlcache: there are no statements to run")
			}
			progress, done := showTime(cmd.ErrOrStderr(), limit)
			report, err := trial.Run(cmd.Context(), list, trial.Options{Config: cfg, For: limit, Progress: progress})
			done()
			if err != nil {
				return err
			}
			report.Hidden = hidden
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(report)
			} else {
				err = report.Print(cmd.OutOrStdout())
			}
			if err == nil && report.Run == 0 {
				err = errors.New("mlcache: none of the statements could be run")
			}
			return err
		},
	}
	on.flags(cmd.Flags())
	f := cmd.Flags()
	f.StringVar(&file, "file", "", "statements to run, each ended with a semicolon; - for standard input")
	f.BoolVar(&statistics, "pg-stat-statements", false, "run the statements that pg_stat_statements lists")
	f.IntVar(&top, "top", 20, "how many of these, by the time spent on them")
	f.DurationVar(&limit, "for", 10*time.Second, "end after this time")
	f.BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func fromFile(name string, in io.Reader) ([]trial.Statement, error) {
	if name == "-" {
		return trial.ReadStatements(in)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return trial.ReadStatements(f)
}

func statistical(ctx context.Context, dsn string, top int) (list []trial.Statement, hidden int, err error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, 0, err // pgx takes the password out
	}
	db := stdlib.OpenDB(*cfg)
	defer func() { err = errors.Join(err, db.Close()) }()
	return trial.ListStatements(ctx, db, top)
}

// showTime shows on a terminal how much of the time has gone, until done is called.
func showTime(w io.Writer, limit time.Duration) (progress func(time.Duration), done func()) {
	if !isTerminal(w) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions64(limit.Milliseconds(),
		progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(fmt.Sprintf("running for %v", limit)), progressbar.OptionSetWidth(20),
		progressbar.OptionSetPredictTime(false), progressbar.OptionThrottle(50*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(false), progressbar.OptionUseANSICodes(true),
	)
	return func(gone time.Duration) { _ = bar.Set64(min(gone, limit).Milliseconds()) }, func() { _ = bar.Finish(); _ = bar.Clear() }
}
