package dbconn

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// What an error means is said here for all who ask.
func TestWhatErrorsMean(t *testing.T) {
	t.Parallel()
	server := func(code string) error {
		return fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: code, Severity: "ERROR"})
	}
	network := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for _, c := range []struct {
		err                               error
		state                             string
		refused, down, unreachable, ended bool
	}{
		{err: server("42501"), state: "42501", refused: true},
		{err: server("42P01"), state: "42P01", refused: true},
		{err: server("0A000"), state: "0A000", refused: true},
		{err: server("53300"), state: "53300", unreachable: true},
		{err: server("57P01"), state: "57P01", unreachable: true},
		{err: server("57014"), state: "57014"},
		{err: server("08006"), state: "08006", unreachable: true},
		{err: server("23505"), state: "23505", ended: true},
		{err: server("40001"), state: "40001", ended: true},
		{err: network, down: true, unreachable: true},
		{err: io.ErrUnexpectedEOF, down: true, unreachable: true},
		{err: driver.ErrBadConn},
		{err: context.Canceled},
		{err: context.DeadlineExceeded, unreachable: true}, // it is a net.Error, too
	} {
		if got := SQLState(c.err); got != c.state {
			t.Errorf("%v: SQLSTATE %q", c.err, got)
		}
		if Refused(c.err) != c.refused || IsDown(c.err) != c.down || Unreachable(c.err) != c.unreachable || EndedByCommit(c.err) != c.ended {
			t.Errorf("%v: refused %t, down %t, unreachable %t, ended %t", c.err, Refused(c.err), IsDown(c.err), Unreachable(c.err), EndedByCommit(c.err))
		}
	}
}

func TestSafeErrorShowsNoSecret(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		&pgconn.PgError{Severity: "FATAL", Code: "28P01", Message: `password authentication failed for user "secret"`},
		errors.New("cannot connect to postgres://u:secret@host/db"),
	} {
		if got := SafeError(err); strings.Contains(got, "secret") || got == "" {
			t.Errorf("%v: %q", err, got)
		}
	}
}

func TestCell(t *testing.T) {
	t.Parallel()
	a := "a"
	for _, rows := range [][][]*string{nil, {{}}, {{nil}}, {{&a}, {&a}}} {
		if got := Cell(rows, 0); got != "" {
			t.Errorf("%v: %q", rows, got)
		}
	}
	if got := Cell([][]*string{{nil, &a}}, 1); got != "a" {
		t.Errorf("%q", got)
	}
}
