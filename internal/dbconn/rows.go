package dbconn

import (
	"database/sql/driver"
	"io"
	"reflect"
)

// wrappedRows hands on an origin's rows as they are, and learns when they are
// closed. Where the origin's rows lack an optional interface, it answers what
// database/sql takes for the answer of rows without it.
type wrappedRows struct {
	rows driver.Rows
	err  error // of the last Next, if not io.EOF
	// onClose gets the first error of Next and Close, and returns what else went
	// wrong.
	onClose func(err error) error
}

var (
	_ driver.Rows                           = (*wrappedRows)(nil)
	_ driver.RowsColumnTypeDatabaseTypeName = (*wrappedRows)(nil)
	_ driver.RowsColumnTypeLength           = (*wrappedRows)(nil)
	_ driver.RowsColumnTypeNullable         = (*wrappedRows)(nil)
	_ driver.RowsColumnTypePrecisionScale   = (*wrappedRows)(nil)
	_ driver.RowsColumnTypeScanType         = (*wrappedRows)(nil)
	_ driver.RowsNextResultSet              = (*wrappedRows)(nil)
)

// WrapRows hands on rows as they are. onClose gets the first error of Next and Close, and returns what else went wrong. The
// result fills destinations itself exactly if rows do: database/sql takes one way or the other by the type.
func WrapRows(rows driver.Rows, onClose func(err error) error) driver.Rows {
	return asScanner(&wrappedRows{rows: rows, onClose: onClose})
}

// EndOnClose calls onEnd, if not nil, when the rows are closed.
func EndOnClose(rows driver.Rows, onEnd func(error)) driver.Rows {
	if onEnd == nil {
		return rows
	}
	return WrapRows(rows, func(err error) error {
		onEnd(err)
		return nil
	})
}

func (r *wrappedRows) Columns() []string { return r.rows.Columns() }

func (r *wrappedRows) Next(dest []driver.Value) error {
	err := r.rows.Next(dest)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return err
}

func (r *wrappedRows) Close() error {
	err := r.rows.Close()
	f := r.onClose
	if f == nil {
		return err
	}
	r.onClose = nil
	first := r.err
	if first == nil {
		first = err
	}
	if more := f(first); err == nil {
		err = more
	}
	return err
}

func (r *wrappedRows) HasNextResultSet() bool {
	n, ok := r.rows.(driver.RowsNextResultSet)
	return ok && n.HasNextResultSet()
}

func (r *wrappedRows) NextResultSet() error {
	n, ok := r.rows.(driver.RowsNextResultSet)
	if !ok {
		return io.EOF
	}
	err := n.NextResultSet()
	if err != nil && err != io.EOF {
		r.err = err
	}
	return err
}

func (r *wrappedRows) ColumnTypeDatabaseTypeName(i int) string {
	if t, ok := r.rows.(driver.RowsColumnTypeDatabaseTypeName); ok {
		return t.ColumnTypeDatabaseTypeName(i)
	}
	return ""
}

func (r *wrappedRows) ColumnTypeLength(i int) (length int64, ok bool) {
	if t, ok := r.rows.(driver.RowsColumnTypeLength); ok {
		return t.ColumnTypeLength(i)
	}
	return 0, false
}

func (r *wrappedRows) ColumnTypeNullable(i int) (nullable, ok bool) {
	if t, ok := r.rows.(driver.RowsColumnTypeNullable); ok {
		return t.ColumnTypeNullable(i)
	}
	return false, false
}

func (r *wrappedRows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	if t, ok := r.rows.(driver.RowsColumnTypePrecisionScale); ok {
		return t.ColumnTypePrecisionScale(i)
	}
	return 0, 0, false
}

func (r *wrappedRows) ColumnTypeScanType(i int) reflect.Type {
	if t, ok := r.rows.(driver.RowsColumnTypeScanType); ok {
		return t.ColumnTypeScanType(i)
	}
	return reflect.TypeFor[any]()
}
