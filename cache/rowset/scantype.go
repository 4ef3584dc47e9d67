package rowset

import (
	"database/sql"
	"reflect"
	"time"
)

// ScanType stands for the Go type that a column reports for scanning
// (RowsColumnTypeScanType). The set is closed, because a type cannot be found
// again by its name in another process.
type ScanType uint8

// ScanNone is the scan type of an origin that does not report any. database/sql
// then reports the type any.
const ScanNone ScanType = 0

// scanTypes are in the order of their numbers in stored row sets: append only.
var scanTypes = [...]reflect.Type{
	ScanNone: nil,
	1:        reflect.TypeFor[any](),
	2:        reflect.TypeFor[bool](),
	3:        reflect.TypeFor[int](),
	4:        reflect.TypeFor[int8](),
	5:        reflect.TypeFor[int16](),
	6:        reflect.TypeFor[int32](),
	7:        reflect.TypeFor[int64](),
	8:        reflect.TypeFor[uint](),
	9:        reflect.TypeFor[uint8](),
	10:       reflect.TypeFor[uint16](),
	11:       reflect.TypeFor[uint32](),
	12:       reflect.TypeFor[uint64](),
	13:       reflect.TypeFor[float32](),
	14:       reflect.TypeFor[float64](),
	15:       reflect.TypeFor[string](),
	16:       reflect.TypeFor[[]byte](),
	17:       reflect.TypeFor[time.Time](),
	18:       reflect.TypeFor[sql.RawBytes](),
	19:       reflect.TypeFor[sql.NullBool](),
	20:       reflect.TypeFor[sql.NullByte](),
	21:       reflect.TypeFor[sql.NullInt16](),
	22:       reflect.TypeFor[sql.NullInt32](),
	23:       reflect.TypeFor[sql.NullInt64](),
	24:       reflect.TypeFor[sql.NullFloat64](),
	25:       reflect.TypeFor[sql.NullString](),
	26:       reflect.TypeFor[sql.NullTime](),
}

const scanTypeEnd = ScanType(len(scanTypes))

// ScanTypeOf returns the ScanType that stands for t, and false if there is none: the result
// must then not be cached. A nil t is ScanNone.
func ScanTypeOf(t reflect.Type) (ScanType, bool) {
	for i, known := range scanTypes {
		if known == t {
			return ScanType(i), true
		}
	}
	return ScanNone, false
}

// Type returns the Go type that s stands for, nil for ScanNone and for a
// number that stands for nothing.
func (s ScanType) Type() reflect.Type {
	if s >= scanTypeEnd {
		return nil
	}
	return scanTypes[s]
}
