package sqlinfo

import "strings"

func (l *Lexer) junk(start int) Token {
	l.failed = true
	l.pos = len(l.text)
	return Token{Kind: TokenJunk, Start: start, End: len(l.text)}
}

// digits passes decimal digits, with single underscores between them as
// PostgreSQL 16 allows.
func (l *Lexer) digits(i int) int {
	for isDigit(l.at(i)) || l.at(i) == '_' && isDigit(l.at(i+1)) && i > 0 && isDigit(l.at(i-1)) {
		i++
	}
	return i
}

// number lexes a numeric literal. What follows it without a gap and could begin
// an identifier is junk: an error since PostgreSQL 15, a column alias before.
func (l *Lexer) number(start int) Token {
	i := start
	if l.at(i) == '0' {
		var ok func(byte) bool
		switch l.at(i + 1) {
		case 'x', 'X':
			ok = isHex
		case 'o', 'O':
			ok = func(c byte) bool { return c >= '0' && c <= '7' }
		case 'b', 'B':
			ok = func(c byte) bool { return c == '0' || c == '1' }
		}
		if ok != nil {
			j := i + 2
			for ok(l.at(j)) || l.at(j) == '_' && ok(l.at(j+1)) {
				j++
			}
			if j == i+2 || isIdentCont(l.at(j)) {
				return l.junk(start)
			}
			return l.token(TokenInteger, start, j)
		}
	}
	kind := TokenInteger
	i = l.digits(i)
	if l.at(i) == '.' && l.at(i+1) != '.' {
		kind = TokenFloat
		i++
		if isDigit(l.at(i)) {
			i = l.digits(i)
		}
	}
	if c := l.at(i); c == 'e' || c == 'E' {
		j := i + 1
		if c := l.at(j); c == '+' || c == '-' {
			j++
		}
		if !isDigit(l.at(j)) {
			return l.junk(start)
		}
		kind = TokenFloat
		i = l.digits(j)
	}
	if isIdentStart(l.at(i)) {
		return l.junk(start)
	}
	if l.at(i) == '$' {
		// 1e5$ and 1_0$ are also 1 and an identifier, which is longer.
		for j := i - 1; j > start && isIdentCont(l.at(j)); j-- {
			if !isDigit(l.at(j)) {
				return l.junk(start)
			}
		}
	}
	return l.token(kind, start, i)
}

func isHex(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// operator lexes an operator as the manual's section 4.1.3 has it: as long as
// possible, ending before a comment, and not ending in + or - unless it holds a
// character that the SQL standard's operators do not. What it learns of a run of
// operator characters it keeps, since a run such as +-+-+- makes many tokens.
func (l *Lexer) operator(start int) Token {
	s := l.text
	if start >= l.opEnd {
		end := start
		l.opSpecial, l.opSolid = -1, -1
		for end < len(s) && isOpChar(s[end]) {
			c := s[end]
			if next := l.at(end + 1); c == '-' && next == '-' || c == '/' && next == '*' {
				break // a comment
			}
			if c != '+' && c != '-' {
				l.opSolid = end
			}
			if strings.IndexByte("~!@#^&|`?%", c) >= 0 {
				l.opSpecial = end
			}
			end++
		}
		l.opEnd = end
	}
	end := l.opEnd
	if l.opSpecial < start {
		end = max(start, l.opSolid) + 1
	}
	if end-start == 2 && s[start] == '=' && s[start+1] == '>' {
		return l.token(TokenEqualsGreater, start, end)
	}
	if end-start > maxName {
		return l.fail(start) // operators are not cut, as names are, but refused
	}
	return l.token(TokenOperator, start, end)
}
