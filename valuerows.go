package mlcache

import (
	"bytes"
	"database/sql/driver"
	"io"
	"reflect"

	"github.com/mlcache/mlcache/cache/rowset"
)

// valueRows are the rows of an origin that is not pgx itself, kept as the Go
// values that it handed out.
type valueRows struct {
	cols   []rowset.Column
	names  []string
	reader rowset.Reader
	cells  [][]byte
	shared bool // as in wireRows

	// pending is the row between reader's and live's, if any.
	pending []driver.Value
	live    driver.Rows
	// liveEnded: the result set of live has ended, and another one follows.
	liveEnded bool
	// err is what ended the result after the rows, and closeErr what Close
	// returns: the origin's own, which need not be the same.
	err, closeErr error
	// onEnd is called once, when the origin has carried the statement out to its
	// end: at the end of the last result set or at Close.
	onEnd func(err error)
}

var (
	_ driver.Rows                           = (*valueRows)(nil)
	_ driver.RowsColumnTypeDatabaseTypeName = (*valueRows)(nil)
	_ driver.RowsColumnTypeLength           = (*valueRows)(nil)
	_ driver.RowsColumnTypeNullable         = (*valueRows)(nil)
	_ driver.RowsColumnTypePrecisionScale   = (*valueRows)(nil)
	_ driver.RowsColumnTypeScanType         = (*valueRows)(nil)
	_ driver.RowsNextResultSet              = (*valueRows)(nil)
)

func (r *valueRows) Columns() []string {
	if r.names == nil {
		r.names = columnNames(r.cols)
	}
	return r.names
}

func (r *valueRows) Next(dest []driver.Value) error {
	if r.reader.Next(r.cells) {
		for i, cell := range r.cells {
			v, err := rowset.DecodeValue(cell)
			if err != nil {
				return fieldError(i, errRecording)
			}
			if bytes, ok := v.([]byte); ok && r.shared {
				v = append([]byte{}, bytes...)
			}
			dest[i] = v
		}
		return nil
	}
	if r.pending != nil {
		copy(dest, r.pending)
		r.pending = nil
		return nil
	}
	if r.live != nil && !r.liveEnded {
		err := r.live.Next(dest)
		switch {
		case err == nil:
			return nil
		case err != io.EOF:
			r.end(err)
			return err
		}
		r.liveEnded = true
	}
	if !r.HasNextResultSet() {
		r.end(r.err)
	}
	if r.err != nil {
		return r.err
	}
	return io.EOF
}

func (r *valueRows) Close() error {
	err := r.closeErr
	if r.live != nil {
		err = r.live.Close()
	}
	if r.err != nil {
		r.end(r.err)
	}
	r.end(err)
	return err
}

func (r *valueRows) end(err error) {
	if f := r.onEnd; f != nil {
		r.onEnd = nil
		f(err)
	}
}

// HasNextResultSet is true only while the rows behind are live: a result of
// several sets is never stored.
func (r *valueRows) HasNextResultSet() bool {
	n, ok := r.live.(driver.RowsNextResultSet)
	return ok && n.HasNextResultSet()
}

func (r *valueRows) NextResultSet() error {
	n, ok := r.live.(driver.RowsNextResultSet)
	if !ok {
		return io.EOF
	}
	if err := n.NextResultSet(); err != nil {
		if err != io.EOF {
			r.end(err)
		}
		return err
	}
	cols, _ := valueColumns(r.live)
	r.cols, r.names, r.liveEnded = cols, nil, false
	r.reader, r.pending, r.cells = rowset.Reader{}, nil, make([][]byte, len(cols))
	return nil
}

func (r *valueRows) ColumnTypeDatabaseTypeName(i int) string { return r.cols[i].DatabaseTypeName }

func (r *valueRows) ColumnTypeLength(i int) (int64, bool) {
	return r.cols[i].Length, r.cols[i].HasLength
}

func (r *valueRows) ColumnTypeNullable(i int) (nullable, ok bool) {
	return r.cols[i].Nullable, r.cols[i].HasNullable
}

func (r *valueRows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	return r.cols[i].Precision, r.cols[i].Scale, r.cols[i].HasPrecision
}

func (r *valueRows) ColumnTypeScanType(i int) reflect.Type {
	if t := r.cols[i].ScanType.Type(); t != nil {
		return t
	}
	return reflect.TypeFor[any]()
}

// valueColumns asks the origin's rows everything that database/sql could ask
// them. known is false if a scan type cannot be stored.
func valueColumns(rows driver.Rows) (cols []rowset.Column, known bool) {
	known = true
	names := rows.Columns()
	cols = make([]rowset.Column, len(names))
	for i, name := range names {
		c := rowset.Column{Name: name}
		if r, ok := rows.(driver.RowsColumnTypeDatabaseTypeName); ok {
			c.DatabaseTypeName = r.ColumnTypeDatabaseTypeName(i)
		}
		if r, ok := rows.(driver.RowsColumnTypeLength); ok {
			c.Length, c.HasLength = r.ColumnTypeLength(i)
		}
		if r, ok := rows.(driver.RowsColumnTypeNullable); ok {
			c.Nullable, c.HasNullable = r.ColumnTypeNullable(i)
		}
		if r, ok := rows.(driver.RowsColumnTypePrecisionScale); ok {
			c.Precision, c.Scale, c.HasPrecision = r.ColumnTypePrecisionScale(i)
		}
		if r, ok := rows.(driver.RowsColumnTypeScanType); ok {
			var fits bool
			if c.ScanType, fits = rowset.ScanTypeOf(r.ColumnTypeScanType(i)); !fits {
				known = false
			}
		}
		cols[i] = c
	}
	return cols, known
}

// cloneValues copies a row out of the origin's memory.
func cloneValues(row []driver.Value) []driver.Value {
	out := make([]driver.Value, len(row))
	for i, v := range row {
		if b, ok := v.([]byte); ok {
			v = bytes.Clone(b)
		}
		out[i] = v
	}
	return out
}
