package mlcache

import (
	"bytes"
	"database/sql/driver"

	"github.com/jackc/pgx/v5/pgtype"
)

// madeValues are the values of the first rows of an answer, row by row, as they were handed out before. So an answer that is
// given again and again is decoded once. They never change.
type madeValues struct {
	values []driver.Value
	// bytes says that there are []byte among them. A caller may write to such a value, so that each gets a copy.
	bytes bool
}

const (
	// mostMade bounds how many values are kept of one answer.
	mostMade = 512
	// mostTries is how often they are collected in vain: callers may never read as far.
	mostTries = 8
)

// noneMade stands for an answer whose values are not kept.
var noneMade = new(madeValues)

// valuesOf is how many values are kept of an answer: those of whole rows.
func valuesOf(a *answer) int {
	cols := len(a.columns.cols)
	if cols == 0 {
		return 0
	}
	return min(a.reader.NumRows(), mostMade/cols) * cols
}

// making collects the values while they are handed out for the first time. The nil one collects nothing.
type making struct {
	of   *frontEntry
	want int
	madeValues
}

// make returns what collects the values of e; nil if that is not to be.
func (e *frontEntry) make() *making {
	m := &making{of: e, want: valuesOf(&e.answer)}
	if m.want == 0 || e.tries.Add(1) > mostTries {
		e.made.CompareAndSwap(nil, noneMade)
		return nil
	}
	return m
}

// keep adds the value at a place, if it is the next one. With the last of them all are there for everybody.
func (m *making) keep(at int, v driver.Value) {
	if m == nil || len(m.values) != at || at >= m.want {
		return
	}
	if b, ok := v.([]byte); ok {
		v = bytes.Clone(b)
		m.bytes = true
	}
	if m.values == nil {
		m.values = make([]driver.Value, 0, min(m.want, len(m.of.answer.columns.cols)))
	}
	m.values = append(m.values, v)
	if len(m.values) == m.want {
		m.of.made.CompareAndSwap(nil, &m.madeValues)
	}
}

// typeMap is for values that only a type map can make. What it makes of them is the connection's own, so the answer's values
// are not kept.
func (r *wireRows) typeMap() *pgtype.Map {
	if r.making != nil {
		r.making.of.made.CompareAndSwap(nil, noneMade)
		r.making = nil
	}
	return r.conn.typeMap()
}

// copyOf returns a value that the caller may have.
func copyOf(v driver.Value) driver.Value {
	if b, ok := v.([]byte); ok {
		return bytes.Clone(b)
	}
	return v
}

// nextMade hands out the next row, if its values are there.
func (r *wireRows) nextMade(dest []driver.Value) bool {
	m, end := r.made, r.at+len(r.cells)
	if m == nil || end > len(m.values) {
		return false
	}
	copy(dest, m.values[r.at:end])
	if m.bytes {
		for i, v := range dest[:len(r.cells)] {
			dest[i] = copyOf(v)
		}
	}
	r.at = end
	r.behind++
	return true
}
