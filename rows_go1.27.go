//go:build go1.27

package mlcache

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"reflect"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// From Go 1.27 on, database/sql scans through this interface where rows have it,
// and never calls Next. pgx's rows have it, so that a destination such as a slice
// or a pgtype range can be scanned into; the cells in wire form make the same
// possible for an answer from the cache.
var _ driver.RowsColumnScanner = (*wireRows)(nil)

// NextRow goes to the next row, or returns io.EOF.
func (r *wireRows) NextRow() error {
	err := r.advance()
	if err == nil {
		r.at += len(r.cells)
	}
	return err
}

// ScanColumn scans one cell of the current row. Destinations that database/sql
// knows are converted as it does, from the same value as Next gives; others go to
// pgx's type map.
func (r *wireRows) ScanColumn(scanCtx driver.ScanContext, index int, dest any) error {
	if dest == nil {
		return errors.New("destination not a pointer")
	}
	v := reflect.ValueOf(dest)
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return errors.New("destination pointer is nil")
	}
	if convertedBySQL(v.Type()) {
		value, err := r.madeValue(index)
		if err != nil {
			return err
		}
		return sql.ConvertAssign(scanCtx, dest, value)
	}
	cell, col := r.own(index), &r.cols[index]
	if r.shared && cell != nil {
		// Some of pgx's destinations keep the bytes that they are given.
		cell = append([]byte{}, r.cells[index]...)
	}
	return r.conn.typeMap().Scan(col.TypeOID, col.Format, cell, dest)
}

// madeValue returns a value of the row that NextRow has come to, and keeps it for others.
func (r *wireRows) madeValue(index int) (driver.Value, error) {
	at := r.at - len(r.cells) + index
	if r.made != nil && at < len(r.made.values) {
		return copyOf(r.made.values[at]), nil
	}
	var v driver.Value
	if r.cells[index] != nil {
		var err error
		if v, err = r.value(index); err != nil {
			return nil, err
		}
	}
	r.making.keep(at, v)
	return v, nil
}

// sqlDestinations remembers convertedBySQL by type; a program has few of them.
var sqlDestinations sync.Map // reflect.Type -> bool

// convertedBySQL says whether database/sql's own conversion fills a destination
// of this type: scalars and named scalars, []byte, time.Time, anything with a
// Scan method, and pointers to those. pgx draws the same line; a scan that first
// tried one way and then the other could call user code twice.
func convertedBySQL(t reflect.Type) bool {
	if known, ok := sqlDestinations.Load(t); ok {
		return known.(bool)
	}
	answer := destinationKind(t)
	sqlDestinations.Store(t, answer)
	return answer
}

func destinationKind(t reflect.Type) bool {
	seen := make(map[reflect.Type]bool) // a named pointer type can point to itself
	for {
		switch {
		case t.Implements(reflect.TypeFor[sql.Scanner]()):
			return true
		case t.Implements(reflect.TypeFor[pgtype.ArraySetter]()), t.Implements(reflect.TypeFor[pgtype.BytesScanner]()):
			return false // looks like []byte and is pgx's
		}
		if t.Kind() != reflect.Pointer {
			break
		}
		if seen[t] {
			return false
		}
		seen[t] = true
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Slice:
		return t.Elem().Kind() == reflect.Uint8
	case reflect.Struct:
		return t.ConvertibleTo(reflect.TypeFor[time.Time]())
	case reflect.String, reflect.Interface, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	default:
		return false
	}
}
