package sqlinfo

import "strings"

// TokenKind is the class of a token.
type TokenKind uint8

const (
	// TokenEOF ends the text.
	TokenEOF TokenKind = iota
	// TokenError is what no version of PostgreSQL lexes: an unterminated string,
	// quoted identifier or comment, a NUL byte, an empty quoted identifier. No
	// token follows it.
	TokenError
	// TokenJunk is what some versions of PostgreSQL refuse and some do not, such
	// as 123abc. No token follows it.
	TokenJunk
	TokenIdent         // plain identifier or keyword
	TokenQuotedIdent   // "..."
	TokenUnicodeIdent  // U&"...", whose UESCAPE clause is a token of its own
	TokenString        // '...', also of several parts continued over newlines
	TokenEscapeString  // E'...'
	TokenUnicodeString // U&'...'
	TokenDollarString  // $tag$...$tag$
	TokenBitString     // B'...'
	TokenHexString     // X'...'
	TokenNational      // the N of N'...', followed by a TokenString
	TokenInteger       // digits without point or exponent, however many
	TokenFloat         // digits with a point or an exponent
	TokenParam         // $n
	TokenOperator      // one of + - * / % ^ < > = or a longer operator
	TokenPunct         // one of , ( ) [ ] . ; :
	TokenTypecast      // ::
	TokenDotDot        // ..
	TokenColonEquals   // :=
	TokenEqualsGreater // =>
)

// Token is a piece of the text: text[Start:End].
type Token struct {
	// Kind says what the token is.
	Kind TokenKind
	// Keyword is set for a TokenIdent that is one of PostgreSQL's keywords.
	Keyword    Keyword
	Start, End int
}

// Lexer cuts a text into tokens as PostgreSQL's scanner does (scan.l, as of
// versions 13 to 18; where they differ, TokenJunk says so). White space and
// comments are between tokens.
type Lexer struct {
	text   string
	pos    int
	failed bool
	// Of the run of operator characters before opEnd: the last one that lets an
	// operator end in + or -, and the last one that is neither of these.
	opEnd, opSpecial, opSolid int

	// BackslashEscapes makes '...' read as E'...' is, as PostgreSQL does when
	// standard_conforming_strings is off.
	BackslashEscapes bool
	// OnComment, when not nil, is handed each comment with its markers.
	OnComment func(comment string)
}

// NewLexer begins at the start of text, with standard_conforming_strings on.
func NewLexer(text string) *Lexer { return &Lexer{text: text} }

func isSpace(c byte) bool {
	return c == ' ' || c >= '\t' && c <= '\r'
}

func isIdentStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isIdentCont(c byte) bool { return isIdentStart(c) || isDigit(c) || c == '$' }

const (
	opChars   = "~!@#^&|`?+-*/%<>="
	selfChars = "+-*/%^<>="
)

func isOpChar(c byte) bool { return c < 0x80 && opTable[c] }

var opTable = func() (t [128]bool) {
	for i := range len(opChars) {
		t[opChars[i]] = true
	}
	return
}()

func (l *Lexer) at(i int) byte {
	if i < len(l.text) {
		return l.text[i]
	}
	return 0
}

func (l *Lexer) fail(start int) Token {
	l.failed = true
	l.pos = len(l.text)
	return Token{Kind: TokenError, Start: start, End: len(l.text)}
}

func (l *Lexer) token(kind TokenKind, start, end int) Token {
	l.pos = end
	return Token{Kind: kind, Start: start, End: end}
}

// Next gives the next token. After TokenEOF, TokenError or TokenJunk it gives
// TokenEOF.
func (l *Lexer) Next() Token {
	if l.failed || !l.skip() {
		if l.failed {
			return Token{Kind: TokenEOF, Start: len(l.text), End: len(l.text)}
		}
		return l.fail(l.pos)
	}
	start := l.pos
	if start >= len(l.text) {
		return Token{Kind: TokenEOF, Start: start, End: start}
	}
	c := l.text[start]
	switch {
	case isIdentStart(c):
		return l.word(start, c)
	case isDigit(c) || c == '.' && isDigit(l.at(start+1)):
		return l.number(start)
	case c == '\'':
		kind := TokenString
		if l.BackslashEscapes {
			kind = TokenEscapeString
		}
		return l.quoted(kind, start, start+1)
	case c == '"':
		return l.quotedIdent(TokenQuotedIdent, start, start+1)
	case c == '$':
		return l.dollar(start)
	case c == ':':
		switch l.at(start + 1) {
		case ':':
			return l.token(TokenTypecast, start, start+2)
		case '=':
			return l.token(TokenColonEquals, start, start+2)
		}
		return l.token(TokenPunct, start, start+1)
	case c == '.' && l.at(start+1) == '.':
		return l.token(TokenDotDot, start, start+2)
	case c == ',' || c == '(' || c == ')' || c == '[' || c == ']' || c == '.' || c == ';':
		return l.token(TokenPunct, start, start+1)
	case isOpChar(c):
		return l.operator(start)
	}
	// Any other character is a token that the grammar knows nothing of.
	return l.fail(start)
}

