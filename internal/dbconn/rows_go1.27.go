//go:build go1.27

package dbconn

import (
	"database/sql/driver"
	"io"
)

// ScansColumns says whether rows fill destinations themselves.
func ScansColumns(rows driver.Rows) bool {
	_, ok := rows.(driver.RowsColumnScanner)
	return ok
}

// scannerRows are wrappedRows over rows that fill destinations themselves.
type scannerRows struct {
	*wrappedRows
	scanner driver.RowsColumnScanner
}

var (
	_ driver.RowsColumnScanner = scannerRows{}
	_ driver.RowsNextResultSet = scannerRows{}
)

func asScanner(r *wrappedRows) driver.Rows {
	if s, ok := r.rows.(driver.RowsColumnScanner); ok {
		return scannerRows{r, s}
	}
	return r
}

func (r scannerRows) NextRow() error {
	err := r.scanner.NextRow()
	if err != nil && err != io.EOF {
		r.err = err
	}
	return err
}

func (r scannerRows) ScanColumn(scanCtx driver.ScanContext, index int, dest any) error {
	return r.scanner.ScanColumn(scanCtx, index, dest)
}
