// Package doctor looks at a database and a Redis for what keeps mlcache from
// caching, or from being told of changes, and says what to do about it. It changes
// nothing on either.
package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/cmd/mlcache/internal/entries"
)

// Level says how bad a finding is.
type Level int

// The levels, in order.
const (
	OK      Level = iota
	Warning       // caching works, and not as it could, or not for everything
	Error         // nothing is cached, or other processes are not told of changes
)

func (l Level) String() string { return [...]string{"ok", "warning", "error"}[l] }

// MarshalText writes ok, warning or error.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Finding is the outcome of one check.
type Finding struct {
	// Check names what was looked at: "redis eviction".
	Check string `json:"check"`
	Level Level  `json:"level"`
	// Found is what there is.
	Found string `json:"found"`
	// Do is what to do about it; empty where there is nothing to do.
	Do string `json:"do,omitempty"`
}

// Report is everything that was found, in the order in which it was looked at.
type Report struct {
	Level    Level     `json:"level"` // the worst
	Findings []Finding `json:"findings"`
}

func (r *Report) add(level Level, check, found, do string) {
	r.Level = max(r.Level, level)
	r.Findings = append(r.Findings, Finding{check, level, found, do})
}

func (r *Report) ok(check, found string, args ...any) {
	r.add(OK, check, fmt.Sprintf(found, args...), "")
}

// Options says what to look at.
type Options struct {
	// Config is that of the application. Without a DSN no database is looked at, without
	// a Redis no Redis.
	Config *mlcache.Config
	// Redis reaches Config.Redis; nil if that is empty.
	Redis redis.UniversalClient
	// Size measures the answers in Redis, within the bounds of Entries.
	Size    bool
	Entries entries.Options
}

// limit bounds one server's examination.
const limit = time.Minute

// Examine makes all checks. What cannot be looked at is a finding.
func Examine(ctx context.Context, o Options) *Report {
	r := &Report{Findings: []Finding{}}
	var tables map[string]bool
	if o.Config.DSN != "" {
		ctx, cancel := context.WithTimeout(ctx, limit)
		tables = database(ctx, r, o.Config)
		cancel()
	}
	if o.Redis == nil {
		r.ok("redis", "no mlcache_redis: answers are kept in memory only, and no other process is told of changes")
		return r
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if !server(ctx, r, o) {
		return r
	}
	rights(ctx, r, o)
	namespace(ctx, r, o, tables)
	if o.Size {
		sizes(ctx, r, o)
	}
	return r
}

// Print writes the report for a person.
func (r *Report) Print(w io.Writer) error {
	var b strings.Builder
	counts := map[Level]int{}
	for _, f := range r.Findings {
		counts[f.Level]++
		fmt.Fprintf(&b, "%-7s  %s: %s\n", f.Level, f.Check, clean(f.Found))
		if f.Do != "" {
			fmt.Fprintf(&b, "         -> %s\n", clean(f.Do))
		}
	}
	fmt.Fprintf(&b, "%d checks: %d errors, %d warnings\n", len(r.Findings), counts[Error], counts[Warning])
	_, err := io.WriteString(w, b.String())
	return err
}

// JSON writes the report as one object.
func (r *Report) JSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// clean takes out what could play with the terminal: names come from servers.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			return '?'
		}
		return c
	}, s)
}

// few joins the first of many names.
func few(names []string) string {
	const shown = 5
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}

// count writes a number and what it counts.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprint(n) + " " + what + "s"
}
