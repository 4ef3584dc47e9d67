package dbconn

import (
	"database/sql/driver"
	"fmt"
)

// convertArgs checks and converts a statement's arguments for the origin, by the
// rules of database/sql: the NamedValueChecker of the statement, or else of the
// connection, comes first, then the statement's ColumnConverter, then the default
// conversion. stmt is nil for a statement that was not prepared.
//
// This cannot happen where database/sql does it, in conn.CheckNamedValue: there
// may be no connection to the origin yet, none may be needed, and the caller's
// context is not known.
//
// A failed conversion is reported in database/sql's own words, as an
// *ArgumentError.
func convertArgs(c driver.Conn, stmt driver.Stmt, args []driver.NamedValue) ([]driver.NamedValue, error) {
	if Pgx(c) != nil {
		return args, nil // it takes everything, and database/sql has counted
	}
	checker, _ := stmt.(driver.NamedValueChecker)
	if checker == nil {
		checker, _ = c.(driver.NamedValueChecker)
	}
	want := -1
	if stmt != nil {
		want = stmt.NumInput()
	}
	out := make([]driver.NamedValue, 0, len(args))
	for _, nv := range args {
		nv.Ordinal = len(out) + 1
		err := driver.ErrSkip
		if checker != nil {
			err = checker.CheckNamedValue(&nv)
		}
		// database/sql compares these by identity, and so wraps of them are errors.
		if err == driver.ErrSkip { //nolint:errorlint // as above
			err = columnConvert(stmt, want, &nv)
		}
		if err == driver.ErrSkip { //nolint:errorlint // as above
			nv.Value, err = driver.DefaultParameterConverter.ConvertValue(nv.Value)
		}
		switch err {
		case nil:
			out = append(out, nv)
		case driver.ErrRemoveArgument: //nolint:errorlint // as above
		default:
			return nil, &ArgumentError{fmt.Errorf("sql: converting argument %s type: %w", argumentName(&nv), err)}
		}
	}
	if want != -1 && len(out) != want {
		return nil, &ArgumentError{fmt.Errorf("sql: expected %d arguments, got %d", want, len(out))}
	}
	return out, nil
}

// columnConvert uses the statement's ColumnConverter. It returns driver.ErrSkip if
// there is none.
func columnConvert(stmt driver.Stmt, want int, nv *driver.NamedValue) (err error) {
	cc, ok := stmt.(driver.ColumnConverter) //nolint:staticcheck // old drivers have only this
	if !ok {
		return driver.ErrSkip
	}
	column := nv.Ordinal - 1
	if want >= 0 && column >= want {
		return nil // one too many, which the caller reports
	}
	if _, ok := nv.Value.(driver.Valuer); ok {
		if nv.Value, err = driver.DefaultParameterConverter.ConvertValue(nv.Value); err != nil {
			return err
		}
	}
	arg := nv.Value
	if nv.Value, err = cc.ColumnConverter(column).ConvertValue(arg); err != nil {
		return err
	}
	if !driver.IsValue(nv.Value) {
		return fmt.Errorf("driver ColumnConverter error converted %T to unsupported type %T", arg, nv.Value)
	}
	return nil
}

func argumentName(nv *driver.NamedValue) string {
	if nv.Name != "" {
		return fmt.Sprintf("with name %q", nv.Name)
	}
	return fmt.Sprintf("$%d", nv.Ordinal)
}

// ArgumentError says that a statement was never sent, because its arguments do
// not fit. It has the words of what it wraps.
type ArgumentError struct{ err error }

func (e *ArgumentError) Error() string { return e.err.Error() }

func (e *ArgumentError) Unwrap() error { return e.err }
