package main

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlcache/mlcache"
)

func newInvalidate() *cobra.Command {
	var dsn string
	var all bool
	cmd := &cobra.Command{
		Use:   "invalidate --dsn DSN [--all | TABLE...]",
		Short: "Drop cached answers after a change that was made past mlcache",
		Long: "Drop every cached answer that depends on one of the tables, in all processes of\n" +
			"the namespace: after a change with psql, a restore, or a load by another program.\n" +
			"A table is schema.table, or table for one in the schema public.\n\n" +
			"The DSN is the application's own; it must have mlcache_redis, by which the other\n" +
			"processes are told. They serve nothing old after mlcache_max_staleness.",
		Example: "  mlcache invalidate --dsn \"$DSN\" products shop.orders\n" +
			"  mlcache invalidate --dsn \"$DSN\" --all",
		Args: func(_ *cobra.Command, tables []string) error {
			switch {
			case dsn == "":
				return usageError{errors.New("invalidate needs --dsn")}
			case all == (len(tables) > 0):
				return usageError{errors.New("invalidate needs either tables or --all")}
			}
			cfg, err := mlcache.ParseConfig(dsn)
			if err != nil {
				return usageError{errors.New(strings.TrimPrefix(err.Error(), "mlcache: "))}
			}
			if cfg.Redis == "" {
				return usageError{errors.New("the DSN has no mlcache_redis: there is no other process to tell")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, tables []string) (err error) {
			db, err := sql.Open("mlcache", dsn)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			handle, err := mlcache.From(db)
			if err != nil {
				return err
			}
			if err := handle.Invalidate(cmd.Context(), tables...); err != nil {
				return fmt.Errorf("mlcache: Redis could not be told: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dsn, "dsn", "", "the application's DSN, with its mlcache_ keys")
	cmd.Flags().BoolVar(&all, "all", false, "drop everything")
	return cmd
}
