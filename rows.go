package mlcache

import (
	"database/sql/driver"
	"errors"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/mlcache/mlcache/cache/rowset"
)

// wireRows are the rows of a result in PostgreSQL's wire form: from the cache,
// or just read from a pgx connection, or the first part just read and the rest
// still to come. It has the optional interfaces that pgx's own rows have.
type wireRows struct {
	conn   *conn
	cols   []rowset.Column
	reader rowset.Reader
	cells  [][]byte
	known  []string // the names of cols, which nobody may write to; nil where nobody has made a list of them
	names  []string // the caller's, once he has asked
	boxes  boxes

	// mapped: values come from the connection's type map, on which the program has registered types of its own.
	mapped bool

	// shared: others read the same bytes later, so that nobody may get hold of a
	// part that can be written to.
	shared bool

	// made are the values of the first rows, for an answer that was handed out before. Nil for others.
	made *madeValues
	// making takes the values for those who get the answer later. Nil where nobody will.
	making *making
	// at is how many values have been handed out of made or to making, and behind how many rows of made's reader has not
	// passed.
	at, behind int

	// live is where the rows after reader's come from. Nil when there are none.
	live pgx.Rows
	// atRow: live stands at a row that has not been handed out.
	atRow bool
	// fromLive: the current cells are in pgx's memory.
	fromLive bool
	// err is what ended the result after reader's rows, if nothing is live.
	err error
	// onEnd is called once, when the origin has carried the statement out to its
	// end: at the last row or at Close.
	onEnd func(err error)
}

var (
	_ driver.Rows                           = (*wireRows)(nil)
	_ driver.RowsColumnTypeDatabaseTypeName = (*wireRows)(nil)
	_ driver.RowsColumnTypeLength           = (*wireRows)(nil)
	_ driver.RowsColumnTypePrecisionScale   = (*wireRows)(nil)
	_ driver.RowsColumnTypeScanType         = (*wireRows)(nil)
)

func (r *wireRows) Columns() []string {
	if r.names == nil {
		names := r.known
		if names == nil {
			names = columnNames(r.cols)
		}
		r.names = r.conn.ownNames(names)
	}
	return r.names
}

// ownNames returns the names in a slice that is the caller's, who may write to it. The slices of several
// results lie side by side in memory, so that most take no allocation; nobody gets a part that somebody else has had.
func (c *conn) ownNames(names []string) []string {
	n := len(names)
	if len(c.nameRoom) < n {
		c.nameRoom = make([]string, max(n, nameChunk))
	}
	own := c.nameRoom[:n:n]
	c.nameRoom = c.nameRoom[n:]
	copy(own, names)
	return own
}

// nameChunk is for how many names room is allocated at once.
const nameChunk = 64

func columnNames(cols []rowset.Column) []string {
	names := make([]string, len(cols))
	for i := range cols {
		names[i] = cols[i].Name
	}
	return names
}

// advance makes the next row's cells current.
func (r *wireRows) advance() error {
	if r.behind > 0 {
		r.reader.Pass(r.behind)
		r.behind = 0
	}
	if r.reader.Next(r.cells) {
		return nil
	}
	if r.live != nil {
		if r.atRow || r.live.Next() {
			r.atRow = false
			r.fromLive = true
			copy(r.cells, r.live.RawValues())
			return nil
		}
		err := r.live.Err()
		r.end(err)
		if err != nil {
			return err
		}
		return io.EOF
	}
	r.end(r.err)
	if r.err != nil {
		return r.err
	}
	return io.EOF
}

func (r *wireRows) end(err error) {
	if f := r.onEnd; f != nil {
		r.onEnd = nil
		f(err)
	}
}

func (r *wireRows) Next(dest []driver.Value) error {
	if r.nextMade(dest) {
		return nil
	}
	if err := r.advance(); err != nil {
		return err
	}
	for i, cell := range r.cells {
		if cell == nil {
			dest[i] = nil
			continue
		}
		v, err := r.value(i)
		if err != nil {
			return fieldError(i, err)
		}
		dest[i] = v
	}
	if r.making != nil {
		for i := range r.cells {
			r.making.keep(r.at+i, dest[i])
		}
		r.at += len(r.cells)
	}
	return nil
}

