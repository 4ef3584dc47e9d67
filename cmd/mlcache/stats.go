package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/mlcache/mlcache/cmd/mlcache/internal/entries"
	"github.com/mlcache/mlcache/invalidation"
)

func newStats() *cobra.Command {
	var on target
	var asJSON bool
	var o entries.Options
	cmd := &cobra.Command{
		Use:   "stats (--dsn DSN | --redis URL)",
		Short: "Show what Redis holds of a namespace",
		Long: "Show what Redis holds of a namespace: the versions of tables, the writers that are\n" +
			"at work, and how many answers of which size. Answers are found by SCAN, so that\n" +
			"nobody waits, and their sizes are those of a sample.\n\n" +
			"Hits, misses and what is in the memory of a process are not known to Redis: each\n" +
			"process has its own in Handle.Stats.",
		Example: "  mlcache stats --dsn \"$DSN\"\n  mlcache stats --redis redis://localhost:6379 --namespace shop --json",
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			cfg, client, err := on.openRedis("stats")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, client.Close()) }()
			s, err := readStats(cmd.Context(), client, cfg.Namespace, o)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(s)
			}
			return s.print(cmd.OutOrStdout())
		},
	}
	on.flags(cmd.Flags())
	sampleFlags(cmd, &o)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func sampleFlags(cmd *cobra.Command, o *entries.Options) {
	cmd.Flags().IntVar(&o.Look, "look", 1_000_000, "how many keys to look at, of whatever program")
	cmd.Flags().IntVar(&o.Sample, "sample", 1000, "how many answers to measure")
}

// namespaceStats is what stats --json writes. Times are in milliseconds, sizes in
// bytes.
type namespaceStats struct {
	Namespace    string        `json:"namespace"`
	Known        bool          `json:"known"`
	Epoch        string        `json:"epoch"`
	Sequence     uint64        `json:"sequence"`
	QuarantineMS int64         `json:"quarantine_ms"`
	Tables       int           `json:"tables"`
	Fences       []fenceStats  `json:"fences"`
	VersionsSize int64         `json:"versions_bytes"`
	Answers      entries.Sizes `json:"answers"`
	AnswersSize  int64         `json:"answers_bytes"`
	RedisUsed    int64         `json:"redis_used_bytes"`
	RedisMax     int64         `json:"redis_max_bytes"`
}

type fenceStats struct {
	Table  string `json:"table"`
	EndsMS int64  `json:"ends_ms"`
}

func readStats(ctx context.Context, client redis.UniversalClient, namespace string, o entries.Options) (*namespaceStats, error) {
	state, err := invalidation.Inspect(ctx, client, namespace)
	if err != nil {
		return nil, err
	}
	s := &namespaceStats{
		Namespace: namespace, Known: state.Exists, Sequence: state.Sequence, Fences: []fenceStats{},
		QuarantineMS: state.Quarantine.Milliseconds(), Tables: state.Scopes,
	}
	if state.Exists {
		s.Epoch = fmt.Sprintf("%016x", state.Epoch)
	}
	if slices.Contains(state.Names, schemaScope) {
		s.Tables--
	}
	for _, f := range state.Fences {
		if f.Scope != schemaScope {
			s.Fences = append(s.Fences, fenceStats{cmp.Or(f.Scope, "*"), f.Ends.Milliseconds()})
		}
	}
	slices.SortFunc(s.Fences, func(a, b fenceStats) int { return strings.Compare(a.Table, b.Table) })
	if s.Answers, err = entries.Measure(ctx, client, namespace, o); err != nil {
		return nil, err
	}
	s.AnswersSize = s.Answers.Entries * cmp.Or(s.Answers.AverageMemory, s.Answers.AverageBytes)
	// What the user may not ask stays 0.
	s.VersionsSize, _ = client.MemoryUsage(ctx, "{"+namespace+"}:v").Result()
	if info, err := client.Info(ctx, "memory").Result(); err == nil {
		s.RedisUsed, _ = strconv.ParseInt(infoField(info, "used_memory"), 10, 64)
		s.RedisMax, _ = strconv.ParseInt(infoField(info, "maxmemory"), 10, 64)
	}
	return s, nil
}

// infoField is a field of Redis's INFO; empty if there is none.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// shownFences is how many fences a person is shown.
const shownFences = 20

func (s *namespaceStats) print(w io.Writer) error {
	if !s.Known && s.Answers.Entries == 0 {
		_, err := fmt.Fprintf(w, "Redis holds nothing of the namespace %s.\n", printable(s.Namespace))
		return err
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	row := func(name, format string, args ...any) { _, _ = fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	row("namespace", "%s", printable(s.Namespace))
	if s.Known {
		row("versions", "%d tables, change %d, %s", s.Tables, s.Sequence, size(s.VersionsSize))
		row("epoch", "%s", s.Epoch)
	} else {
		row("versions", "none: Redis has lost them, or nobody has asked for one yet")
	}
	if s.QuarantineMS > 0 {
		row("quarantine", "nothing is kept for %v more", time.Duration(s.QuarantineMS)*time.Millisecond)
	}
	about := ""
	if !s.Answers.Exact {
		about = "about "
	}
	row("answers", "%s%d, %s%s", about, s.Answers.Entries, about, size(s.AnswersSize))
	if s.Answers.Measured > 0 {
		row("an answer", "%s on average, %s the largest of %d measured", size(s.Answers.AverageBytes), size(s.Answers.LargestBytes), s.Answers.Measured)
	}
	limit := "no limit"
	if s.RedisMax > 0 {
		limit = size(s.RedisMax) + " at most"
	}
	row("all of Redis", "%s, %s", size(s.RedisUsed), limit)
	row("being written", "%d", len(s.Fences))
	for _, f := range s.Fences[:min(len(s.Fences), shownFences)] {
		name := printable(f.Table)
		if f.Table == "*" {
			name = "everything"
		}
		row("", "%s, its lease ends in %v unless renewed", name, time.Duration(f.EndsMS)*time.Millisecond)
	}
	if n := len(s.Fences) - shownFences; n > 0 {
		row("", "and %d more", n)
	}
	return t.Flush()
}

// size writes a number of bytes for a person.
func size(n int64) string {
	const k = 1024
	switch {
	case n >= k*k*k:
		return fmt.Sprintf("%.1f GiB", float64(n)/(k*k*k))
	case n >= k*k:
		return fmt.Sprintf("%.1f MiB", float64(n)/(k*k))
	case n >= k:
		return fmt.Sprintf("%.1f KiB", float64(n)/k)
	default:
		return fmt.Sprintf("%d B", n)
	}
}
