// Package writeset collects what the statements of a transaction change, for the fence around its COMMIT.
package writeset

import "github.com/mlcache/mlcache/invalidation"

// Change is what a statement changes, or several do.
type Change struct {
	// Scopes are the tables. Nobody may write to the list.
	Scopes []string
	// Assumes is what Scopes rests on.
	Assumes invalidation.Assumption
	// All: it may be any table. Schema: it may be the schema, too.
	All, Schema bool
}

// Set is what a transaction has changed so far. The zero value is nothing.
type Set struct {
	scopes      map[string]struct{}
	assumes     invalidation.Assumption // of scopes
	all, schema bool
}

// Add adds what a statement changes. Where it rests on another assumption than those before, the transaction may have changed
// everything.
func (s *Set) Add(c Change) {
	s.all, s.schema = s.all || c.All, s.schema || c.Schema
	if len(c.Scopes) == 0 {
		return
	}
	if len(s.scopes) == 0 {
		s.assumes = c.Assumes
		s.scopes = make(map[string]struct{}, len(c.Scopes))
	} else if c.Assumes != s.assumes {
		s.all = true
	}
	for _, scope := range c.Scopes {
		s.scopes[scope] = struct{}{}
	}
}

// IsEmpty says whether nothing was changed.
func (s *Set) IsEmpty() bool { return len(s.scopes) == 0 && !s.all && !s.schema }

// With is what the set and one more change are together. Without anything in the set it is the change, with no list made.
func (s *Set) With(c Change) Change {
	if s.IsEmpty() {
		return c
	}
	both := Change{Assumes: s.assumes, All: s.all || c.All, Schema: s.schema || c.Schema}
	switch {
	case len(s.scopes) == 0:
		both.Assumes = c.Assumes
	case len(c.Scopes) > 0 && c.Assumes != s.assumes:
		both.All = true
	}
	both.Scopes = make([]string, 0, len(s.scopes)+len(c.Scopes)+1)
	for scope := range s.scopes {
		both.Scopes = append(both.Scopes, scope)
	}
	for _, scope := range c.Scopes {
		if _, there := s.scopes[scope]; !there {
			both.Scopes = append(both.Scopes, scope)
		}
	}
	return both
}
