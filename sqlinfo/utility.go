package sqlinfo

import "strings"

// truncate reads TRUNCATE [TABLE] [ONLY] name [*] [, ...] [RESTART IDENTITY |
// CONTINUE IDENTITY] [CASCADE | RESTRICT].
func (s *scanner) truncate() {
	s.info.Kind = Write
	s.advance()
	s.word(kwTable)
	for {
		s.word(kwOnly)
		paren := s.punct(s.cur, '(')
		if paren {
			s.advance()
		}
		if !s.target() {
			s.info.WritesAll = true
		}
		if paren {
			s.advance()
		}
		if s.cur.Kind == TokenOperator {
			s.advance()
		}
		if !s.punct(s.cur, ',') {
			break
		}
		s.advance()
	}
	for s.cur.Kind != TokenEOF && !s.punct(s.cur, ';') {
		if isWord(s.cur, kwCascade) {
			s.info.WritesAll = true // the referencing tables are not in the text
		}
		if s.cur.Kind == TokenError || s.cur.Kind == TokenJunk {
			s.lexError()
			return
		}
		s.advance()
	}
}

// refresh reads REFRESH MATERIALIZED VIEW [CONCURRENTLY] name.
func (s *scanner) refresh() {
	s.info.Kind, s.info.Fires = Write, true
	s.advance()
	s.word(kwMaterialized)
	s.word(kwView)
	s.word(kwConcurrently)
	if !s.target() {
		s.info.WritesAll = true
	}
	s.skipRest()
}

// copyStatement reads COPY [BINARY] name [(columns)] FROM|TO ... and COPY (query)
// TO .... The query is left to scan.
func (s *scanner) copyStatement() {
	s.advance()
	s.info.Kind = Other
	if s.punct(s.cur, '(') {
		return
	}
	if isWord(s.cur, kwBinary) {
		s.advance()
	}
	if !isNameToken(s.cur) || s.cur.Keyword.Reserved() {
		s.info.Kind, s.info.WritesAll = Unknown, true
		s.skipRest()
		return
	}
	name := s.readChain().name()
	s.advance()
	for s.cur.Kind != TokenEOF && !s.punct(s.cur, ';') {
		switch {
		case isWord(s.cur, kwTo):
			s.add(&s.reads, name)
			s.skipRest()
			return
		case isWord(s.cur, kwFrom):
			s.info.Kind = Write
			s.add(&s.writes, name)
			// COPY ... FROM ... WHERE may call functions.
			s.frames[0].state = stExpr
			s.advance()
			return
		case s.cur.Kind == TokenError || s.cur.Kind == TokenJunk:
			s.lexError()
			return
		}
		s.advance()
	}
	s.info.Kind, s.info.WritesAll = Unknown, true
}

// explain reads EXPLAIN and its options, then the statement explained.
func (s *scanner) explain() {
	s.advance()
	analyze := false
	if s.punct(s.cur, '(') && !startsQuery(s.next) {
		for s.cur.Kind != TokenEOF && !s.punct(s.cur, ')') {
			quoted := s.cur.Kind == TokenQuotedIdent || s.cur.Kind == TokenUnicodeIdent // what it says is not looked at
			if isWord(s.cur, kwAnalyze) || isWord(s.cur, kwAnalyse) || quoted {
				analyze = true
				if s.next.Kind == TokenIdent || isStringToken(s.next) || s.next.Kind == TokenInteger {
					switch v := fold(s.tok(s.next)); v {
					case "false", "off", "0":
						analyze = false
					}
				}
			}
			if s.cur.Kind == TokenError || s.cur.Kind == TokenJunk {
				s.lexError()
				return
			}
			s.advance()
		}
		s.advance()
	} else {
		for isWord(s.cur, kwAnalyze) || isWord(s.cur, kwAnalyse) || isWord(s.cur, kwVerbose) {
			analyze = analyze || !isWord(s.cur, kwVerbose)
			s.advance()
		}
	}
	s.refuse(ReasonExplain, "")
	if isWord(s.cur, kwExplain) {
		s.info.WritesAll = true
		s.skipRest()
		return
	}
	s.verb()
	s.scan()
	if s.hardStop {
		return
	}
	info := s.info
	if !analyze {
		// A plan is made, nothing is run.
		if !info.DDL {
			info.Planned = s.writes.copyOut()
		}
		info.WritesAll, info.DDL, info.Temp, info.Fires = false, false, false, false
		s.writes = s.writes.reset()
		info.Kind = Read
	} else if info.Kind == Session || info.Kind == Other {
		info.Kind = Read // EXPLAIN ANALYZE DECLARE
	}
	info.Refusal, info.Detail = ReasonExplain, ""
}

func startsQuery(t Token) bool {
	switch t.Keyword.word() {
	case kwSelect, kwWith, kwValues, kwTable, kwInsert, kwUpdate, kwDelete, kwMerge:
		return true
	}
	return t.Kind == TokenPunct
}

// do reads DO [LANGUAGE name] 'body' [LANGUAGE name].
func (s *scanner) do() {
	info := s.info
	info.Kind = Write
	s.advance()
	lang, body, ok := "plpgsql", "", false
	for s.cur.Kind != TokenEOF && !s.punct(s.cur, ';') {
		switch {
		case isWord(s.cur, kwLanguage):
			s.advance()
			if isNameToken(s.cur) {
				lang = s.part()
			} else if isStringToken(s.cur) {
				lang, _ = stringValue(s.cur.Kind, s.tok(s.cur))
			}
		case isStringToken(s.cur):
			if ok {
				info.WritesAll = true
			}
			body, ok = stringValue(s.cur.Kind, s.tok(s.cur))
		case s.cur.Kind == TokenError || s.cur.Kind == TokenJunk:
			s.lexError()
			return
		}
		s.advance()
	}
	if !ok || info.WritesAll || s.lx.BackslashEscapes && strings.IndexByte(body, '\\') >= 0 {
		// Or the strings in the body are lexed otherwise than ParseBody does.
		info.WritesAll, info.ChangesSession = true, true
		return
	}
	b := ParseBody(lang, body)
	info.WritesAll, info.DDL = b.Unknown || b.WritesAll, b.DDL
	// Hardly any program lives on DO, so nobody has to prove that a body leaves the
	// session alone.
	info.ChangesSession = true
	for _, n := range b.Reads {
		s.add(&s.reads, n)
	}
	for _, n := range b.Writes {
		s.add(&s.writes, n)
	}
	for _, n := range b.Funcs {
		s.add(&s.funcs, n)
	}
	for _, n := range b.Attrs {
		s.add(&s.attrs, n)
	}
	for _, n := range b.Types {
		s.add(&s.types, n)
	}
	for _, op := range b.Operators {
		s.operator(op)
	}
	info.Maintains, info.Fires = b.Maintains, b.Fires
}

// declare reads DECLARE name ... CURSOR ... FOR query.
func (s *scanner) declare() {
	s.info.Kind = Other
	for s.cur.Kind != TokenEOF && !s.punct(s.cur, ';') && !isWord(s.cur, kwFor) {
		s.advance()
	}
	s.word(kwFor)
}
