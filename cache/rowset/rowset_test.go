package rowset

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// people is a result as PostgreSQL describes one.
var people = []Column{
	{Name: "id", TypeOID: 23, TypeModifier: -1, Format: 1, TableOID: 16384, TableAttr: 1, TypeSize: 4},
	{Name: "name", TypeOID: 1043, TypeModifier: 104, TableOID: 16384, TableAttr: 2, TypeSize: -1},
	{Name: "name", TypeOID: 1700, TypeModifier: 655366, TypeSize: -1}, // a column's name may come twice
}

func cell(s string) []byte { return []byte(s) }

var peopleRows = [][][]byte{
	{cell("\x00\x00\x00\x01"), cell("Ann"), cell("1.50")},
	{cell("\x00\x00\x00\x02"), cell(""), nil}, // empty is not NULL
	{nil, nil, nil},
	{cell(strings.Repeat("x", 126)), cell(strings.Repeat("y", 127)), cell(strings.Repeat("z", 20000))},
}

func build(tb testing.TB, mode Mode, cols []Column, rows [][][]byte) []byte {
	tb.Helper()
	var b Builder
	if err := b.Reset(mode, cols); err != nil {
		tb.Fatal(err)
	}
	for _, row := range rows {
		if err := b.AddRow(row); err != nil {
			tb.Fatal(err)
		}
	}
	return b.Bytes()
}

// readAll reads what is left of r into cells of its own.
func readAll(r *Reader) [][][]byte {
	var rows [][][]byte
	cells := make([][]byte, r.NumCols())
	for r.Next(cells) {
		row := make([][]byte, len(cells))
		for i, c := range cells {
			row[i] = bytes.Clone(c) // keeps nil and empty apart
		}
		rows = append(rows, row)
	}
	return rows
}

func TestRowSetRoundTrip(t *testing.T) {
	t.Parallel()
	many := make([]Column, 1664)
	wide := make([][]byte, len(many))
	for i := range many {
		many[i].Name = fmt.Sprint("c", i)
		wide[i] = cell(fmt.Sprint(i))
	}
	for name, tc := range map[string]struct {
		cols []Column
		rows [][][]byte
	}{
		"people":              {people, peopleRows},
		"no rows":             {people, nil},
		"PostgreSQL's widest": {many, [][][]byte{wide, make([][]byte, len(many)), wide}},
		"no columns":          {nil, [][][]byte{{}, {}, {}}},
		"nothing":             {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := build(t, Wire, tc.cols, tc.rows)
			for how, open := range map[string]func([]byte) (Reader, error){"Open": Open, "OpenTrusted": OpenTrusted} {
				r, err := open(b)
				if err != nil {
					t.Fatalf("%s: %v", how, err)
				}
				if r.Mode() != Wire || r.NumRows() != len(tc.rows) || r.NumCols() != len(tc.cols) {
					t.Errorf("%s: mode %d, %d rows, %d columns", how, r.Mode(), r.NumRows(), r.NumCols())
				}
				cols, err := r.Columns()
				if err != nil || len(cols) != len(tc.cols) || len(cols) > 0 && !reflect.DeepEqual(cols, tc.cols) {
					t.Errorf("%s: columns %+v, %v", how, cols, err)
				}
				for range 2 {
					if rows := readAll(&r); !reflect.DeepEqual(rows, tc.rows) || r.Err() != nil {
						t.Errorf("%s: rows %q, %v; want %q", how, rows, r.Err(), tc.rows)
					}
					r.Rewind()
				}
			}
		})
	}
}

// Every field of a column survives, also those of the other mode, at its extremes.
func TestColumnRoundTrip(t *testing.T) {
	t.Parallel()
	for field := range reflect.TypeFor[Column]().NumField() {
		for _, high := range []bool{false, true} {
			var c Column
			name := reflect.TypeFor[Column]().Field(field).Name
			switch v := reflect.ValueOf(&c).Elem().Field(field); {
			case v.Kind() == reflect.String:
				v.SetString(map[bool]string{false: "Ünï\x00\xff", true: strings.Repeat("long ", 100)}[high])
			case v.Kind() == reflect.Bool:
				v.SetBool(true)
			case name == "ScanType":
				v.SetUint(uint64(map[bool]ScanType{false: 1, true: scanTypeEnd - 1}[high]))
			case v.CanInt() && high:
				v.SetInt(1<<(v.Type().Bits()-1) - 1)
			case v.CanInt():
				v.SetInt(-1 << (v.Type().Bits() - 1))
			case v.CanUint() && high:
				v.SetUint(1<<v.Type().Bits() - 1)
			default:
				v.SetUint(1)
			}
			r, err := Open(build(t, Values, []Column{c, {}, c}, nil))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got, err := r.Columns(); err != nil || !reflect.DeepEqual(got, []Column{c, {}, c}) {
				t.Errorf("%s: got %+v, %v; want %+v", name, got, err, c)
			}
		}
	}
}

