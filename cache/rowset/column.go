package rowset

import (
	"encoding/binary"
	"fmt"
)

// Column describes one column of a result. In mode Wire the first group of fields
// matters, as in PostgreSQL's RowDescription message (manual,
// "Message Formats"); in mode Values the second, which holds what the optional column interfaces
// of database/sql/driver said. All fields are stored in both.
type Column struct {
	Name string

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

// A column in the block, integers in little-endian order:
//
//	scan type 1, flags 1, type OID 4, modifier 4, format 2, table OID 4,
//	table attribute 2, type size 2, length 8, precision 8, scale 8,
//	name and database type name, each with a varint length before it
const (
	columnFixed = 1 + 1 + 4 + 4 + 2 + 4 + 2 + 2 + 8 + 8 + 8
	columnLeast = columnFixed + 1 + 1
)

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
	le := binary.LittleEndian
	dst = append(dst, byte(c.ScanType), flags)
	dst = le.AppendUint32(dst, c.TypeOID)
	dst = le.AppendUint32(dst, uint32(c.TypeModifier))
	dst = le.AppendUint16(dst, uint16(c.Format))
	dst = le.AppendUint32(dst, c.TableOID)
	dst = le.AppendUint16(dst, c.TableAttr)
	dst = le.AppendUint16(dst, uint16(c.TypeSize))
	dst = le.AppendUint64(dst, uint64(c.Length))
	dst = le.AppendUint64(dst, uint64(c.Precision))
	dst = le.AppendUint64(dst, uint64(c.Scale))
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
	le := binary.LittleEndian
	flags := b[1]
	*c = Column{
		ScanType:     ScanType(b[0]),
		HasLength:    flags&hasLength != 0,
		HasPrecision: flags&hasPrecision != 0,
		HasNullable:  flags&hasNullable != 0,
		Nullable:     flags&isNullable != 0,
		TypeOID:      le.Uint32(b[2:]),
		TypeModifier: int32(le.Uint32(b[6:])),
		Format:       int16(le.Uint16(b[10:])),
		TableOID:     le.Uint32(b[12:]),
		TableAttr:    le.Uint16(b[16:]),
		TypeSize:     int16(le.Uint16(b[18:])),
		Length:       int64(le.Uint64(b[20:])),
		Precision:    int64(le.Uint64(b[28:])),
		Scale:        int64(le.Uint64(b[36:])),
	}
	if c.Name, b, ok = cutString(b[columnFixed:]); !ok {
		return nil, false
	}
	c.DatabaseTypeName, b, ok = cutString(b)
	return b, ok
}

func cutString(b []byte) (s string, rest []byte, ok bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return "", nil, false
	}
	end := w + int(n)
	return string(b[w:end]), b[end:], true
}
