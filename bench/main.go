// Command bench measures mlcache side by side with what it is compared with: the
// floor of database/sql, pgx, Redis and other caches. It promises ratios that a
// busy machine does not spoil, since both sides of each run in turn.
//
//	go run ./bench
//	go run ./bench -charts docs/charts
//
// The second measures how costs grow with the work, and draws it.
//
// It starts a PostgreSQL and a Redis of its own from the binaries on this
// machine, unless -dsn and -redis, or the variables MLCACHE_TEST_POSTGRES and
// MLCACHE_TEST_REDIS, name running ones. There it makes a schema mlcache_bench
// and keys that start with "bench-", and drops both at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/mlcache/mlcache/bench/internal/duel"
	"github.com/mlcache/mlcache/bench/internal/report"
	"github.com/mlcache/mlcache/bench/internal/servers"
	"github.com/mlcache/mlcache/bench/internal/suite"
)

func main() {
	if suite.RunChild() {
		return
	}
	var o options
	flag.Func("run", "measure only the cases whose `regex` matches \"case: reference\"; \"basics\" and \"peers\" are cases too", func(s string) (err error) {
		o.only, err = regexp.Compile(s)
		return err
	})
	flag.BoolVar(&o.short, "short", false, "under a minute in all, and less exact")
	flag.StringVar(&o.json, "json", "", "write the result as JSON to this `file`")
	flag.StringVar(&o.text, "benchmarks", "", "write every round in the format of Go's benchmarks, for benchstat, to this `file`")
	flag.StringVar(&o.dsn, "dsn", os.Getenv("MLCACHE_TEST_POSTGRES"), "`URL` of a running PostgreSQL")
	flag.StringVar(&o.redis, "redis", os.Getenv("MLCACHE_TEST_REDIS"), "`URL` of a running Redis")
	flag.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of the measuring to this `file`")
	flag.StringVar(&o.charts, "charts", "", "measure how costs grow, instead of the cases, and draw it as SVG into this `folder`; -run then picks charts by name")
	flag.BoolVar(&o.enforce, "enforce", false, "exit with status 1 when a limit is not kept")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	only                                    *regexp.Regexp
	short, enforce                          bool
	json, text, dsn, redis, profile, charts string
}

// procs is the number of processors that the limits are made for.
const procs = 2

func (o *options) run(ctx context.Context) (err error) {
	runtime.GOMAXPROCS(procs)
	plan := duel.Plan{Slice: time.Millisecond, Total: 12 * time.Second, Rounds: 30}
	if o.short {
		plan = duel.Plan{Slice: time.Millisecond, Total: 800 * time.Millisecond, Rounds: 5}
	}
	pair, err := servers.Open(ctx, o.dsn, o.redis)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pair.Close()) }()
	env, err := suite.NewEnv(ctx, pair, plan, o.short)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, env.Close()) }()
	postgres, redis, err := env.Versions(ctx)
	if err != nil {
		return err
	}
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	file := report.NewFile(postgres, redis, o.short)
	fmt.Printf("%s %s, %d processors, PostgreSQL %s, Redis %s\n\n", file.Go, file.System, file.Procs, postgres, redis)
	if o.charts != "" {
		return o.draw(ctx, env)
	}
	over, err := o.measure(ctx, env, file)
	if err != nil {
		return err
	}
	if err := o.write(file); err != nil {
		return err
	}
	if o.enforce && over > 0 {
		return fmt.Errorf("%d cases are over their limit or failed", over)
	}
	return nil
}

func (o *options) draw(ctx context.Context, env *suite.Env) error {
	for _, g := range suite.Growths() {
		if !o.wants(g.Name) {
			continue
		}
		c, err := g.Measure(ctx, env)
		if err != nil {
			return err
		}
		if err := errors.Join(c.WriteTable(os.Stdout), c.WriteFile(o.charts)); err != nil {
			return err
		}
	}
	return nil
}

func (o *options) measure(ctx context.Context, env *suite.Env, file *report.File) (over int, err error) {
	if o.wants("basics") {
		if file.Basics, err = suite.Basics(ctx, env); err != nil {
			return 0, err
		}
		report.Rows(os.Stdout, "One row, four ways", file.Basics, "pgx direct")
	}
	begun := time.Now()
	headed := false
	for _, c := range suite.Cases() {
		if !o.wants(c.Name + ": " + c.Against) {
			continue
		}
		if !headed {
			headed = true
			report.Head(os.Stdout)
		}
		r := report.Result{Case: c}
		r.Outcome, r.Err = c.Measure(ctx, env)
		if ctx.Err() != nil {
			return over, ctx.Err()
		}
		if r.Err == nil {
			r.Verdict = c.Judge(r.Outcome)
		}
		if r.Err != nil || r.Verdict == suite.Over {
			over++
		}
		report.Line(os.Stdout, r)
		file.Add(r)
	}
	if headed {
		fmt.Printf("%d over their limit, in %v\n\n", over, time.Since(begun).Round(time.Second))
	}
	if o.wants("peers") {
		if file.Peers, err = suite.Peers(ctx, env); err != nil {
			return over, err
		}
		report.Rows(os.Stdout, "A hit in other caches", file.Peers, "go-redis GET")
	}
	return over, nil
}

func (o *options) wants(name string) bool { return o.only == nil || o.only.MatchString(name) }

func (o *options) write(file *report.File) error {
	if o.json != "" {
		if err := file.WriteJSON(o.json); err != nil {
			return err
		}
	}
	if o.text == "" {
		return nil
	}
	f, err := os.Create(o.text)
	if err != nil {
		return err
	}
	return errors.Join(file.WriteBenchmarks(f), f.Close())
}
