package mlcache

import (
	"context"
	"database/sql/driver"
	"errors"
	"reflect"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// pgxConn returns the pgx connection behind an origin that is pgx's own driver
// connection, and nil behind any other: a wrapper (tracing, say) must see every
// statement, so its inside is not touched.
func pgxConn(origin driver.Conn) *pgx.Conn {
	if c, ok := origin.(*stdlib.Conn); ok {
		return c.Conn()
	}
	return nil
}

// isPlainPgx reports whether a connector is pgx's own, made without options that
// run code when it connects or when a connection is reused. pgx does not say; but
// a connector without options holds pgx's own empty functions, and those of a
// connector made here for comparison are the same ones.
func isPlainPgx(origin driver.Connector) bool {
	plain := reflect.ValueOf(stdlib.GetConnector(pgx.ConnConfig{}))
	v := reflect.ValueOf(origin)
	if v.Type() != plain.Type() || v.Kind() != reflect.Struct {
		return false
	}
	for _, hook := range []string{"BeforeConnect", "AfterConnect", "ResetSession"} {
		f, p := v.FieldByName(hook), plain.FieldByName(hook)
		if !f.IsValid() || f.Kind() != reflect.Func || f.Pointer() != p.Pointer() {
			return false
		}
	}
	pool := v.FieldByName("pool")
	return pool.IsValid() && pool.Kind() == reflect.Pointer && pool.IsNil()
}

// The functions below do what database/sql does with a connection that lacks an
// optional interface, since database/sql sees only mlcache's connection, which
// has them all.

func originQuery(ctx context.Context, c driver.Conn, query string, args []driver.NamedValue) (driver.Rows, error) {
	if c, ok := c.(*stdlib.Conn); ok {
		return c.QueryContext(ctx, query, args)
	}
	if q, ok := c.(driver.QueryerContext); ok {
		checked, err := originArgs(c, nil, args)
		if err != nil {
			return nil, err
		}
		rows, err := q.QueryContext(ctx, query, checked)
		if !errors.Is(err, driver.ErrSkip) {
			return rows, err
		}
	} else if q, ok := c.(driver.Queryer); ok { //nolint:staticcheck // old drivers have only this
		values, err := plainValues(originArgs(c, nil, args))
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
	stmt, err := originPrepare(ctx, c, query)
	if err != nil {
		return nil, err
	}
	rows, err := stmtQuery(ctx, c, stmt, args)
	if err != nil {
		stmt.Close()
		return nil, err
	}
	// The statement was prepared only for these rows.
	return passed(&passedRows{rows: rows, onClose: func(error) error { return stmt.Close() }}), nil
}

func originExec(ctx context.Context, c driver.Conn, query string, args []driver.NamedValue) (driver.Result, error) {
	if c, ok := c.(*stdlib.Conn); ok {
		return c.ExecContext(ctx, query, args)
	}
	if e, ok := c.(driver.ExecerContext); ok {
		checked, err := originArgs(c, nil, args)
		if err != nil {
			return nil, err
		}
		res, err := e.ExecContext(ctx, query, checked)
		if !errors.Is(err, driver.ErrSkip) {
			return res, err
		}
	} else if e, ok := c.(driver.Execer); ok { //nolint:staticcheck // old drivers have only this
		values, err := plainValues(originArgs(c, nil, args))
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
	stmt, err := originPrepare(ctx, c, query)
	if err != nil {
		return nil, err
	}
	defer stmt.Close()
	return stmtExec(ctx, c, stmt, args)
}

func originPrepare(ctx context.Context, c driver.Conn, query string) (driver.Stmt, error) {
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

func originBegin(ctx context.Context, c driver.Conn, opts driver.TxOptions) (driver.Tx, error) {
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

func stmtQuery(ctx context.Context, c driver.Conn, s driver.Stmt, args []driver.NamedValue) (driver.Rows, error) {
	args, err := originArgs(c, s, args)
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

func stmtExec(ctx context.Context, c driver.Conn, s driver.Stmt, args []driver.NamedValue) (driver.Result, error) {
	args, err := originArgs(c, s, args)
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

// plainValues takes what originArgs returned.
func plainValues(args []driver.NamedValue, err error) ([]driver.Value, error) {
	if err != nil {
		return nil, err
	}
	values := make([]driver.Value, len(args))
	for i, a := range args {
		if a.Name != "" {
			return nil, &argumentError{errors.New("mlcache: the origin driver does not support the use of Named Parameters")}
		}
		values[i] = a.Value
	}
	return values, nil
}
