package sqlinfo

import "strings"

// Constant reports whether a text is a SELECT of plain numbers, NULL, TRUE and FALSE, as
// in SELECT 1, and nothing else. It names nothing that a schema could give a meaning to:
// no relation, function, type or operator, and no place where PostgreSQL would look for
// a cast. Many programs ask so whether the database is there.
func Constant(text string) bool {
	lx := NewLexer(text)
	if t := lx.Next(); t.Kind != TokenIdent || !strings.EqualFold(text[t.Start:t.End], "select") {
		return false
	}
	for {
		switch t := lx.Next(); t.Kind {
		case TokenInteger, TokenFloat:
		case TokenIdent:
			switch strings.ToLower(text[t.Start:t.End]) {
			case "null", "true", "false":
			default:
				return false
			}
		default:
			return false
		}
		switch t := lx.Next(); {
		case t.Kind == TokenEOF:
			return true
		case t.Kind != TokenPunct:
			return false
		case text[t.Start] == ';':
			return lx.Next().Kind == TokenEOF
		case text[t.Start] != ',':
			return false
		}
	}
}
