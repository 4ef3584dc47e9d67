package mlcache

import (
	"context"
	"database/sql/driver"
	"io"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mlcache/mlcache/cache/rowset"
	"github.com/mlcache/mlcache/internal/dbconn"
)

// recording is a result that has been read from the origin, whole or up to the
// limits.
type recording struct {
	payload []byte // rowset bytes: the columns and all rows read so far
	rows    driver.Rows
	// whole is true if the result was read to a clean end, within the limits:
	// only such a result may be stored.
	whole bool
	// tooLarge is true if the limits ended the reading.
	tooLarge bool
}

var builders = sync.Pool{New: func() any { return new(rowset.Builder) }}

// maxPooledBuilder keeps one large result from pinning its buffer for ever.
const maxPooledBuilder = 256 << 10

func releaseBuilder(b *rowset.Builder) {
	if b.Size() <= maxPooledBuilder {
		builders.Put(b)
	}
}

// record runs the query at the origin and reads its whole result, within the
// limits, before the first row is handed out: a caller that stops after one row
// (QueryRow) leaves a whole answer behind all the same. onEnd, if not nil, is
// called when the origin has finished the statement; that can be when the last
// row has been handed out, if the result is beyond the limits.
func (c *conn) record(ctx context.Context, src source, args []driver.NamedValue, onEnd func(error)) (*recording, error) {
	if c.db.Pgx != nil {
		// pgx's prepared statement is found again by its text.
		return c.recordWire(ctx, src.query, args, onEnd)
	}
	rows, err := src.rows(ctx, c.db.Origin, args)
	if err != nil {
		callOnEnd(onEnd, err)
		return nil, err
	}
	return c.recordValues(rows, onEnd)
}

func callOnEnd(onEnd func(error), err error) {
	if onEnd != nil {
		onEnd(err)
	}
}

// recordWire does what pgx's QueryContext does, and keeps the raw cells.
func (c *conn) recordWire(ctx context.Context, query string, args []driver.NamedValue, onEnd func(error)) (*recording, error) {
	if c.db.Pgx.IsClosed() {
		callOnEnd(onEnd, driver.ErrBadConn)
		return nil, driver.ErrBadConn
	}
	pgxArgs := make([]any, 1+len(args))
	pgxArgs[0] = resultFormats
	for i := range args {
		pgxArgs[1+i] = args[i].Value
	}
	rows, err := c.db.Pgx.Query(ctx, query, pgxArgs...)
	if err != nil {
		callOnEnd(onEnd, noResult{err})
		if pgconn.SafeToRetry(err) {
			return nil, driver.ErrBadConn
		}
		return nil, err
	}
	more := rows.Next()
	if err := rows.Err(); err != nil {
		rows.Close()
		callOnEnd(onEnd, err)
		return nil, err
	}

	cols := wireColumns(rows.FieldDescriptions())
	b := builders.Get().(*rowset.Builder)
	defer releaseBuilder(b)
	if err := b.Reset(rowset.Wire, cols); err != nil {
		return c.unrecorded(rows, cols, more, onEnd), nil
	}
	cfg := c.engine.cfg
	for more && b.Rows() < cfg.MaxRows && int64(b.Size()) < cfg.MaxBytes {
		if err := b.AddRow(rows.RawValues()); err != nil {
			break
		}
		more = rows.Next()
	}
	rec := &recording{}
	out := &wireRows{conn: c, cols: cols, cells: make([][]byte, len(cols)), onEnd: onEnd, mapped: c.mapped(cols)}
	switch {
	case more: // beyond the limits; the row at hand has not been recorded
		rec.tooLarge = true
		out.live, out.atRow = rows, true
	default:
		rows.Close()
		out.err = rows.Err()
		rec.whole = out.err == nil && int64(b.Size()) <= cfg.MaxBytes
		rec.tooLarge = out.err == nil && !rec.whole
		out.shared = rec.whole // by a flight
		out.end(out.err)
	}
	rec.payload = append([]byte(nil), b.Bytes()...)
	out.reader, err = rowset.OpenTrusted(rec.payload)
	out.boxes.reset(b.Rows())
	if err != nil {
		rows.Close()
		out.end(errRecording)
		return nil, errRecording
	}
	rec.rows = out
	return rec, nil
}

// unrecorded hands on rows whose columns cannot be encoded.
func (c *conn) unrecorded(rows pgx.Rows, cols []rowset.Column, more bool, onEnd func(error)) *recording {
	return &recording{rows: &wireRows{conn: c, cols: cols, cells: make([][]byte, len(cols)), live: rows, atRow: more, onEnd: onEnd,
		mapped: c.mapped(cols)}}
}

