package mlcache

import (
	"bytes"
	"database/sql/driver"
)

// madeValues are the first values of an answer, row by row, as they were handed out before. So an answer that the same
// connection gives again and again is decoded once.
type madeValues struct {
	values []driver.Value
	// bytes says that there are []byte among them. A caller may write to such a value, so that each gets a copy.
	bytes bool
}

// mostMade bounds how many values are kept of one answer.
const mostMade = 512

// keep adds the value at a place, if it is the next one.
func (m *madeValues) keep(at int, v driver.Value) {
	if len(m.values) != at || at >= mostMade {
		return
	}
	if b, ok := v.([]byte); ok {
		v = bytes.Clone(b)
		m.bytes = true
	}
	m.values = append(m.values, v)
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
	if end > len(m.values) {
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
