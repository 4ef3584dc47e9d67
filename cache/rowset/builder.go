package rowset

import (
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"math"
)

// Builder writes a row set. The zero value is ready for Reset, and a Builder
// can be used again and again; it keeps its memory. It is not safe for concurrent use.
type Builder struct {
	buf   []byte
	start int // where the row set begins in buf
	cols  int
	rows  uint32
	mode  Mode
	value []byte // scratch for one encoded value
}

// Reset begins a new row set in the Builder's own memory. What Bytes returned
// before is overwritten. It returns ErrUnsupported if the columns cannot be stored.
func (b *Builder) Reset(mode Mode, cols []Column) error {
	return b.ResetTo(b.buf[:0], mode, cols)
}

// ResetTo begins a new row set behind what dst holds already, for instance the
// head of a cache entry, and takes over dst's memory. Buffer returns both.
func (b *Builder) ResetTo(dst []byte, mode Mode, cols []Column) error {
	b.buf, b.start, b.rows, b.mode, b.cols = dst, len(dst), 0, mode, len(cols)
	if mode != Wire && mode != Values {
		return fmt.Errorf("%w: mode %d", ErrUnsupported, mode)
	}
	if len(cols) > MaxColumns {
		return fmt.Errorf("%w: %d columns", ErrUnsupported, len(cols))
	}
	var head [headerSize]byte
	head[0], head[offMode] = formatVersion, byte(mode)
	binary.LittleEndian.PutUint16(head[offCols:], uint16(len(cols)))
	b.buf = append(b.buf, head[:]...)
	blockStart := len(b.buf)
	for i := range cols {
		var err error
		if b.buf, err = appendColumn(b.buf, &cols[i]); err != nil {
			return err
		}
	}
	size := len(b.buf) - blockStart
	if uint64(size) > math.MaxUint32 {
		return fmt.Errorf("%w: column names too long", ErrUnsupported)
	}
	binary.LittleEndian.PutUint32(b.buf[b.start+offBlockSize:], uint32(size))
	return nil
}

// AddRow appends a row of wire cells, copying them. A nil cell is NULL, an
// empty one is not. There must be as many cells as columns.
func (b *Builder) AddRow(cells [][]byte) error {
	if err := b.beginRow(len(cells), Wire); err != nil {
		return err
	}
	buf := b.buf
	for _, cell := range cells {
		if cell == nil {
			buf = append(buf, 0)
			continue
		}
		buf = binary.AppendUvarint(buf, uint64(len(cell))+1)
		buf = append(buf, cell...)
	}
	b.buf = buf
	return nil
}

// AppendValueRow appends a row of values, copying them. There must be as many
// values as columns. It returns ErrUnsupported, and the row set is as it was
// before the call, if a value cannot be stored exactly; AppendValue says which can.
func (b *Builder) AppendValueRow(values []driver.Value) error {
	undo, rows := len(b.buf), b.rows
	if err := b.beginRow(len(values), Values); err != nil {
		return err
	}
	for _, v := range values {
		if v == nil {
			b.buf = append(b.buf, 0)
			continue
		}
		var err error
		if b.value, err = AppendValue(b.value[:0], v); err != nil {
			b.buf, b.rows = b.buf[:undo], rows
			return err
		}
		b.buf = binary.AppendUvarint(b.buf, uint64(len(b.value))+1)
		b.buf = append(b.buf, b.value...)
	}
	return nil
}

func (b *Builder) beginRow(cells int, mode Mode) error {
	switch {
	case b.mode != mode:
		return fmt.Errorf("%w: row of another mode than the row set", ErrUnsupported)
	case cells != b.cols:
		return fmt.Errorf("%w: %d cells for %d columns", ErrUnsupported, cells, b.cols)
	case b.rows == math.MaxUint32:
		return fmt.Errorf("%w: too many rows", ErrUnsupported)
	}
	b.rows++
	if cells == 0 {
		b.buf = append(b.buf, 0)
	}
	return nil
}

// Rows is the number of rows added.
func (b *Builder) Rows() int { return int(b.rows) }

// Size is the length in bytes of the row set so far.
func (b *Builder) Size() int { return len(b.buf) - b.start }

// Bytes returns the row set, complete in itself. It is valid until the next call of a
// method that writes. Rows may still be added afterwards, and Bytes called again.
func (b *Builder) Bytes() []byte {
	return b.Buffer()[b.start:]
}

// Buffer returns what ResetTo was given with the row set behind it. The rules
// of Bytes apply.
func (b *Builder) Buffer() []byte {
	if len(b.buf) >= b.start+headerSize {
		binary.LittleEndian.PutUint32(b.buf[b.start+offRows:], b.rows)
	}
	return b.buf
}
