package rowset_test

import (
	"database/sql/driver"
	"fmt"

	"github.com/mlcache/mlcache/cache/rowset"
)

func Example() {
	var b rowset.Builder
	if err := b.Reset(rowset.Values, []rowset.Column{{Name: "id"}, {Name: "name"}}); err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range [][]driver.Value{{int64(1), "Ann"}, {int64(2), nil}} {
		if err := b.AppendValueRow(row); err != nil {
			fmt.Println(err)
			return
		}
	}

	r, err := rowset.Open(b.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	cells := make([][]byte, r.NumCols())
	for r.Next(cells) {
		id, _ := rowset.DecodeValue(cells[0])
		name, _ := rowset.DecodeValue(cells[1])
		fmt.Println(id, name)
	}
	// Output:
	// 1 Ann
	// 2 <nil>
}
