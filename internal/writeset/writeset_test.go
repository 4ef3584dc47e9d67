package writeset

import (
	"slices"
	"testing"

	"github.com/mlcache/mlcache/invalidation"
)

func sorted(scopes []string) []string { return slices.Sorted(slices.Values(scopes)) }

func TestSetIsWhatItsChangesAreTogether(t *testing.T) {
	t.Parallel()
	first := invalidation.Assumption{Version: 1}
	second := invalidation.Assumption{Version: 2}
	for name, c := range map[string]struct {
		changes []Change
		last    Change
		want    Change
	}{
		"nothing":                     {},
		"the last alone":              {last: Change{Scopes: []string{"a"}, Assumes: first}, want: Change{Scopes: []string{"a"}, Assumes: first}},
		"each scope once":             {changes: []Change{{Scopes: []string{"a", "b"}, Assumes: first}}, last: Change{Scopes: []string{"b", "c"}, Assumes: first}, want: Change{Scopes: []string{"a", "b", "c"}, Assumes: first}},
		"another assumption":          {changes: []Change{{Scopes: []string{"a"}, Assumes: first}}, last: Change{Scopes: []string{"b"}, Assumes: second}, want: Change{Scopes: []string{"a", "b"}, Assumes: first, All: true}},
		"another one within":          {changes: []Change{{Scopes: []string{"a"}, Assumes: first}, {Scopes: []string{"a"}, Assumes: second}}, want: Change{Scopes: []string{"a"}, Assumes: first, All: true}},
		"a last that changes nothing": {changes: []Change{{Scopes: []string{"a"}, Assumes: first}}, last: Change{Assumes: second}, want: Change{Scopes: []string{"a"}, Assumes: first}},
		"everything":                  {changes: []Change{{All: true}}, last: Change{Scopes: []string{"a"}, Assumes: second}, want: Change{Scopes: []string{"a"}, Assumes: second, All: true}},
		"the schema":                  {changes: []Change{{Scopes: []string{"a"}, Assumes: first, Schema: true}}, want: Change{Scopes: []string{"a"}, Assumes: first, Schema: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s Set
			for _, change := range c.changes {
				s.Add(change)
			}
			got := s.With(c.last)
			if !slices.Equal(sorted(got.Scopes), c.want.Scopes) || got.Assumes != c.want.Assumes || got.All != c.want.All || got.Schema != c.want.Schema {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if s.IsEmpty() != (len(c.changes) == 0) {
				t.Errorf("empty: %t", s.IsEmpty())
			}
		})
	}
}

// A single statement outside of a transaction has no list made for it.
func TestChangeAloneAllocatesNothing(t *testing.T) {
	var s Set
	c := Change{Scopes: []string{"a", "b"}}
	if n := testing.AllocsPerRun(100, func() { _ = s.With(c) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
