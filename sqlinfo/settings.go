package sqlinfo

import "strings"

// MovesNames reports whether a setting decides what the names in a text mean, or
// how the text is lexed. The name is folded.
func MovesNames(setting string) bool {
	switch setting {
	case "search_path", "role", "session_authorization", "standard_conforming_strings", "client_encoding":
		return true
	}
	return false
}

// sessionEffect tells what the statement, read to its end, does to the session.
func (s *scanner) sessionEffect() {
	info := s.info
	info.ChangesSession = info.ChangesSession || info.Kind == Session
	for _, w := range info.Writes {
		// Its rules call set_config (PostgreSQL manual 54.24).
		info.ChangesSession = info.ChangesSession || w.Name == "pg_settings"
	}
	for i := range info.Funcs {
		if !ChangesSession(info.Funcs[i].Name) {
			continue
		}
		if !info.ChangesSession && !s.body {
			info.ChangedSettings = setConfigNames(s.text[s.start:s.cur.Start], s.lx.BackslashEscapes)
		}
		info.ChangesSession = true
		break
	}
}

// setConfigNames finds the constants that set_config is called with, folded; nil if
// a call has anything else for its first argument.
func setConfigNames(text string, backslashEscapes bool) (names []string) {
	lx := NewLexer(text)
	lx.BackslashEscapes = backslashEscapes
	for {
		t := lx.Next()
		switch t.Kind {
		case TokenEOF:
			return names
		case TokenError, TokenJunk, TokenUnicodeIdent:
			return nil
		case TokenIdent, TokenQuotedIdent:
		default:
			continue
		}
		if !strings.EqualFold(strings.Trim(text[t.Start:t.End], `"`), "set_config") {
			continue
		}
		if t = lx.Next(); t.Kind != TokenPunct || text[t.Start] != '(' {
			if t.Kind == TokenEOF {
				return names
			}
			continue // a column of that name
		}
		name := lx.Next()
		if t = lx.Next(); name.Kind != TokenString || t.Kind != TokenPunct || text[t.Start] != ',' {
			return nil
		}
		value, ok := stringValue(name.Kind, text[name.Start:name.End])
		if !ok {
			return nil
		}
		names = append(names, fold(value))
	}
}

// searchPath reads the schemas of SET search_path, whose name cur stands on. Each
// element is one schema, a string with a comma in it as well.
func (s *scanner) searchPath() []string {
	s.advance()
	if s.cur.Kind != TokenOperator && !isWord(s.cur, kwTo) {
		return nil
	}
	var path []string
	for {
		s.advance()
		switch {
		case s.cur.Kind == TokenIdent && fold(s.tok(s.cur)) == "default":
			return nil
		case isNameToken(s.cur):
			path = append(path, s.part())
		case isStringToken(s.cur):
			v, ok := stringValue(s.cur.Kind, s.tok(s.cur))
			if !ok {
				return nil
			}
			path = append(path, clip(v))
		default:
			return nil
		}
		switch {
		case s.punct(s.next, ','):
			s.advance()
		case s.next.Kind == TokenEOF, s.punct(s.next, ';'):
			return path
		default:
			return nil
		}
	}
}
