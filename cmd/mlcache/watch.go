package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mlcache/mlcache/invalidation"
)

func newWatch() *cobra.Command {
	var on target
	var asJSON bool
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "watch (--dsn DSN | --redis URL)",
		Short: "Show what is invalidated, as it happens",
		Long: "Show each invalidation in the namespace as the processes tell each other, until\n" +
			"interrupted or for the time of --for. Nothing is asked of the database.\n\n" +
			"  release  a write to the tables has ended, or somebody invalidated them\n" +
			"  schema   DDL: every process reads the catalog again\n" +
			"  epoch    everything was invalidated\n" +
			"  birth    Redis had lost the versions, and with them everything\n" +
			"  missed   events before this one were not received\n\n" +
			"With --json each line is an object: {\"time\":\"…\",\"event\":\"release\",\n" +
			"\"sequence\":17,\"tables\":[\"public.orders\"],\"fenced\":[],\"more\":0}. \"fenced\" are the\n" +
			"tables that another writer holds at the same time, \"more\" is the number of tables\n" +
			"where they were too many to be named.",
		Example: "  mlcache watch --dsn \"$DSN\" --for 10s\n" +
			"  mlcache watch --redis redis://localhost:6379 --namespace shop --json",
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if limit < 0 {
				return usageError{errors.New("--for needs a time that is not negative")}
			}
			cfg, client, err := on.openRedis("watch")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, client.Close()) }()
			ctx := cmd.Context()
			if limit > 0 {
				var stop context.CancelFunc
				ctx, stop = context.WithTimeout(ctx, limit)
				defer stop()
			}
			out := cmd.OutOrStdout()
			var failed error // of writing: a pipe whose reader has gone
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			err = invalidation.Watch(ctx, client, cfg.Namespace, func() {
				_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "Watching the namespace %s.\n", printable(cfg.Namespace))
			}, func(e invalidation.Event) {
				if failed = showEvent(out, e, asJSON); failed != nil {
					stop()
				}
			})
			return errors.Join(err, failed)
		},
	}
	on.flags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.Flags().DurationVar(&limit, "for", 0, "end after this time; 0: when interrupted")
	return cmd
}

// event is what watch --json writes.
type event struct {
	Time     time.Time `json:"time"`
	Event    string    `json:"event"`
	Sequence uint64    `json:"sequence,omitempty"`
	Tables   []string  `json:"tables"`
	Fenced   []string  `json:"fenced"`
	More     uint64    `json:"more"`
}

func showEvent(w io.Writer, e invalidation.Event, asJSON bool) error {
	x := event{
		Time: e.Received, Event: string(e.Kind), Sequence: e.Sequence,
		Tables: tablesOf(e.Scopes), Fenced: tablesOf(e.Fenced), More: e.Many,
	}
	for _, s := range e.Scopes {
		if s == schemaScope {
			x.Event = "schema"
		}
	}
	if asJSON {
		return json.NewEncoder(w).Encode(x)
	}
	what := make([]string, 0, len(x.Tables))
	for _, t := range x.Tables {
		what = append(what, printable(t))
	}
	line := strings.Join(what, ", ")
	switch {
	case x.More > 0:
		line = strconv.FormatUint(x.More, 10) + " tables"
	case e.Kind == invalidation.NewEpoch || e.Kind == invalidation.NewBirth:
		line = "everything"
	}
	if len(x.Fenced) > 0 {
		line += "  (being written by another: " + strconv.Itoa(len(x.Fenced)) + ")"
	}
	_, err := fmt.Fprintf(w, "%s  %-7s  %s\n", e.Received.Format("15:04:05.000"), x.Event, line)
	return err
}

// schemaScope is no table: it changes with every DDL.
const schemaScope = "!schema"

func tablesOf(scopes []string) []string {
	tables := make([]string, 0, len(scopes))
	for _, s := range scopes {
		if s != schemaScope {
			tables = append(tables, s)
		}
	}
	slices.Sort(tables)
	return tables
}

// printable quotes a text that could play with the terminal: anybody who reaches
// Redis can write it.
func printable(s string) string {
	for _, r := range s {
		if !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}
