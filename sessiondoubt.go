package mlcache

import (
	"slices"
)

// inDoubt says whether the search path is not known. What is changed by a statement
// can be told then, by taking every relation that a name may mean, and nothing can be
// answered from the cache.
func (s *session) inDoubt() bool { return s.anyOrder || s.anyPath }

// among is the session after its search path was set to the schemas given, or, if
// they are nil, after its path or its role was set to what is not known. The schemas
// from before stay: ROLLBACK TO can take the change back, and one of those named may
// not exist. It is for the rest of a transaction, in which the server is not asked.
func (s *session) among(path []string) *session {
	out := *s
	out.id = [16]byte{} // nothing is kept under it
	if path == nil || slices.Contains(path, "$user") {
		out.anyPath, out.user = true, ""
	} else {
		out.anyOrder = true
		out.path = slices.Concat(s.path, path)
		slices.Sort(out.path)
		out.path = slices.Compact(out.path)
	}
	out.digestNames()
	return &out
}

// doubtPath notes such a change.
func (c *conn) doubtPath(path []string) {
	if c.names == nil {
		return
	}
	c.names = c.names.among(path)
	c.forgetPlans()
}
