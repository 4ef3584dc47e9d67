package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func newInvalidate() *cobra.Command {
	var on target
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:   "invalidate (--dsn DSN | --redis URL) [--all | TABLE...]",
		Short: "Drop cached answers after a change that was made past mlcache",
		Long: "Drop every cached answer that depends on one of the tables, in all processes of\n" +
			"the namespace: after a change with psql, a restore, or a load by another program.\n" +
			"A table is schema.table, or table for one in the schema public.\n\n" +
			"The DSN is the application's own, with the mlcache_redis by which the other\n" +
			"processes are told. They serve nothing old after mlcache_max_staleness.\n\n" +
			"With --redis and --namespace instead, no database is asked. A table's name then\n" +
			"stands for itself, as the catalog has it (schema.table): a view's, or that of a table\n" +
			"with partitions, does not stand for the tables behind it.",
		Example: "  mlcache invalidate --dsn \"$DSN\" products shop.orders\n" +
			"  mlcache invalidate --redis redis://localhost:6379 --namespace shop --all",
		Args: func(_ *cobra.Command, tables []string) error {
			if all == (len(tables) > 0) {
				return usageError{errors.New("invalidate needs either tables or --all")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, tables []string) (err error) {
			cfg, err := on.withRedis("invalidate")
			if err != nil {
				return err
			}
			db, handle, err := openTarget(cfg)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			if cfg.DSN != "" {
				// Without the catalog a view would not stand for the tables behind it, and
				// nobody would notice.
				if err := db.PingContext(cmd.Context()); err != nil {
					return err
				}
			}
			if err := handle.Invalidate(cmd.Context(), tables...); err != nil {
				return fmt.Errorf("mlcache: Redis could not be told: %w", err)
			}
			if !asJSON {
				return nil
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(struct {
				Namespace string   `json:"namespace"`
				All       bool     `json:"all"`
				Tables    []string `json:"tables"`
			}{cfg.Namespace, all, append([]string{}, tables...)})
		},
	}
	on.flags(cmd.Flags())
	cmd.Flags().BoolVar(&all, "all", false, "drop everything")
	cmd.Flags().BoolVar(&asJSON, "json", false, "say what was dropped, as a JSON object")
	return cmd
}
