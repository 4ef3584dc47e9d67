package rowset

import (
	"fmt"
	"testing"
)

func benchSet(b *testing.B, rows, cols int) []byte {
	columns := make([]Column, cols)
	row := make([][]byte, cols)
	for i := range columns {
		columns[i] = Column{Name: fmt.Sprint("column_", i), TypeOID: 25, TypeModifier: -1, TypeSize: -1}
		row[i] = fmt.Appendf(nil, "value %d", i)
	}
	var builder Builder
	if err := builder.Reset(Wire, columns); err != nil {
		b.Fatal(err)
	}
	for range rows {
		if err := builder.AddRow(row); err != nil {
			b.Fatal(err)
		}
	}
	return builder.Bytes()
}

func BenchmarkRead(b *testing.B) {
	for _, size := range []struct{ rows, cols int }{{1, 5}, {100, 5}, {10000, 5}} {
		set := benchSet(b, size.rows, size.cols)
		cells := make([][]byte, size.cols)
		for name, open := range map[string]func([]byte) (Reader, error){"Open": Open, "OpenTrusted": OpenTrusted} {
			b.Run(fmt.Sprintf("%dx%d/%s", size.rows, size.cols, name), func(b *testing.B) {
				b.SetBytes(int64(len(set)))
				b.ReportAllocs()
				for b.Loop() {
					r, err := open(set)
					if err != nil {
						b.Fatal(err)
					}
					n := 0
					for r.Next(cells) {
						n++
					}
					if n != size.rows {
						b.Fatal(n)
					}
				}
			})
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	set := benchSet(b, 100, 5)
	r, err := Open(set)
	if err != nil {
		b.Fatal(err)
	}
	cols, err := r.Columns()
	if err != nil {
		b.Fatal(err)
	}
	rows := readAll(&r)
	var builder Builder
	b.SetBytes(int64(len(set)))
	b.ReportAllocs()
	for b.Loop() {
		if err := builder.Reset(Wire, cols); err != nil {
			b.Fatal(err)
		}
		for _, row := range rows {
			if err := builder.AddRow(row); err != nil {
				b.Fatal(err)
			}
		}
	}
}
