package main

import (
	"bufio"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlcache/mlcache/cmd/mlcache/internal/explain"
)

func newExplain() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain SQL",
		Short: "Say what an SQL text reads and writes, and whether its answer is cached",
		Long: "Say what an SQL text reads and writes, and whether its answer is cached.\n\n" +
			"The text alone is judged, without a database: every name that might be a table\n" +
			"counts as one, and only functions that are built in and safe are let pass.\n\n" +
			"With --json, standard input holds one JSON string per line, and standard output\n" +
			"gets one JSON object per line, in the same order:\n\n" +
			`  {"kind":"read|write|session|tx|other|unknown","reads":[],"writes":[],` + "\n" +
			`   "funcs":[],"cacheable":true,"reason":""}` + "\n\n" +
			`A write to tables that the text does not tell has "writes":["*"]. A line that is` + "\n" +
			`not a JSON string gives kind unknown and the reason bad_json.`,
		Example: "  mlcache explain 'SELECT name FROM products WHERE id = $1'\n" +
			`  printf '"%s"\n' 'SELECT now()' | mlcache explain --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case asJSON && len(args) > 0:
				return usageError{errors.New("explain --json takes its texts from standard input")}
			case !asJSON && len(args) == 0:
				return usageError{errors.New("explain needs an SQL text, or --json")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON {
				return explain.Stream(cmd.InOrStdin(), cmd.OutOrStdout())
			}
			out := bufio.NewWriter(cmd.OutOrStdout())
			if err := explain.Text(strings.Join(args, " ")).Print(out); err != nil {
				return err
			}
			return out.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "read JSON strings, write JSON objects, one a line")
	return cmd
}
