// Package sqlc has the shape of what sqlc generates for database/sql from a file
// of named queries: one constant and one method a query, over a small interface.
package sqlc

import (
	"context"
	"database/sql"
)

// DBTX is a *sql.DB, *sql.Tx or *sql.Conn.
type DBTX interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	PrepareContext(context.Context, string) (*sql.Stmt, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	QueryRowContext(context.Context, string, ...any) *sql.Row
}

// New returns the queries over db.
func New(db DBTX) *Queries { return &Queries{db: db} }

// Queries has a method for each named query.
type Queries struct{ db DBTX }

// WithTx returns the same queries inside a transaction.
func (q *Queries) WithTx(tx *sql.Tx) *Queries { return &Queries{db: tx} }
