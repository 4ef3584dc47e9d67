package rowset

import (
	"bytes"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// exercise calls everything on b. It returns the number of rows read, and fails the
// test for anything but rows or ErrCorrupt.
func exercise(tb testing.TB, b []byte) (opened bool, rows int) {
	tb.Helper()
	fail := func(what string, err error) {
		tb.Helper()
		if err != nil && !errors.Is(err, ErrCorrupt) {
			tb.Fatalf("%s: error is not ErrCorrupt: %v", what, err)
		}
	}
	checked, err := Open(b)
	fail("Open", err)
	opened = err == nil
	r, err := OpenTrusted(b)
	fail("OpenTrusted", err)
	if err != nil {
		if opened {
			tb.Fatal("Open succeeds where OpenTrusted does not")
		}
		return false, 0
	}
	_, err = r.Columns()
	fail("Columns", err)
	if opened && err != nil {
		tb.Fatalf("Open succeeded, Columns fails: %v", err)
	}
	cells := make([][]byte, r.NumCols())
	skip := r
	for r.Next(cells) {
		if !skip.Skip() || skip.pos != r.pos {
			tb.Fatal("Skip and Next disagree")
		}
		rows++
		for _, c := range cells {
			v, err := DecodeValue(c)
			fail("DecodeValue", err)
			if tm, ok := v.(time.Time); ok {
				_ = tm.Format(time.RFC3339Nano)
			}
		}
	}
	fail("Next", r.Err())
	if skip.Skip() {
		tb.Fatal("Skip goes further than Next")
	}
	if rows > len(b) {
		tb.Fatalf("%d rows in %d bytes", rows, len(b))
	}
	if opened && (r.Err() != nil || rows != checked.NumRows()) {
		tb.Fatalf("Open succeeded, but %d of %d rows were read: %v", rows, checked.NumRows(), r.Err())
	}
	return opened, rows
}

func valueSet(tb testing.TB) []byte {
	tb.Helper()
	var b Builder
	if err := b.Reset(Values, []Column{{Name: "a", ScanType: 7, HasLength: true}, {Name: "b", DatabaseTypeName: "DATE"}}); err != nil {
		tb.Fatal(err)
	}
	for _, row := range [][]driver.Value{
		{int64(1), "one"}, {nil, time.Unix(5, 6).In(time.FixedZone("CET", 3600))}, {1.5, []byte("bytes")}, {true, time.Unix(1, 0).UTC()},
	} {
		if err := b.AppendValueRow(row); err != nil {
			tb.Fatal(err)
		}
	}
	return b.Bytes()
}

func seeds(tb testing.TB) map[string][]byte {
	return map[string][]byte{
		"people":     build(tb, Wire, people, peopleRows[:3]),
		"long cells": build(tb, Wire, people, peopleRows[3:]),
		"values":     valueSet(tb),
		"no columns": build(tb, Wire, nil, [][][]byte{{}, {}}),
		"no rows":    build(tb, Wire, people, nil),
	}
}

func TestRowSetDamage(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for name, b := range seeds(t) {
		for bit := range min(len(b), 400) * 8 {
			d := bytes.Clone(b)
			d[bit/8] ^= 1 << (bit % 8)
			exercise(t, d)
		}
		for n := range b {
			if opened, _ := exercise(t, b[:n]); opened {
				t.Errorf("%s: opens with %d of %d bytes", name, n, len(b))
			}
		}
		if opened, _ := exercise(t, append(bytes.Clone(b), 0)); opened {
			t.Errorf("%s: opens with a byte behind it", name)
		}
		for range 2000 {
			d := bytes.Clone(b)
			from := rng.IntN(len(d))
			for i := from; i < min(len(d), from+1+rng.IntN(20)); i++ {
				d[i] = byte(rng.Uint32())
			}
			exercise(t, d)
		}
	}
	if t.Failed() {
		t.Logf("seed %d", seed)
	}
}

// Numbers that promise more than the bytes hold must cost nothing. The test
// counts memory, and so runs alone.
func TestRowSetLies(t *testing.T) {
	le := binary.LittleEndian
	for name, lie := range map[string]func(b []byte) []byte{
		"rows without columns": func(b []byte) []byte {
			b = b[:headerSize:headerSize]
			le.PutUint16(b[offCols:], 0)
			le.PutUint32(b[offBlockSize:], 0)
			le.PutUint32(b[offRows:], 1<<32-1)
			return b
		},
		"rows":            func(b []byte) []byte { le.PutUint32(b[offRows:], 1<<32-1); return b },
		"one row more":    func(b []byte) []byte { b[offRows]++; return b },
		"one row less":    func(b []byte) []byte { b[offRows]--; return b },
		"columns":         func(b []byte) []byte { le.PutUint16(b[offCols:], 1<<16-1); return b },
		"one column more": func(b []byte) []byte { b[offCols]++; return b },
		"one column less": func(b []byte) []byte { b[offCols]--; return b },
		"column block":    func(b []byte) []byte { le.PutUint32(b[offBlockSize:], 1<<32-1); return b },
		"a longer block":  func(b []byte) []byte { b[offBlockSize]++; return b },
		"a shorter block": func(b []byte) []byte { b[offBlockSize]--; return b },
		"a row that is not empty, without columns": func(b []byte) []byte {
			b = append(b[:headerSize:headerSize], 1)
			le.PutUint16(b[offCols:], 0)
			le.PutUint32(b[offBlockSize:], 0)
			le.PutUint32(b[offRows:], 1)
			return b
		},
		"another version":      func(b []byte) []byte { b[0]++; return b },
		"no mode":              func(b []byte) []byte { b[offMode] = 0; return b },
		"a mode of the future": func(b []byte) []byte { b[offMode] = 3; return b },
		"longest cell": func(b []byte) []byte {
			b = b[:len(b)-3] // the last row is three NULLs
			return append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 0)
		},
		"a cell of a number too long": func(b []byte) []byte {
			b = b[:len(b)-3]
			return append(append(b, bytes.Repeat([]byte{0xff}, 20)...), 0, 0)
		},
		"a cell one byte too long": func(b []byte) []byte { b[len(b)-1] = 2; return b },
		"longest name": func(b []byte) []byte {
			r, _ := OpenTrusted(b)
			at := bytes.Index(r.ColumnBlock(), []byte("\x02id"))
			r.ColumnBlock()[at] = 0x7f
			return b
		},
	} {
		b := lie(bytes.Clone(build(t, Wire, people, peopleRows[:3])))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if opened, _ := exercise(t, b); opened {
			t.Errorf("%s: opens", name)
		}
		runtime.ReadMemStats(&after)
		// The test's own slice of cells is the largest thing here: 65,535 times 24 bytes.
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
			t.Errorf("%s: %d bytes of memory for %d bytes of input", name, grown, len(b))
		}
	}
}

