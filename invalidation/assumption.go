package invalidation

import "strconv"

// Assumption is what the scopes of a change were derived from: another scope, such as the schema's, and the version it
// had. A trigger that was created since may have changed what nobody fenced. So a release looks whether the scope still
// has that version, after the change was made and in the same step in which it becomes known; if not, everything is
// invalidated. The zero value assumes nothing.
type Assumption struct {
	// Cell is the other scope's; nil assumes nothing.
	Cell *Cell
	// Version is what Cell.Load returned before the scopes were derived; 0, unknown, never holds.
	Version uint64
}

// Holds judges by what this process knows.
func (a Assumption) Holds() bool {
	return a.Cell == nil || a.Version != 0 && a.Cell.Load() == a.Version
}

// formatNonce is the form in which Redis keeps a version.
func formatNonce(n uint64) string {
	const width = 16
	s := strconv.FormatUint(n, 16)
	return "0000000000000000"[:width-len(s)] + s
}
