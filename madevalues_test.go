package mlcache

import (
	"database/sql/driver"
	"testing"

	"github.com/mlcache/mlcache/cache/rowset"
)

// entryOf returns an entry of the front with so many rows of so many columns.
func entryOf(t *testing.T, rows, cols int) *frontEntry {
	t.Helper()
	b := new(rowset.Builder)
	columns := make([]rowset.Column, cols)
	if err := b.Reset(rowset.Values, columns); err != nil {
		t.Fatal(err)
	}
	for range rows {
		if err := b.AppendValueRow(make([]driver.Value, cols)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := rowset.OpenTrusted(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return &frontEntry{answer: answer{reader: r, columns: &decodedColumns{cols: columns}}}
}

func TestValuesAreMadeOnceAndWhole(t *testing.T) {
	e := entryOf(t, 2, 3)
	half, whole := e.make(), e.make()
	half.keep(0, int64(0))
	half.keep(2, int64(2)) // not the next
	for at := range 6 {
		if e.made.Load() != nil {
			t.Errorf("made after %d values", at)
		}
		whole.keep(at, int64(at))
	}
	whole.keep(6, int64(6))
	m := e.made.Load()
	if m == nil || len(m.values) != 6 || m.values[5] != int64(5) || m.bytes {
		t.Fatalf("made %+v", m)
	}
	(*making)(nil).keep(0, nil)

	// What the caller does with its bytes is its own affair.
	e = entryOf(t, 1, 1)
	own := []byte("own")
	e.make().keep(0, own)
	own[0] = 'x'
	if m := e.made.Load(); m == nil || string(m.values[0].([]byte)) != "own" || !m.bytes {
		t.Errorf("made %+v", m)
	}
}

// Of a long answer the first rows are made, and never a part of one.
func TestValuesOfALongAnswer(t *testing.T) {
	if m := entryOf(t, 1000, 3).make(); m.want != mostMade/3*3 {
		t.Errorf("%d values are wanted", m.want)
	}
	for _, e := range []*frontEntry{entryOf(t, 0, 3), entryOf(t, 3, 0), entryOf(t, 1, mostMade+1)} {
		if m := e.make(); m != nil || e.made.Load() != noneMade {
			t.Errorf("%d values are wanted", m.want)
		}
	}
}

// An answer that nobody reads to its end does not cost every reader of its beginning the attempt.
func TestValuesThatAreNeverWhole(t *testing.T) {
	e := entryOf(t, 2, 1)
	for try := range mostTries + 1 {
		if m := e.make(); (m == nil) != (try == mostTries) {
			t.Errorf("try %d: %v", try, m)
		}
	}
	if e.made.Load() != noneMade {
		t.Error("tried on and on")
	}
}

// What a type map has made is not for another connection, which may have another type map.
func TestValuesOfATypeMapAreNotShared(t *testing.T) {
	e := entryOf(t, 1, 2)
	r := &wireRows{conn: new(conn), making: e.make()}
	r.making.keep(0, int64(1))
	if r.typeMap() == nil || r.making != nil || e.made.Load() != noneMade {
		t.Errorf("made %+v", e.made.Load())
	}
	r.making.keep(1, int64(2))
}