// value makes the value of a cell that is not NULL.
func (r *wireRows) value(i int) (driver.Value, error) {
	col := &r.cols[i]
	if r.mapped && isBinary(col.TypeOID) {
		return decodeByMap(r.conn.typeMap(), col.TypeOID, col.Format, r.own(i))
	}
	return decodeCell(r.typeMap, &r.boxes, col.TypeOID, col.Format, r.own(i))
}

// own returns the cell, copied if its memory belongs to somebody else. A string
// cannot be written to, so only bytes need that from a shared result.
func (r *wireRows) own(i int) []byte {
	cell := r.cells[i]
	switch {
	case cell == nil:
	case r.fromLive: // pgx overwrites it at the next row
		return append([]byte{}, cell...)
	case r.shared:
		switch r.cols[i].TypeOID {
		case pgtype.ByteaOID, pgtype.JSONOID, pgtype.JSONBOID, pgtype.XMLOID:
			return append([]byte{}, cell...)
		}
	}
	return cell
}

// Close ends the result. Like pgx's, it reports an error that came after the
// last row that was asked for.
func (r *wireRows) Close() error {
	err := r.err
	if r.live != nil {
		r.live.Close()
		err = r.live.Err()
	}
	r.end(err)
	if r == &r.conn.rows {
		r.conn.giveBackRows()
	}
	return err
}

// ColumnTypeDatabaseTypeName is the type's name in upper case, or its OID if the
// connection's type map does not know it.
func (r *wireRows) ColumnTypeDatabaseTypeName(index int) string {
	oid := r.cols[index].TypeOID
	if t, ok := r.conn.typeMap().TypeForOID(oid); ok {
		return strings.ToUpper(t.Name)
	}
	return strconv.FormatInt(int64(oid), 10)
}

// varHeaderSize is what PostgreSQL adds to the length in a type modifier
// (VARHDRSZ).
const varHeaderSize = 4

func (r *wireRows) ColumnTypeLength(index int) (int64, bool) {
	switch c := &r.cols[index]; c.TypeOID {
	case pgtype.TextOID, pgtype.ByteaOID:
		return math.MaxInt64, true
	case pgtype.VarcharOID, pgtype.BPCharOID:
		return int64(c.TypeModifier - varHeaderSize), true
	case pgtype.VarbitOID:
		return int64(c.TypeModifier), true
	default:
		return 0, false
	}
}

func (r *wireRows) ColumnTypePrecisionScale(index int) (precision, scale int64, ok bool) {
	c := &r.cols[index]
	if c.TypeOID != pgtype.NumericOID {
		return 0, 0, false
	}
	mod := c.TypeModifier - varHeaderSize
	return int64(mod >> 16 & 0xffff), int64(mod & 0xffff), true
}

func (r *wireRows) ColumnTypeScanType(index int) reflect.Type {
	switch r.cols[index].TypeOID {
	case pgtype.Float8OID, pgtype.NumericOID:
		return reflect.TypeFor[float64]()
	case pgtype.Float4OID:
		return reflect.TypeFor[float32]()
	case pgtype.Int8OID:
		return reflect.TypeFor[int64]()
	case pgtype.Int4OID:
		return reflect.TypeFor[int32]()
	case pgtype.Int2OID:
		return reflect.TypeFor[int16]()
	case pgtype.BoolOID:
		return reflect.TypeFor[bool]()
	case pgtype.DateOID, pgtype.TimestampOID, pgtype.TimestamptzOID:
		return reflect.TypeFor[time.Time]()
	case pgtype.ByteaOID:
		return reflect.TypeFor[[]byte]()
	default:
		return reflect.TypeFor[string]()
	}
}

// errRecording says that recorded bytes, which this process made or verified,
// could not be read back. It shows a bug, not a state of the world.
var errRecording = errors.New("mlcache: a recorded result cannot be read")
