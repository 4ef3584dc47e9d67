package suite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/mlcache/mlcache/bench/internal/duel"
)

func firstCases() []Case {
	return []Case{
		{
			Name: "first query of a process, without Redis", Against: "pgx the same", Unit: Ratio,
			Limit: bound(1.5), Aim: bound(1.1), Measure: firstQuery(),
		},
		{
			Name: "first query of a process, with Redis", Against: "pgx the same", Unit: Ratio,
			Limit: bound(1.5), Aim: bound(1.1), Measure: firstQuery("redis"),
		},
	}
}

// The environment of a child process, which does nothing but the first query.
const (
	childDriver = "MLCACHE_BENCH_CHILD_DRIVER"
	childDSN    = "MLCACHE_BENCH_CHILD_DSN"
)

// RunChild does the first query and prints how many nanoseconds it took, or reads
// until it is told to end, if this process was started for that. Otherwise it
// returns false.
func RunChild() bool {
	driver := os.Getenv(childDriver)
	if driver == "" {
		return false
	}
	if os.Getenv(childReads) != "" {
		if err := readUntil(os.Getenv(childDSN), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return true
	}
	took, err := openAndSelect(driver, os.Getenv(childDSN))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(took.Nanoseconds())
	return true
}

func openAndSelect(driver, dsn string) (time.Duration, error) {
	start := time.Now()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	var got item
	err = db.QueryRow(selectOne, int64(77)).Scan(got.dest()...)
	return time.Since(start), err
}

func firstQuery(settings ...string) func(context.Context, *Env) (Outcome, error) {
	return func(ctx context.Context, env *Env) (Outcome, error) {
		self, err := os.Executable()
		if err != nil {
			return Outcome{}, err
		}
		ask := func(driver, dsn string) (float64, error) {
			cmd := exec.CommandContext(ctx, self)
			cmd.Env = append(os.Environ(), childDriver+"="+driver, childDSN+"="+dsn)
			out, err := cmd.Output()
			if err != nil {
				var exit *exec.ExitError
				if errors.As(err, &exit) {
					err = fmt.Errorf("%w: %s", err, exit.Stderr)
				}
				return 0, err
			}
			return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		}
		var ratios, subjects, references []float64
		begun := time.Now()
		for i := range env.rounds(31) {
			if i >= 5 && time.Since(begun) > 2*env.Plan.Total {
				break
			}
			// A namespace of its own: nothing is left in Redis by the one before.
			dsn, _ := env.dsn(settings...)
			subject, err := ask("mlcache", dsn)
			if err != nil {
				return Outcome{}, err
			}
			reference, err := ask("pgx", env.Servers.Postgres)
			if err != nil {
				return Outcome{}, err
			}
			ratios = append(ratios, subject/reference)
			subjects, references = append(subjects, subject), append(references, reference)
		}
		o := outcomeOf(ratios)
		o.Subject.Time = time.Duration(duel.Median(subjects))
		o.Reference.Time = time.Duration(duel.Median(references))
		return o, nil
	}
}

// rounds is how often a case is done that is no duel.
func (e *Env) rounds(full int) int {
	if e.Short {
		return max(5, full/6)
	}
	return full
}
