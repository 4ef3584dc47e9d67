// Package explain says of SQL texts what mlcache makes of them: what they read
// and write, and whether their answers can come from the cache. It judges by the
// text alone, without a database, so it lists every name that might be a table.
package explain

import (
	"fmt"
	"io"
	"strings"

	"github.com/mlcache/mlcache/sqlinfo"
)

// Everything stands in Verdict.Writes for a write whose targets the text does not
// tell.
const Everything = "*"

// Verdict is what is known of one text.
type Verdict struct {
	// Kind is read, write, session, tx, other or unknown.
	Kind string `json:"kind"`
	// Reads, Writes and Funcs are names, with a schema where the text gives one,
	// folded and quoted as PostgreSQL would. They are never null.
	Reads  []string `json:"reads"`
	Writes []string `json:"writes"`
	Funcs  []string `json:"funcs"`
	// Cacheable: nothing in the text forbids to keep the answer.
	Cacheable bool `json:"cacheable"`
	// Reason says why not: one of a closed list of words, then, after a colon,
	// the name that led to it, if there is one. Empty when Cacheable.
	Reason string `json:"reason"`
}

// Text judges one text. It never fails: a text that cannot be understood is of
// kind unknown.
func Text(sql string) Verdict {
	info := sqlinfo.Parse(sql)
	v := Verdict{
		Kind:  info.Kind.String(),
		Reads: names(info.Reads), Writes: names(info.Writes), Funcs: names(info.Funcs),
		Cacheable: info.Kind == sqlinfo.Read && info.Refusal == sqlinfo.ReasonNone,
	}
	if info.WritesAll {
		v.Writes = []string{Everything}
	}
	if v.Cacheable {
		return v
	}
	reason := info.Refusal
	if reason == sqlinfo.ReasonNone {
		reason = sqlinfo.ReasonNotRead
	}
	v.Reason = string(reason)
	if info.Detail != "" {
		v.Reason += ": " + info.Detail
	}
	return v
}

func names(list []sqlinfo.Name) []string {
	out := make([]string, 0, len(list)) // not nil: JSON must say [], not null
	for _, n := range list {
		out = append(out, n.String())
	}
	return out
}

// Print writes v for a person.
func (v Verdict) Print(w io.Writer) error {
	cacheable := "yes"
	if !v.Cacheable {
		word, _, _ := strings.Cut(v.Reason, ":")
		cacheable = "no, " + v.Reason
		if doc := sqlinfo.Reason(word).Doc(); doc != "" {
			cacheable += " (" + doc + ")"
		}
	}
	_, err := fmt.Fprintf(w, "kind       %s\nreads      %s\nwrites     %s\nfunctions  %s\ncacheable  %s\n",
		v.Kind, list(v.Reads), list(v.Writes), list(v.Funcs), cacheable)
	return err
}

func list(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ", ")
}
