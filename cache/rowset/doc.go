// Package rowset writes the result of a query as bytes and reads it back:
// columns with their types, and rows. What a [Reader] returns is exactly what
// the [Builder] was given, cell by cell, and bytes that a Builder did not
// write are an error or an end of rows, never a panic, never more memory than
// their own length calls for.
//
// A row set is read where it lies: cells are slices of the input, and reading
// rows allocates nothing.
//
// The format, with integers in little-endian order:
//
//	0   1  format version
//	1   1  mode
//	2   2  number of columns
//	4   4  number of rows
//	8   4  length of the column block
//	12  …  column block
//	    …  rows
//
// A row is its cells one after the other: the length plus one as a varint, 0
// for NULL, then the bytes. A row without columns is a zero byte, so that the number of
// rows is always bounded by the number of bytes.
package rowset

import (
	"errors"
	"math"
)

// Mode says what the cells are.
type Mode uint8

const (
	// Wire cells are as they came from PostgreSQL, in text or binary as
	// Column.Format says.
	Wire Mode = 1

	// Values cells are driver.Values as AppendValue encodes them.
	Values Mode = 2
)

const (
	formatVersion = 1

	offMode      = 1
	offCols      = 2
	offRows      = 4
	offBlockSize = 8
	headerSize   = 12

	// MaxColumns is the largest number of columns of a row set. PostgreSQL's own
	// limit for a result is 1664 (manual, appendix K).
	MaxColumns = math.MaxUint16
)

var (
	// ErrCorrupt is returned when bytes are no row set, or one that was damaged.
	ErrCorrupt = errors.New("mlcache: corrupt row set")

	// ErrUnsupported is returned when something cannot be stored exactly: a value of
	// another type, a time in a named location, an unknown scan type, or too
	// many columns or rows. The result must then not be cached.
	ErrUnsupported = errors.New("mlcache: result cannot be stored exactly")
)
