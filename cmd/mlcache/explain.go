package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/cmd/mlcache/internal/explain"
)

func newExplain() *cobra.Command {
	var asJSON bool
	var dsn string
	cmd := &cobra.Command{
		Use:   "explain [--dsn DSN] SQL | --json",
		Short: "Say what an SQL text reads and writes, and whether its answer is cached",
		Long: "Say what an SQL text reads and writes, and whether its answer is cached. The text\n" +
			"is not run.\n\n" +
			"With --dsn the names are resolved in the database: through views, functions,\n" +
			"triggers and foreign keys. Without, the text alone is judged: every name that might\n" +
			"be a table counts as one, and only built-in functions that are safe are let pass.\n\n" +
			"With --json, standard input holds one JSON string per line, and standard output\n" +
			"gets one JSON object per line, in the same order:\n\n" +
			`  {"kind":"read|write|session|tx|other|unknown","reads":[],"writes":[],` + "\n" +
			`   "funcs":[],"cacheable":true,"reason":""}` + "\n\n" +
			`There may be more keys: "detail" names what led to the reason, "via" how a table` + "\n" +
			`was found, and "writes_all":true means any table. A line that is not a JSON string` + "\n" +
			`gives kind unknown and the reason bad_json.`,
		Example: "  mlcache explain 'SELECT name FROM products WHERE id = $1'\n" +
			`  printf '"%s"\n' 'SELECT now()' | mlcache explain --json`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case asJSON && len(args) > 0:
				return usageError{errors.New("explain --json takes its texts from standard input")}
			case !asJSON && len(args) == 0:
				return usageError{errors.New("explain needs an SQL text, or --json")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			explainer := explain.Explainer(explain.Text)
			if dsn != "" {
				var done func() error
				if explainer, done, err = explainIn(cmd.Context(), dsn); err != nil {
					return err
				}
				defer func() { err = errors.Join(err, done()) }()
			}
			if asJSON {
				return explain.Stream(cmd.InOrStdin(), cmd.OutOrStdout(), explainer)
			}
			x, err := explainer(strings.Join(args, " "))
			if err != nil {
				return err
			}
			out := bufio.NewWriter(cmd.OutOrStdout())
			return errors.Join(explain.Print(out, x), out.Flush())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "read JSON strings, write JSON objects, one a line")
	cmd.Flags().StringVar(&dsn, "dsn", "", "database in which to resolve names, as an mlcache DSN")
	return cmd
}

// explainIn explains by the catalog of a database.
func explainIn(ctx context.Context, dsn string) (explainer explain.Explainer, done func() error, err error) {
	db, err := sql.Open("mlcache", dsn)
	if err != nil {
		return nil, nil, err
	}
	handle, err := mlcache.From(db)
	if err == nil {
		err = db.PingContext(ctx)
	}
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return func(text string) (mlcache.Explanation, error) { return handle.Explain(ctx, text) }, db.Close, nil
}
