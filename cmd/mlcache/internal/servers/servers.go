// Package servers finds or brings up a PostgreSQL and a Redis for a program that
// wants to run on a machine about which it knows nothing, and leaves that machine
// as it was: no process, no container and no folder stays behind, however the
// program ends.
//
// For each server it takes the first of these that works: a URL that the caller
// was given, the server's own binaries as a child process in a temporary folder,
// a container, and on Debian and Ubuntu, as root, packages that it installs. For
// Redis an in-process imitation is the last resort. A server given by URL is
// never started, stopped or configured.
//
// Servers listen on the loopback interface only, on free ports, behind random
// passwords, and trade durability for speed: what they hold is meant to be
// thrown away.
package servers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// Source is one way to get a server.
type Source string

// The sources, in the order in which they are tried.
const (
	GivenURL  Source = "given URL"  // Options.URL
	Binary    Source = "binary"     // a child process of this one
	Container Source = "container"  // the docker command
	Packages  Source = "packages"   // apt-get install, then Binary
	InProcess Source = "in-process" // miniredis; Redis only
)

// DefaultSources is every source, in order.
func DefaultSources() []Source {
	return []Source{GivenURL, Binary, Container, Packages, InProcess}
}

// Options says what Postgres and Redis may do. The zero value means: no URL
// given, every source, the official images, silence.
type Options struct {
	// URL is a running server to use as it is. Empty: none was given.
	URL string
	// Sources lists what may be tried, in order. Nil means DefaultSources.
	Sources []Source
	// Image is the container image. Empty means the official Alpine image:
	// postgres:16-alpine or redis:7-alpine.
	Image string
	// Log hears of what takes long and of what was tried in vain, in whole
	// sentences without a line end. Nil means silence.
	Log func(string)
	// Timeout bounds the start of one server, not counting downloads. Zero means
	// 30 seconds.
	Timeout time.Duration

	// look replaces the places where binaries are looked for. Nil means the
	// machine's own; tests set it.
	look *places
}

func (o Options) withDefaults() Options {
	if o.Sources == nil {
		o.Sources = DefaultSources()
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.look == nil {
		o.look = machinePlaces()
	}
	return o
}

// Server is a running server. Close it.
type Server struct {
	// URL reaches the server, password included.
	URL string
	// Source tells how it was come by.
	Source Source
	// Detail describes it for a person: a path, an image. It holds no password.
	Detail string

	once sync.Once
	stop func() error
	err  error
}

// Close ends what was started and removes what was created for it. It waits
// until both are gone. It does nothing to a server that was given by URL, and
// nothing at all on a nil *Server or the second time.
func (s *Server) Close() error {
	if s == nil {
		return nil
	}
	s.once.Do(func() {
		if s.stop != nil {
			s.err = s.stop()
		}
	})
	return s.err
}

// errAbsent says that a source does not exist on this machine, as opposed to
// one that is there and failed.
var errAbsent = errors.New("not here")

type starter func(context.Context, Options) (*Server, error)

// first returns the server of the first source that works. A source that is
// there but fails is reported to Log, or without one in the error.
func first(ctx context.Context, o Options, product, install string, by map[Source]starter) (*Server, error) {
	silent := o.Log == nil
	o = o.withDefaults()
	var failures []string
	for _, source := range o.Sources {
		start := by[source]
		if start == nil {
			continue
		}
		s, err := start(ctx, o)
		if ctx.Err() != nil {
			_ = s.Close()
			return nil, ctx.Err()
		}
		if err == nil {
			s.Source = source
			return s, nil
		}
		if errors.Is(err, errAbsent) {
			continue
		}
		if source == GivenURL {
			// The user named a server. Another one would hide the mistake.
			return nil, fmt.Errorf("mlcache: the %s that was named does not answer: %w", product, err)
		}
		o.Log(fmt.Sprintf("%s as %s did not work: %v", product, source, err))
		failures = append(failures, fmt.Sprintf("%s: %v", source, err))
	}
	sentence := fmt.Sprintf("mlcache: no %s could be started: %s", product, install)
	if silent && len(failures) > 0 {
		sentence += " (tried " + strings.Join(failures, "; ") + ")"
	}
	return nil, errors.New(sentence)
}

// retryPort runs start with free ports until one is still free when the server
// binds it, at most five times.
func retryPort(ctx context.Context, start func(port int) (*Server, error)) (*Server, error) {
	var last error
	for range 5 {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s, err := start(port)
		if err == nil {
			return s, nil
		}
		if last = err; ctx.Err() != nil || !errors.Is(err, errExited) {
			break
		}
	}
	return nil, last
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// ready calls ask until it succeeds, the server has exited, or time is up.
func ready(ctx context.Context, limit time.Duration, exited <-chan struct{}, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		attempt, stop := context.WithTimeout(ctx, 2*time.Second)
		err := ask(attempt)
		stop()
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return errExited
		case <-ctx.Done():
			return fmt.Errorf("no answer within %v: %w", limit, err)
		case <-tick.C:
		}
	}
}

// secret returns a password of 130 random bits that needs no quoting anywhere.
func secret() string { return rand.Text() }

// label returns a name that no other run uses.
func label() string { return "mlcache-demo-" + strings.ToLower(rand.Text()[:10]) }
