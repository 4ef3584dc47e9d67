package suite

import (
	"testing"
)

// What everybody pays who imports mlcache stays within the limit of its case. The sizes are
// the same on every machine, so this needs no quiet one.
func TestImportStaysSmall(t *testing.T) {
	t.Parallel()
	for _, c := range importCases() {
		if c.Unit != MB {
			continue
		}
		o, err := importSize(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.Judge(o) == Over {
			t.Errorf("a program that imports mlcache is %.2f MB larger than one that imports pgx (%s), want %.1f at most", o.Median, o.Note, c.Limit.Value)
		}
		return
	}
	t.Fatal("there is no case of the size")
}
