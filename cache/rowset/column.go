package rowset

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Column describes one column of a result. In mode Wire the first group of fields
// matters, as in PostgreSQL's RowDescription message (manual,
// "Message Formats"); in mode Values the second, which holds what the optional column interfaces
// of database/sql/driver said. All fields are stored in both.
type Column struct {
	Name string // as the database gives it; empty for none

	TypeOID      uint32 // data type
	TypeModifier int32  // for instance the length of varchar(n); -1 for none
	Format       int16  // of the cells: 0 text, 1 binary
	TableOID     uint32 // the table that the column is of, 0 for none
	TableAttr    uint16 // the column's number in that table, 0 for none
	TypeSize     int16  // negative for variable size

	DatabaseTypeName string // empty when not known
	Length           int64  // RowsColumnTypeLength; meaningful if HasLength
	Precision, Scale int64  // RowsColumnTypePrecisionScale; meaningful if HasPrecision
	Nullable         bool   // RowsColumnTypeNullable; meaningful if HasNullable
	HasLength        bool
	HasPrecision     bool
	HasNullable      bool
	ScanType         ScanType
}

// Bits of a column's second byte on the wire.
const (
	hasLength = 1 << iota
	hasPrecision
	hasNullable
	isNullable
	columnFlags = 1<<iota - 1
)

// A column in the block is two bytes, scan type and flags, and then varints,
// signed ones in zigzag form: type OID, modifier, format, table OID, table
// attribute, type size, length, precision, scale; then the name and the
// database type name, each with its length before it. Varints since most of
// these are zero or small, and a block is stored with every result.
const columnLeast = 2 + 9 + 2

func appendColumn(dst []byte, c *Column) ([]byte, error) {
	if c.ScanType >= scanTypeEnd {
		return dst, fmt.Errorf("%w: scan type %d", ErrUnsupported, c.ScanType)
	}
	var flags byte
	if c.HasLength {
		flags |= hasLength
	}
	if c.HasPrecision {
		flags |= hasPrecision
	}
	if c.HasNullable {
		flags |= hasNullable
	}
	if c.Nullable {
		flags |= isNullable
	}
	dst = append(dst, byte(c.ScanType), flags)
	dst = binary.AppendUvarint(dst, uint64(c.TypeOID))
	dst = binary.AppendVarint(dst, int64(c.TypeModifier))
	dst = binary.AppendVarint(dst, int64(c.Format))
	dst = binary.AppendUvarint(dst, uint64(c.TableOID))
	dst = binary.AppendUvarint(dst, uint64(c.TableAttr))
	dst = binary.AppendVarint(dst, int64(c.TypeSize))
	dst = binary.AppendVarint(dst, c.Length)
	dst = binary.AppendVarint(dst, c.Precision)
	dst = binary.AppendVarint(dst, c.Scale)
	dst = append(binary.AppendUvarint(dst, uint64(len(c.Name))), c.Name...)
	dst = append(binary.AppendUvarint(dst, uint64(len(c.DatabaseTypeName))), c.DatabaseTypeName...)
	return dst, nil
}

// DecodeColumns decodes what Reader.ColumnBlock returned, n columns. It returns ErrCorrupt if
// block is not exactly that.
func DecodeColumns(block []byte, n int) ([]Column, error) {
	// Checked before anything is allocated: n comes from outside, too.
	if n < 0 || n > len(block)/columnLeast {
		return nil, fmt.Errorf("%w: %d columns in %d bytes", ErrCorrupt, n, len(block))
	}
	cols := make([]Column, n)
	for i := range cols {
		rest, ok := decodeColumn(block, &cols[i])
		if !ok {
			return nil, fmt.Errorf("%w: column %d", ErrCorrupt, i)
		}
		block = rest
	}
	if len(block) != 0 {
		return nil, fmt.Errorf("%w: bytes behind the columns", ErrCorrupt)
	}
	return cols, nil
}

func decodeColumn(b []byte, c *Column) (rest []byte, ok bool) {
	if len(b) < columnLeast || ScanType(b[0]) >= scanTypeEnd || b[1] > columnFlags {
		return nil, false
	}
	flags := b[1]
	in := fields{b: b[2:]}
	*c = Column{
		ScanType:         ScanType(b[0]),
		HasLength:        flags&hasLength != 0,
		HasPrecision:     flags&hasPrecision != 0,
		HasNullable:      flags&hasNullable != 0,
		Nullable:         flags&isNullable != 0,
		TypeOID:          uint32(in.unsigned(math.MaxUint32)),
		TypeModifier:     int32(in.signed(math.MinInt32, math.MaxInt32)),
		Format:           int16(in.signed(math.MinInt16, math.MaxInt16)),
		TableOID:         uint32(in.unsigned(math.MaxUint32)),
		TableAttr:        uint16(in.unsigned(math.MaxUint16)),
		TypeSize:         int16(in.signed(math.MinInt16, math.MaxInt16)),
		Length:           in.signed(math.MinInt64, math.MaxInt64),
		Precision:        in.signed(math.MinInt64, math.MaxInt64),
		Scale:            in.signed(math.MinInt64, math.MaxInt64),
		Name:             in.text(),
		DatabaseTypeName: in.text(),
	}
	return in.b, !in.bad
}

// fields reads one after the other. Once something was wrong everything is.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) unsigned(most uint64) uint64 {
	v, w := binary.Uvarint(f.b)
	if w <= 0 || v > most {
		f.b, f.bad = nil, true
		return 0
	}
	f.b = f.b[w:]
	return v
}

func (f *fields) signed(least, most int64) int64 {
	v, w := binary.Varint(f.b)
	if w <= 0 || v < least || v > most {
		f.b, f.bad = nil, true
		return 0
	}
	f.b = f.b[w:]
	return v
}

func (f *fields) text() string {
	n := f.unsigned(math.MaxUint32)
	if n > uint64(len(f.b)) {
		f.b, f.bad = nil, true
		return ""
	}
	s := string(f.b[:n])
	f.b = f.b[n:]
	return s
}
