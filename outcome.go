package mlcache

import (
	"database/sql/driver"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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
func (c *conn) outcome(p *plan, wasTx bool, err error) invalidation.Outcome {
	if err == nil {
		return invalidation.Committed
	}
	if ae := (*argumentError)(nil); errors.As(err, &ae) {
		return invalidation.RolledBack // it was never sent
	}
	var pe *pgconn.PgError
	if c.pgx == nil && !errors.As(err, &pe) {
		return invalidation.Unknown // no telling what another driver's errors mean
	}
	if errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err) {
		return invalidation.RolledBack // it was never sent
	}
	if p != nil && !errors.As(err, &pe) && c.inStep() {
		return invalidation.RolledBack // the same: an argument cannot be encoded, say
	}
	switch {
	case errors.Is(err, pgx.ErrTxCommitRollback):
		return invalidation.Committed
	case !errors.As(err, &pe) || pe.SeverityUnlocalized != "ERROR":
		return invalidation.Unknown
	case p == nil || wasTx || p.info.Statements > 1:
		return invalidation.Committed
	case p.info.Atomic && !p.writesAll, p.info.Kind == sqlinfo.Unknown && ofWholeText(pe):
		return invalidation.RolledBack
	default:
		return invalidation.Committed
	}
}

// inStep says whether the origin has answered all that was sent to it. After an error
// that is not the server's, a statement was then never sent: when the answer to one
// that was does not come, pgx closes the connection.
func (c *conn) inStep() bool {
	return c.pgx != nil && !c.pgx.PgConn().IsClosed() && !c.pgx.PgConn().IsBusy()
}

// ofWholeText reports whether PostgreSQL's parser has rejected the text itself, and so
// run none of it: an error with the same code can come from what a statement runs.
func ofWholeText(pe *pgconn.PgError) bool {
	return pe.Code == syntaxError && pe.Position > 0 && pe.Where == "" && pe.InternalQuery == ""
}

// syntaxError is the SQLSTATE of a text that PostgreSQL's parser rejects.
const syntaxError = "42601"