func TestColumnBlockTellsColumnsApart(t *testing.T) {
	t.Parallel()
	block := func(cols []Column) string {
		r, err := Open(build(t, Wire, cols, nil))
		if err != nil {
			t.Fatal(err)
		}
		if cols, err := DecodeColumns(r.ColumnBlock(), r.NumCols()); err != nil || len(cols) != r.NumCols() {
			t.Errorf("DecodeColumns = %v, %v", cols, err)
		}
		return string(r.ColumnBlock())
	}
	other := append([]Column(nil), people...)
	other[2].TypeModifier++
	if block(people) != block(append([]Column(nil), people...)) {
		t.Error("the same columns have different blocks")
	}
	if block(people) == block(other) {
		t.Error("different columns have the same block")
	}
}

func TestBuilderIsReusable(t *testing.T) {
	t.Parallel()
	var b Builder
	want := build(t, Wire, people, peopleRows[:2])
	for i := range 3 {
		if err := b.Reset(Wire, people); err != nil {
			t.Fatal(err)
		}
		if b.Rows() != 0 {
			t.Fatalf("%d rows before the first", b.Rows())
		}
		for _, row := range peopleRows[:2] {
			own := [][]byte{bytes.Clone(row[0]), bytes.Clone(row[1]), bytes.Clone(row[2])}
			if err := b.AddRow(own); err != nil {
				t.Fatal(err)
			}
			for _, c := range own {
				clear(c) // pgx reuses its buffers: AddRow has copied
			}
			_ = b.Bytes() // may be asked at any time
		}
		if got := b.Bytes(); !bytes.Equal(got, want) || b.Size() != len(want) || b.Rows() != 2 {
			t.Errorf("use %d: %x, size %d, %d rows; want %x", i, got, b.Size(), b.Rows(), want)
		}
	}
	if err := b.ResetTo([]byte("head"), Wire, people); err != nil {
		t.Fatal(err)
	}
	for _, row := range peopleRows[:2] {
		if err := b.AddRow(row); err != nil {
			t.Fatal(err)
		}
	}
	if got := string(b.Buffer()); got != "head"+string(want) || string(b.Bytes()) != string(want) || b.Size() != len(want) {
		t.Errorf("behind a head: %q", got)
	}
}

func TestBuilderRefuses(t *testing.T) {
	t.Parallel()
	var b Builder
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v, want ErrUnsupported", what, err)
		}
	}
	refused("AddRow before Reset", b.AddRow(nil))
	if got := b.Bytes(); len(got) != 0 {
		t.Errorf("Bytes before Reset = %x", got)
	}
	refused("no mode", b.Reset(0, people))
	refused("unknown mode", b.Reset(3, people))
	refused("too many columns", b.Reset(Wire, make([]Column, MaxColumns+1)))
	refused("unknown scan type", b.Reset(Values, []Column{{ScanType: scanTypeEnd}}))
	if err := b.Reset(Wire, people); err != nil {
		t.Fatal(err)
	}
	before := bytes.Clone(b.Bytes())
	refused("too few cells", b.AddRow(peopleRows[0][:2]))
	refused("too many cells", b.AddRow(append(peopleRows[0], nil)))
	refused("values in mode Wire", b.AppendValueRow([]driver.Value{nil, nil, nil}))
	if err := b.Reset(Values, people); err != nil {
		t.Fatal(err)
	}
	refused("cells in mode Values", b.AddRow(peopleRows[0]))
	refused("a value of no driver's type", b.AppendValueRow([]driver.Value{int64(1), "two", struct{}{}}))
	if b.Rows() != 0 || len(b.Bytes()) != len(before) {
		t.Errorf("a refused row left %d rows, %d bytes", b.Rows(), b.Size())
	}
	if err := b.Reset(Wire, make([]Column, MaxColumns)); err != nil {
		t.Errorf("the largest number of columns: %v", err)
	}
}

