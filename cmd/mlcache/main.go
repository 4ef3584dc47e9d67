// Command mlcache shows what the query cache does, explains what it makes of SQL
// texts, and helps to operate it. Run it without arguments for its commands.
//
// Exit codes: 0 success; 1 something failed; 2 wrong usage; 3 the demo got a
// wrong answer from the cache; 130 and 143 ended by SIGINT and SIGTERM. Those of
// doctor are 0 all is well; 1 warnings; 2 errors.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mlcache/mlcache/cmd/mlcache/internal/demo"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitWrong  = 3
	// A signal's code is this and its number, as shells have it.
	exitSignal = 128
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run runs one command line and returns the exit code.
func run(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := untilSignal()
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	var s signaled
	if errors.As(context.Cause(ctx), &s) {
		_, _ = fmt.Fprintf(errOut, "mlcache: ended by a signal: %v\n", s.signal)
		return exitSignal + int(s.signal)
	}
	if err == nil {
		return exitOK
	}
	var found diagnosis
	if errors.As(err, &found) {
		return int(found)
	}
	_, _ = fmt.Fprintln(errOut, err)
	var usage usageError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, demo.ErrWrongAnswer):
		return exitWrong
	default:
		return exitFailed
	}
}

// signaled is the cause of the end of a context by a signal.
type signaled struct{ signal syscall.Signal }

func (s signaled) Error() string { return s.signal.String() }

// untilSignal returns a context that ends at the first SIGINT, SIGTERM or SIGHUP.
// The second one has its usual effect.
func untilSignal() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			number, ok := s.(syscall.Signal)
			if !ok {
				number = syscall.SIGINT // os.Interrupt, where signals have no numbers
			}
			cancel(signaled{number})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(signals); cancel(nil) }
}

// usageError is a command line that cannot be carried out.
type usageError struct{ err error }

func (u usageError) Error() string { return "mlcache: " + u.err.Error() + "; see mlcache --help" }
func (u usageError) Unwrap() error { return u.err }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "mlcache",
		Short: "A query cache for PostgreSQL, in memory and in Redis",
		Long: "mlcache is a database/sql driver that answers repeated SELECTs from memory or Redis.\n" +
			"This command shows what it does, explains what it makes of SQL texts, and helps to\n" +
			"operate it.\n\n" +
			"Exit codes: 0 success; 1 something failed; 2 wrong usage; 3 the demo got a\n" +
			"wrong answer from the cache; 130 and 143 ended by SIGINT and SIGTERM. Those of doctor:\n" +
			"0 all is well; 1 warnings; 2 errors.",
		Version:       version(),
		Args:          usage(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newBench(), newDemo(), newDemoApplication(), newDoctor(), newExplain(), newInvalidate(), newStats(), newTop(), newWatch(), newVersion())
	for _, cmd := range root.Commands() {
		// No argument of any command is a file.
		cmd.ValidArgsFunction = cobra.NoFileCompletions
		for _, name := range []string{"dsn", "redis", "namespace"} {
			if cmd.Flags().Lookup(name) != nil {
				_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions) // fails only for an unknown flag
			}
		}
		if cmd.Flags().Lookup("redis-mode") != nil {
			_ = cmd.RegisterFlagCompletionFunc("redis-mode", cobra.FixedCompletions([]string{"single", "cluster", "sentinel"}, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	return root
}

// usage makes what is wrong with the arguments a usageError.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "mlcache version "+version())
			return err
		},
	}
}

// version is the module's version, or the commit for a build from a work tree.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "development, commit " + s.Value
		}
	}
	return "development"
}