func TestColumnLies(t *testing.T) {
	t.Parallel()
	// One column as appendColumn writes it, field by field.
	const nFields = 9
	column := func(scanType, flags byte, field int, value []byte) []byte {
		b := []byte{scanType, flags}
		for i := range nFields {
			if i == field {
				b = append(b, value...)
			} else {
				b = append(b, 0)
			}
		}
		return append(b, 1, 'a', 0)
	}
	if cols, err := DecodeColumns(column(1, columnFlags, -1, nil), 1); err != nil || cols[0].Name != "a" {
		t.Fatalf("the forger's tool itself is wrong: %v, %v", cols, err)
	}
	over := func(bits int) []byte { return binary.AppendUvarint(nil, 1<<bits) }
	overSigned := func(bits int) []byte { return binary.AppendVarint(nil, 1<<(bits-1)) }
	underSigned := func(bits int) []byte { return binary.AppendVarint(nil, -1<<(bits-1)-1) }
	for name, block := range map[string][]byte{
		"scan type":         column(byte(scanTypeEnd), 0, -1, nil),
		"flags":             column(0, columnFlags+1, -1, nil),
		"type OID":          column(0, 0, 0, over(32)),
		"modifier":          column(0, 0, 1, overSigned(32)),
		"negative modifier": column(0, 0, 1, underSigned(32)),
		"format":            column(0, 0, 2, overSigned(16)),
		"negative format":   column(0, 0, 2, underSigned(16)),
		"table OID":         column(0, 0, 3, over(32)),
		"table attribute":   column(0, 0, 4, over(16)),
		"type size":         column(0, 0, 5, overSigned(16)),
		"length":            column(0, 0, 6, bytes.Repeat([]byte{0xff}, 11)),
		"bytes behind":      append(column(0, 0, -1, nil), 0),
		"cut":               column(0, 0, -1, nil)[:nFields+4],
		"no columns":        {},
	} {
		if cols, err := DecodeColumns(block, 1); !errors.Is(err, ErrCorrupt) || cols != nil {
			t.Errorf("%s: %+v, %v; want ErrCorrupt", name, cols, err)
		}
	}
	if _, err := DecodeColumns(nil, -1); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a negative number of columns: %v, want ErrCorrupt", err)
	}
}

func FuzzOpen(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		opened, _ := exercise(t, b)
		if !bytes.Equal(b, before) {
			t.Fatal("reading wrote to its input")
		}
		if !opened {
			return
		}
		// What opens means the same once it has been written again.
		r, _ := Open(b)
		cols, err := r.Columns()
		if err != nil {
			t.Fatal(err)
		}
		var again Builder
		if err := again.Reset(r.Mode(), cols); err != nil {
			t.Fatalf("opens, but cannot be written: %v", err)
		}
		again.mode = Wire // cells as they are
		rows := readAll(&r)
		for _, row := range rows {
			if err := again.AddRow(row); err != nil {
				t.Fatal(err)
			}
		}
		r2, err := Open(again.Bytes())
		if err != nil {
			t.Fatalf("written again it does not open: %v", err)
		}
		for i, row := range readAll(&r2) {
			for j := range row {
				if !bytes.Equal(row[j], rows[i][j]) || (row[j] == nil) != (rows[i][j] == nil) {
					t.Fatalf("row %d, column %d: %q became %q", i, j, rows[i][j], row[j])
				}
			}
		}
		if r2.NumRows() != len(rows) {
			t.Fatalf("%d rows became %d", len(rows), r2.NumRows())
		}
	})
}

func FuzzDecodeValue(f *testing.F) {
	for _, v := range []driver.Value{
		int64(1), 1.5, true, false, "text", []byte("bytes"), []byte(nil), time.Unix(1, 2).UTC(), time.Unix(1, 2),
		time.Unix(1, 2).In(time.FixedZone("CET", 3600)),
	} {
		b, err := AppendValue(nil, v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := DecodeValue(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("error is not ErrCorrupt: %v", err)
			}
			return
		}
		if tm, ok := v.(time.Time); ok {
			_ = tm.String()
		}
		again, err := AppendValue(nil, v)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x is %T %v, which is %x (%v)", b, v, v, again, err)
		}
	})
}
