package sqlinfo

import (
	"strings"
	"unicode/utf8"
)

// maxName is the longest name in bytes (NAMEDATALEN - 1 in a stock PostgreSQL).
const maxName = 63

// clip cuts a name at 63 bytes without splitting a UTF-8 character.
func clip(name string) string {
	if len(name) <= maxName {
		return name
	}
	n := maxName
	for n > 0 && !utf8.RuneStart(name[n]) {
		n--
	}
	return name[:n]
}

// fold lowers the ASCII letters of an unquoted identifier and clips it.
func fold(ident string) string {
	for i := range len(ident) {
		if c := ident[i]; c >= 'A' && c <= 'Z' {
			b := []byte(ident)
			for ; i < len(b); i++ {
				if c := b[i]; c >= 'A' && c <= 'Z' {
					b[i] = c + 'a' - 'A'
				}
			}
			return clip(string(b))
		}
	}
	return clip(ident)
}

// unquoteIdent gives the name that a TokenQuotedIdent stands for.
func unquoteIdent(tok string) string {
	s := tok[1 : len(tok)-1]
	if strings.Contains(s, `""`) {
		s = strings.ReplaceAll(s, `""`, `"`)
	}
	return clip(s)
}

// unquoteUnicode gives what U&"..." or U&'...' stands for; false when an escape in
// it is not valid, which PostgreSQL refuses.
func unquoteUnicode(tok string, escape byte) (string, bool) {
	q := tok[2]
	s := joinParts(tok[2:])
	s = strings.ReplaceAll(s, string([]byte{q, q}), string(q))
	if strings.IndexByte(s, escape) < 0 {
		return s, true
	}
	var b strings.Builder
	var high rune
	for i := 0; i < len(s); {
		if s[i] != escape {
			if high != 0 {
				return "", false
			}
			b.WriteByte(s[i])
			i++
			continue
		}
		rest := s[i+1:]
		if rest != "" && rest[0] == escape {
			if high != 0 {
				return "", false
			}
			b.WriteByte(escape)
			i += 2
			continue
		}
		n := 4
		if rest != "" && rest[0] == '+' {
			rest = rest[1:]
			i++
			n = 6
		}
		r, ok := hexRune(rest, n)
		if !ok {
			return "", false
		}
		i += 1 + n
		if !appendRune(&b, &high, r) {
			return "", false
		}
	}
	return b.String(), high == 0
}

// appendRune writes r, joining UTF-16 surrogate pairs as PostgreSQL does.
func appendRune(b *strings.Builder, high *rune, r rune) bool {
	switch {
	case r >= 0xD800 && r < 0xDC00:
		if *high != 0 {
			return false
		}
		*high = r
		return true
	case r >= 0xDC00 && r < 0xE000:
		if *high == 0 {
			return false
		}
		r = 0x10000 + (*high-0xD800)<<10 + (r - 0xDC00)
		*high = 0
	case *high != 0 || r == 0 || r > utf8.MaxRune:
		return false
	}
	b.WriteRune(r)
	return true
}

func hexRune(s string, n int) (rune, bool) {
	if len(s) < n {
		return 0, false
	}
	var r rune
	for i := range n {
		c := s[i]
		switch {
		case isDigit(c):
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// joinParts strips the quotes of a literal, which may consist of several parts
// continued over newlines; quotes doubled within stay doubled.
func joinParts(tok string) string {
	q := tok[0]
	var b strings.Builder
	i := 1
	for {
		j := i
		for j < len(tok) && (tok[j] != q || j+1 < len(tok) && tok[j+1] == q) {
			if tok[j] == q {
				j++
			}
			j++
		}
		if j+1 >= len(tok) && b.Len() == 0 {
			return tok[i:min(j, len(tok))]
		}
		b.WriteString(tok[i:min(j, len(tok))])
		next, ok := continuation(tok, j+1)
		if j >= len(tok) || !ok {
			return b.String()
		}
		i = next
	}
}

// stringValue gives the value of a string token. Escapes that PostgreSQL would
// refuse come out as they stand; ok is false for them.
func stringValue(kind TokenKind, tok string) (value string, ok bool) {
	switch kind {
	case TokenString:
		s := joinParts(tok)
		if strings.Contains(s, "''") {
			s = strings.ReplaceAll(s, "''", "'")
		}
		return s, true
	case TokenDollarString:
		n := strings.IndexByte(tok[1:], '$') + 2
		return tok[n : len(tok)-n], true
	case TokenEscapeString:
		return unescape(tok)
	case TokenUnicodeString:
		return unquoteUnicode(tok, '\\')
	}
	return tok, false
}

// unescape gives the value of E'...' (manual, section 4.1.2.2).
func unescape(tok string) (string, bool) {
	if tok[0] != '\'' {
		tok = tok[1:]
	}
	if strings.IndexByte(tok, '\\') < 0 {
		return stringValue(TokenString, tok)
	}
	var b strings.Builder
	var high rune
	for i := 1; i < len(tok); {
		c := tok[i]
		switch {
		case c == '\'':
			if i+1 < len(tok) && tok[i+1] == '\'' {
				b.WriteByte(c)
				i += 2
				continue
			}
			next, ok := continuation(tok, i+1)
			if !ok {
				return b.String(), high == 0
			}
			i = next
		case c != '\\' || i+1 >= len(tok):
			b.WriteByte(c)
			i++
		default:
			n, ok := escapeAt(&b, &high, tok[i+1:])
			if !ok {
				return b.String(), false
			}
			i += 1 + n
		}
	}
	return b.String(), high == 0
}

// escapeAt writes what the escape after a backslash stands for and gives its length.
func escapeAt(b *strings.Builder, high *rune, s string) (int, bool) {
	switch c := s[0]; c {
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'v':
		b.WriteByte('\v')
	case 'u', 'U':
		n := 4
		if c == 'U' {
			n = 8
		}
		r, ok := hexRune(s[1:], n)
		return 1 + n, ok && appendRune(b, high, r)
	case 'x':
		n, v := 1, byte(0)
		for n < 3 && n < len(s) && isHex(s[n]) {
			d, _ := hexRune(s[n:], 1)
			v = v<<4 | byte(d)
			n++
		}
		if n == 1 {
			b.WriteByte('x')
		} else {
			b.WriteByte(v)
		}
		return n, true
	default:
		if c < '0' || c > '7' {
			b.WriteByte(c)
			return 1, true
		}
		n, v := 0, byte(0)
		for n < 3 && n < len(s) && s[n] >= '0' && s[n] <= '7' {
			v = v<<3 | (s[n] - '0')
			n++
		}
		b.WriteByte(v)
		return n, true
	}
	return 1, true
}
