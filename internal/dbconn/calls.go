package dbconn

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/jackc/pgx/v5/stdlib"
)

// Query runs a query.
func Query(ctx context.Context, c driver.Conn, query string, args []driver.NamedValue) (driver.Rows, error) {
	if c, ok := c.(*stdlib.Conn); ok {
		return c.QueryContext(ctx, query, args)
	}
	if q, ok := c.(driver.QueryerContext); ok {
		checked, err := convertArgs(c, nil, args)
		if err != nil {
			return nil, err
		}
		rows, err := q.QueryContext(ctx, query, checked)
		if !errors.Is(err, driver.ErrSkip) {
			return rows, err
		}
	} else if q, ok := c.(driver.Queryer); ok { //nolint:staticcheck // old drivers have only this
		values, err := plainValues(convertArgs(c, nil, args))
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows, err := q.Query(query, values)
		if !errors.Is(err, driver.ErrSkip) {
			return rows, err
		}
	}
	stmt, err := Prepare(ctx, c, query)
	if err != nil {
		return nil, err
	}
	rows, err := stmtQuery(ctx, c, stmt, args)
	if err != nil {
		stmt.Close()
		return nil, err
	}
	// The statement was prepared only for these rows.
	return WrapRows(rows, func(error) error { return stmt.Close() }), nil
}

// Exec runs a statement that has no rows, or whose rows nobody wants.
func Exec(ctx context.Context, c driver.Conn, query string, args []driver.NamedValue) (driver.Result, error) {
	if c, ok := c.(*stdlib.Conn); ok {
		return c.ExecContext(ctx, query, args)
	}
	if e, ok := c.(driver.ExecerContext); ok {
		checked, err := convertArgs(c, nil, args)
		if err != nil {
			return nil, err
		}
		res, err := e.ExecContext(ctx, query, checked)
		if !errors.Is(err, driver.ErrSkip) {
			return res, err
		}
	} else if e, ok := c.(driver.Execer); ok { //nolint:staticcheck // old drivers have only this
		values, err := plainValues(convertArgs(c, nil, args))
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		res, err := e.Exec(query, values)
		if !errors.Is(err, driver.ErrSkip) {
			return res, err
		}
	}
	stmt, err := Prepare(ctx, c, query)
	if err != nil {
		return nil, err
	}
	defer stmt.Close()
	return stmtExec(ctx, c, stmt, args)
}

// Prepare prepares a statement.
func Prepare(ctx context.Context, c driver.Conn, query string) (driver.Stmt, error) {
	if p, ok := c.(driver.ConnPrepareContext); ok {
		return p.PrepareContext(ctx, query)
	}
	stmt, err := c.Prepare(query)
	if err == nil && ctx.Err() != nil {
		stmt.Close()
		return nil, ctx.Err()
	}
	return stmt, err
}

// Begin begins a transaction. Options that the connection cannot be asked for are an error.
func Begin(ctx context.Context, c driver.Conn, opts driver.TxOptions) (driver.Tx, error) {
	if b, ok := c.(driver.ConnBeginTx); ok {
		return b.BeginTx(ctx, opts)
	}
	// What cannot be asked for must not be dropped in silence.
	if opts.Isolation != 0 {
		return nil, errors.New("mlcache: the origin driver does not support non-default isolation level")
	}
	if opts.ReadOnly {
		return nil, errors.New("mlcache: the origin driver does not support read-only transactions")
	}
	tx, err := c.Begin() //nolint:staticcheck // old drivers have only this
	if err == nil && ctx.Err() != nil {
		_ = tx.Rollback() // the context's error is what counts
		return nil, ctx.Err()
	}
	return tx, err
}

// stmtQuery is Query for a prepared statement of the connection.
func stmtQuery(ctx context.Context, c driver.Conn, s driver.Stmt, args []driver.NamedValue) (driver.Rows, error) {
	args, err := convertArgs(c, s, args)
	if err != nil {
		return nil, err
	}
	if q, ok := s.(driver.StmtQueryContext); ok {
		return q.QueryContext(ctx, args)
	}
	values, err := plainValues(args, nil)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.Query(values) //nolint:staticcheck // old drivers have only this
}

// stmtExec is Exec for a prepared statement of the connection.
func stmtExec(ctx context.Context, c driver.Conn, s driver.Stmt, args []driver.NamedValue) (driver.Result, error) {
	args, err := convertArgs(c, s, args)
	if err != nil {
		return nil, err
	}
	if e, ok := s.(driver.StmtExecContext); ok {
		return e.ExecContext(ctx, args)
	}
	values, err := plainValues(args, nil)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.Exec(values) //nolint:staticcheck // old drivers have only this
}

// plainValues takes what convertArgs returned.
func plainValues(args []driver.NamedValue, err error) ([]driver.Value, error) {
	if err != nil {
		return nil, err
	}
	values := make([]driver.Value, len(args))
	for i, a := range args {
		if a.Name != "" {
			return nil, &ArgumentError{errors.New("mlcache: the origin driver does not support the use of Named Parameters")}
		}
		values[i] = a.Value
	}
	return values, nil
}
