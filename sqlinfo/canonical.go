package sqlinfo

import "strings"

// Canonical appends to dst a text that means the same as sql, in which each run of
// white space and comments between two tokens is one space and those before the
// first and after the last token are gone. All else stays as it is, byte for byte:
// constants, aliases, quotes, the case of words, and what is between the parts of a
// string that continues over newlines. Two texts with the same canonical text are
// the same statement, whatever hints their comments hold.
//
// A text that PostgreSQL could not lex, or that holds a NUL byte, where the server
// would see it end, is appended as it stands.
func Canonical(dst []byte, sql string) []byte { return CanonicalOptions(dst, sql, Options{}) }

// CanonicalOptions is Canonical for a session with other settings; the bounds in o
// do not matter.
func CanonicalOptions(dst []byte, sql string, o Options) []byte {
	if strings.IndexByte(sql, 0) >= 0 {
		return append(dst, sql...)
	}
	start := len(dst)
	lx := Lexer{text: sql, BackslashEscapes: o.BackslashEscapes}
	end := -1
	for {
		t := lx.Next()
		switch t.Kind {
		case TokenEOF:
			return dst
		case TokenError, TokenJunk:
			// Junk is something to some versions, and there the space may matter.
			return append(dst[:start], sql...)
		}
		if end >= 0 && t.Start > end {
			// One space ends a token as well as any other space or comment does. It
			// can't continue a string, which takes a newline.
			dst = append(dst, ' ')
		}
		dst = append(dst, sql[t.Start:t.End]...)
		end = t.End
	}
}
