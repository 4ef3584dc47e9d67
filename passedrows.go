package mlcache

import (
	"database/sql/driver"
	"io"
	"reflect"
)

// passedRows hands on an origin's rows as they are, and learns when they are
// closed. Where the origin's rows lack an optional interface, it answers what
// database/sql takes for the answer of rows without it.
type passedRows struct {
	rows driver.Rows
	err  error // of the last Next, if not io.EOF
	// onClose gets the first error of Next and Close, and returns what else went
	// wrong.
	onClose func(err error) error
}

var (
	_ driver.Rows                           = (*passedRows)(nil)
	_ driver.RowsColumnTypeDatabaseTypeName = (*passedRows)(nil)
	_ driver.RowsColumnTypeLength           = (*passedRows)(nil)
	_ driver.RowsColumnTypeNullable         = (*passedRows)(nil)
	_ driver.RowsColumnTypePrecisionScale   = (*passedRows)(nil)
	_ driver.RowsColumnTypeScanType         = (*passedRows)(nil)
	_ driver.RowsNextResultSet              = (*passedRows)(nil)
)

// endOnClose calls onEnd, if not nil, when the rows are closed.
func endOnClose(rows driver.Rows, onEnd func(error)) driver.Rows {
	if onEnd == nil {
		return rows
	}
	return passed(&passedRows{rows: rows, onClose: func(err error) error {
		onEnd(err)
		return nil
	}})
}

func (r *passedRows) Columns() []string { return r.rows.Columns() }

func (r *passedRows) Next(dest []driver.Value) error {
	err := r.rows.Next(dest)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return err
}

func (r *passedRows) Close() error {
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

func (r *passedRows) HasNextResultSet() bool {
	n, ok := r.rows.(driver.RowsNextResultSet)
	return ok && n.HasNextResultSet()
}

func (r *passedRows) NextResultSet() error {
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

func (r *passedRows) ColumnTypeDatabaseTypeName(i int) string {
	if t, ok := r.rows.(driver.RowsColumnTypeDatabaseTypeName); ok {
		return t.ColumnTypeDatabaseTypeName(i)
	}
	return ""
}

func (r *passedRows) ColumnTypeLength(i int) (length int64, ok bool) {
	if t, ok := r.rows.(driver.RowsColumnTypeLength); ok {
		return t.ColumnTypeLength(i)
	}
	return 0, false
}

func (r *passedRows) ColumnTypeNullable(i int) (nullable, ok bool) {
	if t, ok := r.rows.(driver.RowsColumnTypeNullable); ok {
		return t.ColumnTypeNullable(i)
	}
	return false, false
}

func (r *passedRows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	if t, ok := r.rows.(driver.RowsColumnTypePrecisionScale); ok {
		return t.ColumnTypePrecisionScale(i)
	}
	return 0, 0, false
}

func (r *passedRows) ColumnTypeScanType(i int) reflect.Type {
	if t, ok := r.rows.(driver.RowsColumnTypeScanType); ok {
		return t.ColumnTypeScanType(i)
	}
	return reflect.TypeFor[any]()
}
