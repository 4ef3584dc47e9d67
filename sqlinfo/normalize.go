package sqlinfo

import "strings"

// Normalize returns the text as an operator may see it: without the constants, which
// are values like arguments, each replaced by ?, without comments, and with one space
// where there was white space. A list of constants or parameters shows its first
// one and then "…", so that IN lists of any length are the same statement. After about limit
// bytes the text is cut, and ends in "…"; so it does from where PostgreSQL could not read
// it, since nobody can say what is a constant there.
//
// What it returns is for people and for counting, not for running.
func Normalize(sql string, limit int) string {
	n := normalize(sql, limit, false)
	if strings.IndexByte(sql, '\\') >= 0 && n != normalize(sql, limit, true) {
		// Where a string ends depends on a setting of the session.
		return firstWord(sql) + " …"
	}
	return n
}

func normalize(sql string, limit int, backslashes bool) string {
	lx := Lexer{text: sql, BackslashEscapes: backslashes}
	var out []byte
	end := 0        // of the token before
	var list string // the last two tokens, as v for a value, c for a comma, x for others
	for len(out) < limit {
		t := lx.Next()
		switch t.Kind {
		case TokenEOF:
			return string(out)
		case TokenError, TokenJunk:
			return string(out) + "…"
		}
		text, class := sql[t.Start:t.End], "x"
		switch {
		case t.Kind == TokenParam:
			class = "v"
		case isConstant(t.Kind):
			text, class = "?", "v"
		case text == ",":
			class = "c"
		}
		if t.Kind == TokenNational {
			continue // the string follows
		}
		if class == "v" && strings.HasSuffix(list, "vc") {
			if !strings.HasSuffix(string(out), "…,") {
				out = append(out, " …"...)
			} else {
				out = out[:len(out)-1]
			}
		} else {
			if t.Start > end && len(out) > 0 {
				out = append(out, ' ')
			}
			out = append(out, text...)
		}
		if list += class; len(list) > 2 {
			list = list[len(list)-2:]
		}
		end = t.End
	}
	return strings.ToValidUTF8(string(out[:limit]), "") + "…"
}

func isConstant(k TokenKind) bool {
	switch k {
	case TokenString, TokenEscapeString, TokenUnicodeString, TokenDollarString, TokenBitString, TokenHexString,
		TokenInteger, TokenFloat:
		return true
	}
	return false
}

// firstWord is the first identifier of a text, which no setting makes a part of a string.
func firstWord(sql string) string {
	lx := Lexer{text: sql}
	if t := lx.Next(); t.Kind == TokenIdent {
		return sql[t.Start:t.End]
	}
	return ""
}
