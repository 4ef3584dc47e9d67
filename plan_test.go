package mlcache

import (
	"testing"

	"github.com/mlcache/mlcache/cache/rowset"
)

// What is known of the columns is used again for a payload with the same ones. One from outside that says that it has
// more or fewer of them, in the same bytes, must not pass for that.
func TestOpenComparesTheNumberOfColumns(t *testing.T) {
	var b rowset.Builder
	if err := b.Reset(rowset.Wire, []rowset.Column{{Name: "a"}, {Name: "b"}}); err != nil {
		t.Fatal(err)
	}
	if err := b.AddRow([][]byte{[]byte("1"), nil}); err != nil {
		t.Fatal(err)
	}
	payload := b.Bytes()
	p := &plan{}
	first, err := p.open(payload)
	if err != nil {
		t.Fatal(err)
	}
	again, err := p.open(payload)
	if err != nil || again.columns != first.columns {
		t.Errorf("the columns were decoded again: %v", err)
	}
	const numCols = 2 // where their number is
	if payload[numCols] != 2 {
		t.Fatalf("%d where the number of columns is", payload[numCols])
	}
	for _, n := range []byte{0, 1, 3} {
		payload[numCols] = n
		if _, err := p.open(payload); err == nil {
			t.Errorf("two columns pass for %d", n)
		}
	}
}
