package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/jackc/pgx/v5"
)

const installPostgres = "name a running one with DATABASE_URL, or install PostgreSQL " +
	"(Debian and Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql) or Docker"

// Postgres returns a PostgreSQL that answers. The URL's user may create schemas
// in its database; with a server of our own it is a superuser.
//
// The error is one sentence that says what to install, or that the server named
// by Options.URL does not answer.
func Postgres(ctx context.Context, o Options) (*Server, error) {
	return first(ctx, o, "PostgreSQL", installPostgres, map[Source]starter{
		GivenURL:  givenPostgres,
		Binary:    binaryPostgres,
		Container: containerPostgres,
		Packages:  packagedPostgres,
	})
}

func givenPostgres(ctx context.Context, o Options) (*Server, error) {
	if o.URL == "" {
		return nil, errAbsent
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	if err := pingPostgres(ctx, o.URL); err != nil {
		return nil, err
	}
	return &Server{URL: o.URL, Detail: "DATABASE_URL"}, nil
}

func binaryPostgres(ctx context.Context, o Options) (*Server, error) {
	bin := o.look.postgresBin()
	if bin == "" {
		return nil, errAbsent
	}
	s, err := retryPort(ctx, func(port int) (*Server, error) { return runPostgres(ctx, o, bin, port) })
	if err != nil {
		return nil, err
	}
	s.Detail = filepath.Join(bin, exe("postgres"))
	return s, nil
}

// runPostgres makes a cluster in a folder of its own and starts a server on it.
func runPostgres(ctx context.Context, o Options, bin string, port int) (*Server, error) {
	f, err := newFolder()
	if err != nil {
		return nil, err
	}
	password, data := secret(), filepath.Join(f.path, "data")
	passwordFile, err := f.write("password", password+"\n")
	if err != nil {
		return nil, errors.Join(err, f.remove())
	}
	err = f.run(ctx, filepath.Join(bin, exe("initdb")), "--pgdata", data, "--username", "mlcache",
		"--pwfile", passwordFile, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	if err != nil {
		return nil, errors.Join(err, f.remove())
	}
	cmd := exec.Command(filepath.Join(bin, exe("postgres")), append([]string{"-D", data}, settings(
		"listen_addresses=127.0.0.1", "port="+strconv.Itoa(port),
		"unix_socket_directories=", // the folder's path may be longer than a socket's name can be
		"logging_collector=off",
	)...)...)
	p, err := startProcess(cmd, f, "")
	if err != nil {
		return nil, errors.Join(err, f.remove())
	}
	s := &Server{URL: postgresURL(port, password), stop: p.stop}
	if err := ready(ctx, o.Timeout, p.exited, func(ctx context.Context) error { return pingPostgres(ctx, s.URL) }); err != nil {
		return nil, p.failure(err)
	}
	return s, nil
}

// settings returns the options of a server whose data may be lost with the
// machine, and the given ones.
func settings(more ...string) []string {
	var args []string
	for _, s := range append([]string{
		"fsync=off", "synchronous_commit=off", "full_page_writes=off",
		"max_connections=60", "shared_buffers=128MB", "max_wal_size=1GB",
	}, more...) {
		args = append(args, "-c", s)
	}
	return args
}

func postgresURL(port int, password string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword("mlcache", password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "postgres", RawQuery: "sslmode=disable",
	}
	return u.String()
}

func pingPostgres(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := conn.Ping(ctx); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}