func TestReaderIsAValue(t *testing.T) {
	t.Parallel()
	r, err := Open(build(t, Wire, people, peopleRows))
	if err != nil {
		t.Fatal(err)
	}
	r.Skip()
	second := r
	if got := readAll(&r); !reflect.DeepEqual(got, peopleRows[1:]) {
		t.Errorf("after Skip: %q", got)
	}
	if got := readAll(&second); !reflect.DeepEqual(got, peopleRows[1:]) {
		t.Errorf("a copy: %q", got)
	}
	if r.Skip() || r.Next(make([][]byte, 3)) || r.Err() != nil {
		t.Error("there are rows behind the last")
	}
	var zero Reader
	if zero.Next(nil) || zero.NumRows() != 0 || zero.NumCols() != 0 || zero.Err() != nil {
		t.Error("a zero Reader is not empty")
	}
}

// An appended byte must not run into the next cell.
func TestCellsAreClipped(t *testing.T) {
	t.Parallel()
	r, err := Open(build(t, Wire, people, peopleRows))
	if err != nil {
		t.Fatal(err)
	}
	cells := make([][]byte, 3)
	for r.Next(cells) {
		for _, c := range cells {
			if c != nil && cap(c) != len(c) {
				t.Fatalf("cell %q has room for %d bytes more", c, cap(c)-len(c))
			}
		}
	}
}

func TestNextLeavesFurtherCells(t *testing.T) {
	t.Parallel()
	r, err := Open(build(t, Wire, people, peopleRows))
	if err != nil {
		t.Fatal(err)
	}
	cells := [][]byte{nil, nil, nil, cell("mine")}
	if !r.Next(cells) || string(cells[3]) != "mine" {
		t.Errorf("cells = %q", cells)
	}
}

// A caller that keeps columns from elsewhere may be wrong about their number.
func TestNextWithTooFewCells(t *testing.T) {
	t.Parallel()
	r, err := Open(build(t, Wire, people, peopleRows))
	if err != nil {
		t.Fatal(err)
	}
	if r.Next(make([][]byte, 2)) || !errors.Is(r.Err(), ErrCorrupt) {
		t.Errorf("Next = true or Err = %v; want ErrCorrupt", r.Err())
	}
}

func TestScanTypes(t *testing.T) {
	t.Parallel()
	for s := range scanTypeEnd {
		if got, ok := ScanTypeOf(s.Type()); !ok || got != s {
			t.Errorf("scan type %d stands for %v, which stands for %d", s, s.Type(), got)
		}
	}
	if s, ok := ScanTypeOf(reflect.TypeFor[map[string]int]()); ok || s != ScanNone {
		t.Errorf("a map has scan type %d", s)
	}
	if scanTypeEnd.Type() != nil || ScanType(255).Type() != nil {
		t.Error("a number that stands for nothing has a type")
	}
	// Stored row sets hold these numbers: they may not change.
	for want, typ := range map[ScanType]reflect.Type{
		7: reflect.TypeFor[int64](), 14: reflect.TypeFor[float64](), 15: reflect.TypeFor[string](), 16: reflect.TypeFor[[]byte](),
	} {
		if got, _ := ScanTypeOf(typ); got != want {
			t.Errorf("%v has number %d, stored row sets say %d", typ, got, want)
		}
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	b := build(t, Wire, people, peopleRows)
	cells := make([][]byte, 3)
	if n := testing.AllocsPerRun(1000, func() {
		r, err := OpenTrusted(b)
		if err != nil {
			t.Fatal(err)
		}
		for r.Next(cells) {
		}
	}); n != 0 {
		t.Errorf("reading allocates %v times", n)
	}
	var builder Builder
	values := []driver.Value{int64(1 << 40), "text", nil}
	boxed := append([]driver.Value(nil), values...)
	if n := testing.AllocsPerRun(1000, func() {
		_ = builder.Reset(Wire, people)
		_ = builder.AddRow(peopleRows[3])
		_ = builder.Reset(Values, people)
		_ = builder.AppendValueRow(boxed)
	}); n != 0 {
		t.Errorf("writing into memory used before allocates %v times", n)
	}
}
