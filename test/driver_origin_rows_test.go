package test

import (
	"database/sql/driver"
	"errors"
	"io"
	"reflect"
)

// originRows has no more than driver.Rows asks for.
type originRows struct {
	o      *origin
	r      *result
	i      int
	lent   [][]byte // memory handed out by the last Next
	ended  bool
	closed bool
}

func (r *originRows) Columns() []string {
	names := make([]string, len(r.r.cols))
	for i, c := range r.r.cols {
		names[i] = c.name
	}
	return names
}

// takeBack overwrites what the last Next handed out.
func (r *originRows) takeBack() {
	for _, b := range r.lent {
		for i := range b {
			b[i] = 0xEE
		}
	}
	r.lent = nil
}

func (r *originRows) Next(dest []driver.Value) error {
	r.takeBack()
	r.o.nexts.Add(1)
	if r.closed {
		return errors.New("origin: Next after Close")
	}
	if r.ended {
		return errors.New("origin: Next after the end")
	}
	var row []driver.Value
	switch {
	case r.r.generate != nil:
		row = r.r.generate(r.i)
	case r.i < len(r.r.rows):
		row = r.r.rows[r.i]
	}
	if row == nil {
		r.ended = true
		if r.r.err != nil {
			return r.r.err
		}
		return io.EOF
	}
	r.i++
	for i, v := range row {
		if b, ok := v.([]byte); ok && b != nil {
			b = append(make([]byte, 0, len(b)), b...)
			r.lent = append(r.lent, b)
			v = b
		}
		dest[i] = v
	}
	return nil
}

func (r *originRows) Close() error {
	r.takeBack()
	if r.closed {
		return errors.New("origin: rows closed twice")
	}
	r.closed = true
	return r.r.closeErr
}

// typedRows tell everything about their columns.
type typedRows struct{ *originRows }

func (r typedRows) ColumnTypeDatabaseTypeName(i int) string { return r.r.cols[i].dbType }

func (r typedRows) ColumnTypeLength(i int) (int64, bool) {
	return r.r.cols[i].length, r.r.cols[i].hasLength
}

func (r typedRows) ColumnTypeNullable(i int) (nullable, ok bool) {
	return r.r.cols[i].nullable, r.r.cols[i].hasNullable
}

func (r typedRows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	return r.r.cols[i].precision, r.r.cols[i].scale, r.r.cols[i].hasPrecision
}

func (r typedRows) ColumnTypeScanType(i int) reflect.Type { return r.r.cols[i].scan }

// multiRows can have more than one result set.
type multiRows struct{ *originRows }

func (r multiRows) HasNextResultSet() bool { return r.r.more != nil }

func (r multiRows) NextResultSet() error {
	if r.r.more == nil {
		return io.EOF
	}
	if r.r.onMore != nil {
		r.r.onMore()
	}
	r.originRows.r, r.i, r.ended = r.r.more, 0, false
	return nil
}
