package mlcache

import "testing"

// A text that a user wrote is never taken for a text with tables beside it, nor
// are two lists of tables taken for one.
func TestTextsOfPlansAreKeptApart(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for i, c := range []struct {
		query  string
		tables []string
	}{
		{"q", []string{"a", "b"}}, {"q", []string{"b", "a"}}, {"q", []string{"ab"}}, {"q", []string{"a\x00b"}}, {"q", []string{"a", ""}}, {"q", []string{"a"}},
		{"q\x00a", []string{"b"}}, {"qa", []string{"b"}}, {"", []string{"q", "a"}}, {"q\x01a", []string{"b"}}, {"q\x01a\x01b", []string{}},
	} {
		key := vouchedText(c.query, c.tables)
		if j, ok := seen[key]; ok {
			t.Errorf("%d and %d are both %q", i, j, key)
		}
		seen[key] = i
		if key[0] != vouchedMark {
			t.Errorf("%q could be a query", key)
		}
	}
}