// skip passes white space and comments; false means an unterminated comment.
func (l *Lexer) skip() bool {
	s := l.text
	for l.pos < len(s) {
		c := s[l.pos]
		switch {
		case isSpace(c):
			l.pos++
		case c == '-' && l.at(l.pos+1) == '-':
			start := l.pos
			for l.pos < len(s) && s[l.pos] != '\n' && s[l.pos] != '\r' {
				l.pos++
			}
			if l.OnComment != nil {
				l.OnComment(s[start:l.pos])
			}
		case c == '/' && l.at(l.pos+1) == '*':
			start := l.pos
			end := blockComment(s, l.pos)
			if end < 0 {
				return false
			}
			l.pos = end
			if l.OnComment != nil {
				l.OnComment(s[start:end])
			}
		default:
			return true
		}
	}
	return true
}

// blockComment gives the end of the comment, which may nest, that begins at i;
// -1 when it does not end.
func blockComment(s string, i int) int {
	depth := 0
	for i+1 < len(s) {
		switch {
		case s[i] == '/' && s[i+1] == '*':
			depth++
			i += 2
		case s[i] == '*' && s[i+1] == '/':
			depth--
			i += 2
			if depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return -1
}

// word lexes an identifier, or a string or identifier whose prefix looks like one.
func (l *Lexer) word(start int, c byte) Token {
	switch next := l.at(start + 1); {
	case next == '\'':
		switch c {
		case 'e', 'E':
			return l.quoted(TokenEscapeString, start, start+2)
		case 'b', 'B':
			return l.quoted(TokenBitString, start, start+2)
		case 'x', 'X':
			return l.quoted(TokenHexString, start, start+2)
		case 'n', 'N':
			return l.token(TokenNational, start, start+1)
		}
	case next == '&' && (c == 'u' || c == 'U'):
		switch l.at(start + 2) {
		case '\'':
			if l.BackslashEscapes {
				return l.fail(start) // refused by PostgreSQL in this mode
			}
			return l.quoted(TokenUnicodeString, start, start+3)
		case '"':
			return l.quotedIdent(TokenUnicodeIdent, start, start+3)
		}
	}
	i := start + 1
	for i < len(l.text) && isIdentCont(l.text[i]) {
		i++
	}
	l.pos = i
	return Token{Kind: TokenIdent, Keyword: lookupKeyword(l.text[start:i]), Start: start, End: i}
}

// quoted lexes a string whose first character within the quotes is at i.
func (l *Lexer) quoted(kind TokenKind, start, i int) Token {
	s := l.text
	for {
		j := strings.IndexByte(s[i:], '\'')
		if j < 0 {
			return l.fail(start)
		}
		if kind == TokenEscapeString {
			if b := strings.IndexByte(s[i:i+j], '\\'); b >= 0 {
				i += b + 2 // the backslash and whatever it escapes, also a quote
				if i > len(s) {
					return l.fail(start)
				}
				continue
			}
		}
		i += j + 1
		if l.at(i) == '\'' && kind != TokenBitString && kind != TokenHexString {
			i++ // doubled, it stands for one
			continue
		}
		next, ok := continuation(s, i)
		if !ok {
			return l.token(kind, start, i)
		}
		i = next
	}
}

// continuation looks, after a closing quote, for white space with at least one
// newline in it and another quote, which continues the string (manual, section
// 4.1.2.1). Line comments count as white space there, block comments do not.
func continuation(s string, i int) (int, bool) {
	newline := false
	for i < len(s) {
		switch c := s[i]; {
		case c == '\n' || c == '\r':
			newline = true
			i++
		case isSpace(c):
			i++
		case c == '-' && i+1 < len(s) && s[i+1] == '-':
			for i < len(s) && s[i] != '\n' && s[i] != '\r' {
				i++
			}
		case c == '\'' && newline:
			return i + 1, true
		default:
			return 0, false
		}
	}
	return 0, false
}

func (l *Lexer) quotedIdent(kind TokenKind, start, i int) Token {
	s := l.text
	first := i
	for {
		j := strings.IndexByte(s[i:], '"')
		if j < 0 {
			return l.fail(start)
		}
		i += j + 1
		if l.at(i) != '"' {
			break
		}
		i++
	}
	if i-1 == first || strings.IndexByte(s[start:i], 0) >= 0 {
		return l.fail(start)
	}
	return l.token(kind, start, i)
}

// dollar lexes $n, a dollar-quoted string, or fails.
func (l *Lexer) dollar(start int) Token {
	s := l.text
	i := start + 1
	if isDigit(l.at(i)) {
		for isDigit(l.at(i)) {
			i++
		}
		if isIdentStart(l.at(i)) {
			return l.junk(start)
		}
		return l.token(TokenParam, start, i)
	}
	if isIdentStart(l.at(i)) {
		for i < len(s) && (isIdentStart(s[i]) || isDigit(s[i])) {
			i++
		}
	}
	if l.at(i) != '$' {
		return l.fail(start) // a lone dollar sign
	}
	tag := s[start : i+1]
	j := strings.Index(s[i+1:], tag)
	if j < 0 {
		return l.fail(start)
	}
	return l.token(TokenDollarString, start, i+1+j+len(tag))
}
