package rowset

import (
	"encoding/binary"
	"fmt"
)

// Reader reads a row set. It is a value: copies read independently. A zero
// Reader has no columns and no rows.
type Reader struct {
	b     []byte // the whole row set
	block []byte
	first int    // where the first row begins in b
	pos   int    // where the next row begins in b
	left  uint32 // rows not yet read
	rows  uint32
	cols  uint16
	mode  Mode
	bad   bool
}

// Open checks all of b, every column and every row, and returns a Reader at
// its first row, which is not to be used after an error. It is for bytes from outside the process. Its error is
// ErrCorrupt. After a successful Open no method fails, except that the cells of
// mode Values are checked by DecodeValue.
func Open(b []byte) (Reader, error) {
	r, err := OpenTrusted(b)
	if err != nil {
		return Reader{}, err
	}
	if _, err := r.Columns(); err != nil {
		return Reader{}, err
	}
	return r, r.CheckRows()
}

// CheckRows is the part of Open that is left to do after OpenTrusted for who knows the columns already, by ColumnBlock
// and NumCols. Its error is ErrCorrupt. It looks at the rows from the next one on and moves nothing.
func (r *Reader) CheckRows() error {
	walk := *r
	for walk.Skip() {
	}
	if walk.bad || walk.left != 0 {
		return fmt.Errorf("%w: row %d", ErrCorrupt, walk.rows-walk.left)
	}
	if walk.pos != len(walk.b) {
		return fmt.Errorf("%w: bytes behind the rows", ErrCorrupt)
	}
	return nil
}

// OpenTrusted looks at the head of b only. It is for bytes that this process wrote and
// kept to itself. Whatever b holds, no method of the Reader panics or
// reads outside of b.
func OpenTrusted(b []byte) (Reader, error) {
	if len(b) < headerSize || b[0] != formatVersion {
		return Reader{}, fmt.Errorf("%w: unknown format", ErrCorrupt)
	}
	mode := Mode(b[offMode])
	if mode != Wire && mode != Values {
		return Reader{}, fmt.Errorf("%w: mode %d", ErrCorrupt, mode)
	}
	size := binary.LittleEndian.Uint32(b[offBlockSize:])
	if uint64(size) > uint64(len(b)-headerSize) {
		return Reader{}, fmt.Errorf("%w: columns beyond the end", ErrCorrupt)
	}
	first := headerSize + int(size)
	rows := binary.LittleEndian.Uint32(b[offRows:])
	return Reader{
		b:     b,
		block: b[headerSize:first:first],
		first: first,
		pos:   first,
		left:  rows,
		rows:  rows,
		cols:  binary.LittleEndian.Uint16(b[offCols:]),
		mode:  mode,
	}, nil
}

// Mode says what the cells are.
func (r *Reader) Mode() Mode { return r.mode }

// NumRows is the number of rows, read and unread.
func (r *Reader) NumRows() int { return int(r.rows) }

// NumCols is the number of columns.
func (r *Reader) NumCols() int { return int(r.cols) }

// ColumnBlock returns the encoded columns, which DecodeColumns decodes. Equal bytes
// and equal NumCols mean equal columns, so that a caller can keep the decoded
// columns and compare. It aliases the row set.
func (r *Reader) ColumnBlock() []byte { return r.block }

// Columns decodes the columns. The result is the caller's own.
func (r *Reader) Columns() ([]Column, error) {
	return DecodeColumns(r.block, int(r.cols))
}

// Next reads the next row into cells, at least NumCols slices; further ones are
// left alone. The cells alias the row set: they must not be written to. NULL is
// nil, and an empty cell is not nil. Next returns false after the last row, and
// for damaged bytes or too few cells; Err tells which.
func (r *Reader) Next(cells [][]byte) bool {
	if r.left == 0 {
		return false
	}
	if r.cols == 0 {
		return r.nextEmpty()
	}
	if len(cells) < int(r.cols) {
		return r.fail()
	}
	b, pos := r.b, r.pos
	cells = cells[:r.cols]
	for i := range cells {
		if pos >= len(b) {
			return r.fail()
		}
		n := int(b[pos])
		pos++
		if n >= 0x80 {
			var ok bool
			if n, pos, ok = longLength(b, pos-1); !ok {
				return r.fail()
			}
		}
		if n == 0 {
			cells[i] = nil
			continue
		}
		end := pos + n - 1
		if end > len(b) {
			return r.fail()
		}
		cells[i] = b[pos:end:end]
		pos = end
	}
	r.pos = pos
	r.left--
	return true
}

// Skip passes over the next row as Next would read it.
func (r *Reader) Skip() bool {
	if r.left == 0 {
		return false
	}
	if r.cols == 0 {
		return r.nextEmpty()
	}
	b, pos := r.b, r.pos
	for range int(r.cols) {
		if pos >= len(b) {
			return r.fail()
		}
		n := int(b[pos])
		pos++
		if n >= 0x80 {
			var ok bool
			if n, pos, ok = longLength(b, pos-1); !ok {
				return r.fail()
			}
		}
		if n == 0 {
			continue
		}
		if pos += n - 1; pos > len(b) {
			return r.fail()
		}
	}
	r.pos = pos
	r.left--
	return true
}

// Pass passes over the next n rows. It looks at none of them if no more are left.
func (r *Reader) Pass(n int) {
	if uint64(n) >= uint64(r.left) {
		r.left = 0
		return
	}
	for range n {
		r.Skip()
	}
}

// Rewind goes back to the first row.
func (r *Reader) Rewind() {
	r.pos, r.left, r.bad = r.first, r.rows, false
}

// Err returns ErrCorrupt if Next or Skip stopped before the last row, and nil otherwise.
func (r *Reader) Err() error {
	if r.bad {
		return fmt.Errorf("%w: row beyond the end, or more columns than cells", ErrCorrupt)
	}
	return nil
}

// nextEmpty reads a row without columns.
func (r *Reader) nextEmpty() bool {
	if r.pos >= len(r.b) || r.b[r.pos] != 0 {
		return r.fail()
	}
	r.pos++
	r.left--
	return true
}

func (r *Reader) fail() bool {
	r.bad = true
	r.left = 0
	return false
}

// longLength reads a varint of more than one byte at b[pos]. It fails for a
// number that is longer than b, so that the sum with a position cannot overflow.
func longLength(b []byte, pos int) (n, next int, ok bool) {
	v, w := binary.Uvarint(b[pos:])
	if w <= 0 || v > uint64(len(b))+1 {
		return 0, 0, false
	}
	return int(v), pos + w, true
}
