package dbconn

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// The SQLSTATEs that mean something here (PostgreSQL manual, appendix A).
const (
	// InsufficientPrivilege is that of a role that may not.
	InsufficientPrivilege = "42501"
	// TooManyConnections is that of a server, a database or a role that has no connection left.
	TooManyConnections = "53300"
	// syntaxError is that of a text that PostgreSQL's parser rejects.
	syntaxError = "42601"
)

// SQLState returns the code of a server's error, empty for other errors.
func SQLState(err error) string {
	var server interface{ SQLState() string }
	if errors.As(err, &server) {
		return server.SQLState()
	}
	return ""
}

// Refused reports whether a server did not carry out a statement for what it asks for, and not for the state that the server is in:
// no such table or function, no right to it (class 42), or nothing of the kind (class 0A). PostgreSQL manual, appendix A.
func Refused(err error) bool {
	code := SQLState(err)
	return strings.HasPrefix(code, "42") || strings.HasPrefix(code, "0A")
}

// Answered reports whether a failed catalog query shows that the origin is up and
// has no such catalog. A connection that broke, a time-out, a lock or a shutdown
// says nothing: a PostgreSQL that was busy for a moment must not be treated as
// something else from then on.
func Answered(origin driver.Conn, err error) bool {
	if SQLState(err) != "" {
		return Refused(err)
	}
	if Pgx(origin) != nil {
		return false
	}
	var network net.Error
	return !errors.Is(err, driver.ErrBadConn) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) &&
		!errors.Is(err, context.Canceled) && !errors.As(err, &network)
}

// IsDown says whether an error of connecting, or of asking, shows that nobody is there
// who could change anything. A server that answers is there, whatever it says; and an
// origin of another kind that has waited for as long as it was given may wait for a
// connection to become free.
func IsDown(err error) bool {
	if SQLState(err) != "" {
		return false
	}
	var refusedByHost *pgconn.ConnectError
	var network *net.OpError
	if errors.As(err, &refusedByHost) || errors.As(err, &network) {
		return true
	}
	return !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) && !errors.Is(err, driver.ErrBadConn)
}

// Unreachable tells errors of a database that cannot be reached, or does not serve
// now, from its answers. driver.ErrBadConn is none of them: database/sql then tries
// another connection.
func Unreachable(err error) bool {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		// PostgreSQL manual, appendix A: connection exceptions, shutdown, starting up,
		// too many connections.
		return strings.HasPrefix(pe.Code, "08") || strings.HasPrefix(pe.Code, "57P0") || pe.Code == TooManyConnections
	}
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, context.Canceled) {
		return false
	}
	var ce *pgconn.ConnectError
	var ne net.Error
	return errors.As(err, &ce) || errors.As(err, &ne) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// EndedByCommit says whether COMMIT has failed in a way that only a COMMIT under way does, which ends the transaction: a
// deferred constraint, or another transaction that it cannot be serialized with (PostgreSQL manual, appendix A, classes 23 and 40).
func EndedByCommit(err error) bool {
	code := SQLState(err)
	return strings.HasPrefix(code, "23") || strings.HasPrefix(code, "40")
}

// OfWholeText reports whether PostgreSQL's parser has rejected the text itself, and so
// run none of it: an error with the same code can come from what a statement runs.
func OfWholeText(pe *pgconn.PgError) bool {
	return pe.Code == syntaxError && pe.Position > 0 && pe.Where == "" && pe.InternalQuery == ""
}

// SafeError gives an error's text for a log. Errors of connecting can quote a
// DSN; pgx takes the password out of those, other origins may not.
func SafeError(err error) string {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe.Severity + ": SQLSTATE " + pe.Code
	}
	var ce *pgconn.ConnectError
	if errors.As(err, &ce) {
		return "cannot connect to the database"
	}
	return "cannot read from the database"
}
