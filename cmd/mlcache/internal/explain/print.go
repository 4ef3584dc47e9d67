package explain

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mlcache/mlcache"
)

// Print writes an explanation for a person.
func Print(w io.Writer, x mlcache.Explanation) error {
	writes := list(x.Writes)
	if x.WritesAll {
		writes = "any table"
	}
	cacheable := "yes"
	if !x.Cacheable {
		cacheable = "no, " + string(x.Reason)
		if x.Detail != "" {
			cacheable += ": " + x.Detail
		}
		if doc := mlcache.ReasonDoc(x.Reason); doc != "" {
			cacheable += "\n           " + doc
		}
		if x.Advice != "" {
			cacheable += "\nto change  " + x.Advice
		}
	}
	if _, err := fmt.Fprintf(w, "kind       %s\nreads      %s\nwrites     %s\nfunctions  %s\ncacheable  %s\n",
		x.Kind, list(x.Reads), writes, list(x.Funcs), cacheable); err != nil {
		return err
	}
	for _, table := range append(slices.Clone(x.Reads), x.Writes...) {
		if via := x.Via[table]; via != "" {
			if _, err := fmt.Fprintf(w, "           %s, through %s\n", table, via); err != nil {
				return err
			}
		}
	}
	return nil
}

func list(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ", ")
}
