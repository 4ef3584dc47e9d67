package sqlinfo

// Options are the settings that the meaning of a text depends on, and bounds.
type Options struct {
	// BackslashEscapes: the session's standard_conforming_strings is off, so that
	// a backslash in '...' escapes. Defaults to false.
	BackslashEscapes bool
	// MaxBytes is the longest text that is read. A longer one is Unknown, with
	// WritesAll set. Defaults to 1 MiB.
	MaxBytes int
	// MaxDepth is the deepest nesting of parentheses and brackets that is read. A
	// deeper text is Unknown, with WritesAll set. Defaults to 256.
	MaxDepth int
}

const (
	defaultMaxBytes = 1 << 20
	defaultMaxDepth = 256
)

// Parse reads a text as a session with standard_conforming_strings on does (the
// default of PostgreSQL and of pgx). It never gives nil.
func Parse(sql string) *Info { return ParseOptions(sql, Options{}) }
