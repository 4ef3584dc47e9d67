package mlcache

import (
	"database/sql/driver"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mlcache/mlcache/internal/dbconn"
	"github.com/mlcache/mlcache/invalidation"
	"github.com/mlcache/mlcache/sqlinfo"
)

// outcome says what became of a change, by the error of its statement. p is nil
// for COMMIT.
//
// When the server answers with an error, a single query or DML statement outside a
// transaction has changed nothing, and neither has a text that did not parse.
// Of anything else (CALL and DO can commit half-way) a part may have been committed,
// but is visible by then. Without an answer the change may become visible later.
func (c *conn) outcome(p *plan, was before, err error) invalidation.Outcome {
	if err == nil {
		return invalidation.Committed
	}
	if ae := (*dbconn.ArgumentError)(nil); errors.As(err, &ae) {
		return invalidation.RolledBack // it was never sent
	}
	var pe *pgconn.PgError
	switch {
	case errors.As(err, &pe):
	case c.db.Pgx == nil:
		return invalidation.Unknown // no telling what another driver's errors mean
	case c.neverSent(p, was, err):
		return invalidation.RolledBack
	case c.db.InStep():
		return invalidation.Committed // as far as anything has been; what came of it could not be read
	default:
		return invalidation.Unknown
	}
	switch {
	case pe.SeverityUnlocalized != "ERROR":
		return invalidation.Unknown
	case p == nil || was.inTx || p.info.Statements > 1:
		return invalidation.Committed
	case p.info.Atomic && !p.writesAll, p.info.Kind == sqlinfo.Unknown && dbconn.OfWholeText(pe):
		return invalidation.RolledBack
	default:
		return invalidation.Committed
	}
}

// before is what was known of a connection when it was asked for a change.
type before struct {
	inTx   bool
	closed bool // by pgx, which refuses then to send anything
}

func (c *conn) before() before {
	return before{inTx: c.inTx(), closed: c.db.IsClosed()}
}

// noResult is the error of the origin's Query or Exec itself, in place of a result. One that comes while rows are read,
// as from a codec, is none: the statement has been carried out.
type noResult struct{ error }

func (e noResult) Unwrap() error { return e.error }

// neverSent says whether pgx has failed before it sent the statement, by an error that is not the server's.
//
// When the connection is lost while pgx waits for the answer, it may say that the connection is closed and that it is
// safe to try again, or driver.ErrBadConn: only where it was closed before, or is open still, that is so.
func (c *conn) neverSent(p *plan, was before, err error) bool {
	switch {
	case was.closed:
		return true
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, pgconn.ErrConnClosed):
		return !c.db.Pgx.IsClosed()
	case pgconn.SafeToRetry(err):
		return true
	case p == nil || p.info.Kind == sqlinfo.Unknown:
		return false // who makes up the text may have used the connection
	}
	// An argument cannot be encoded, say. When the answer to what was sent does not come, pgx closes the connection.
	return errors.As(err, new(noResult)) && c.db.InStep()
}
