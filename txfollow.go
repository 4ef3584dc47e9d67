package mlcache

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mlcache/mlcache/internal/dbconn"
	"github.com/mlcache/mlcache/sqlinfo"
)

// The server tells pgx after each statement whether its session is in a transaction. Of an origin that does not show
// a pgx connection, that has to be followed by the statements. Where one fails, or is not understood, it can be either: the connection
// is in doubt until a statement comes after which it is certain, or a transaction of database/sql's own ends. In doubt nothing is answered from the cache, and what
// is written is made known both at once and at the next COMMIT.

// follow notes what a text has done to the transaction, by the error that it ended with.
func (t *txState) follow(info *sqlinfo.Info, err error) {
	if err == nil && info.Kind != sqlinfo.Unknown {
		parts := info.Parts
		if len(parts) == 0 {
			parts = []*sqlinfo.Info{info}
		}
		for _, part := range parts {
			switch part.TxOp {
			case sqlinfo.TxBegin:
				t.open, t.doubt = true, false
			case sqlinfo.TxCommit, sqlinfo.TxRollback, sqlinfo.TxPrepare:
				t.open, t.doubt = part.TxChain, false
			}
		}
		return
	}
	var pe *pgconn.PgError
	switch {
	case errors.As(err, &pe) && dbconn.OfWholeText(pe):
		return // none of it was run
	case info.Kind == sqlinfo.Unknown:
	case info.Statements > 1:
		if !divides(info) {
			return
		}
	case info.TxOp == sqlinfo.TxBegin && !t.open && dbconn.SQLState(err) != "":
		return
	case info.TxOp == sqlinfo.TxCommit && dbconn.EndedByCommit(err):
		t.open, t.doubt = false, false
		return
	case info.TxOp == sqlinfo.TxBegin, info.TxOp == sqlinfo.TxCommit, info.TxOp == sqlinfo.TxRollback, info.TxOp == sqlinfo.TxPrepare:
	default:
		return // a transaction that has failed is one still
	}
	t.open, t.doubt = true, true
}

// divides says whether a text has a statement that begins or ends a transaction.
func divides(info *sqlinfo.Info) bool {
	for _, part := range info.Parts {
		switch part.TxOp {
		case sqlinfo.TxBegin, sqlinfo.TxCommit, sqlinfo.TxRollback, sqlinfo.TxPrepare:
			return true
		}
	}
	return info.Parts == nil
}