func wireColumns(fields []pgconn.FieldDescription) []rowset.Column {
	cols := make([]rowset.Column, len(fields))
	for i, f := range fields {
		cols[i] = rowset.Column{
			Name:         f.Name,
			TypeOID:      f.DataTypeOID,
			TypeModifier: f.TypeModifier,
			Format:       f.Format,
		}
	}
	return cols
}

// recordValues reads the rows of an origin that is not pgx itself.
func (c *conn) recordValues(rows driver.Rows, onEnd func(error)) (*recording, error) {
	if dbconn.ScansColumns(rows) {
		// It can fill destinations that no driver.Value holds enough for, and what the
		// program will ask for is not known yet.
		return &recording{rows: dbconn.EndOnClose(rows, onEnd)}, nil
	}
	cols, known := valueColumns(rows)
	if !known {
		// A column type that cannot be told again: hand the rows on as they are.
		return &recording{rows: dbconn.EndOnClose(rows, onEnd)}, nil
	}
	b := builders.Get().(*rowset.Builder)
	defer releaseBuilder(b)
	if err := b.Reset(rowset.Values, cols); err != nil {
		return &recording{rows: dbconn.EndOnClose(rows, onEnd)}, nil
	}
	cfg := c.engine.cfg
	rec := &recording{}
	out := &valueRows{cols: cols, cells: make([][]byte, len(cols)), onEnd: onEnd}
	dest := make([]driver.Value, len(cols))
	for {
		err := rows.Next(dest)
		if err == io.EOF {
			_, multi := rows.(driver.RowsNextResultSet)
			more := multi && rows.(driver.RowsNextResultSet).HasNextResultSet()
			if more {
				out.live, out.liveEnded = rows, true
			} else {
				err = rows.Close()
				out.closeErr = err
				rec.whole = err == nil && int64(b.Size()) <= cfg.MaxBytes
				rec.tooLarge = err == nil && !rec.whole
				out.shared = rec.whole
				out.end(err)
			}
			break
		}
		if err != nil {
			out.err = err
			out.closeErr = rows.Close()
			out.end(err)
			break
		}
		full := b.Rows() >= cfg.MaxRows || int64(b.Size()) >= cfg.MaxBytes
		if full || b.AppendValueRow(dest) != nil {
			// The row at hand goes first to the caller, then the live ones.
			out.pending = cloneValues(dest)
			out.live = rows
			rec.tooLarge = full
			break
		}
	}
	rec.payload = append([]byte(nil), b.Bytes()...)
	var err error
	if out.reader, err = rowset.OpenTrusted(rec.payload); err != nil {
		rows.Close()
		out.end(errRecording)
		return nil, errRecording
	}
	rec.rows = out
	return rec, nil
}

// replay returns rows over a payload from the cache. shared says that others read
// the same bytes.
func (c *conn) replay(p *plan, payload []byte, shared bool) (driver.Rows, error) {
	a, err := p.open(payload)
	if err != nil {
		return nil, err
	}
	return c.rowsOver(&a, shared), nil
}

// rowsAgain are rowsOver an answer that others give, too.
func (c *conn) rowsAgain(e *frontEntry) driver.Rows {
	rows := c.rowsOver(&e.answer, true)
	if r, ok := rows.(*wireRows); ok && len(r.cells) > 0 && !r.mapped {
		if r.made = e.made.Load(); r.made == nil {
			r.making = e.make()
		}
	}
	return rows
}

func (c *conn) rowsOver(a *answer, shared bool) driver.Rows {
	cols := a.columns.cols
	if a.reader.Mode() == rowset.Values {
		return &valueRows{cols: cols, reader: a.reader, shared: shared, cells: make([][]byte, len(cols))}
	}
	rows := c.takeRows(len(cols))
	rows.cols, rows.known, rows.reader, rows.shared, rows.mapped = cols, a.columns.names, a.reader, shared, c.mapped(cols)
	rows.boxes.reset(a.reader.NumRows())
	return rows
}

// takeRows returns empty rows of so many columns: those that the connection has
// used before, unless they are still in use.
func (c *conn) takeRows(cols int) *wireRows {
	if c.rowsTaken {
		return &wireRows{conn: c, cells: make([][]byte, cols)}
	}
	c.rowsTaken = true
	r := &c.rows
	if cap(r.cells) < cols {
		r.cells = make([][]byte, cols)
	}
	r.conn, r.cells = c, r.cells[:cols]
	return r
}

// giveBackRows is called when the rows from takeRows are closed: database/sql does
// not touch them any more. What they point to can be freed.
func (c *conn) giveBackRows() {
	if !c.rowsTaken {
		return
	}
	cells := c.rows.cells
	clear(cells)
	c.rows = wireRows{cells: cells[:0]}
	c.rowsTaken = false
}
