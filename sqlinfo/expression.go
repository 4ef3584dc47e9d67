package sqlinfo

import "slices"

const maxOperators = 256

// operator notes an operator's token.
func (s *scanner) operator(op string) {
	if op == "!=" {
		op = "<>" // the parser makes the one of the other
	}
	if slices.Contains(s.operators, op) {
		return
	}
	if len(s.operators) >= maxOperators {
		s.stop(ReasonTooMany)
		return
	}
	s.operators = append(s.operators, op)
}

func (s *scanner) param() {
	s.modifiedType()
	n := 0
	for _, c := range []byte(s.text[s.cur.Start+1 : s.cur.End]) {
		n = min(n*10+int(c-'0'), 1<<16)
	}
	s.info.Params = max(s.info.Params, n)
}

// modifiedType notes a type that looked like a call: type(modifier) 'value'.
func (s *scanner) modifiedType() {
	if s.punct(s.prev, ')') && s.closedCallee > 0 {
		s.useType(s.funcs.list[s.closedCallee-1])
	}
}

// literal looks for date input that is relative to now.
func (s *scanner) literal() {
	t := s.tok(s.cur)
	s.modifiedType()
	v, ok := stringValue(s.cur.Kind, t)
	if !ok || SpecialDate(v) {
		s.refuse(ReasonSpecialDate, "")
	}
}

// expressionWord handles the keywords that stand for operators and functions.
func (s *scanner) expressionWord() bool {
	switch s.cur.Keyword.word() {
	case kwLike:
		s.operator("~~")
		s.operator("!~~")
	case kwIlike:
		s.operator("~~*")
		s.operator("!~~*")
	case kwSimilar:
		s.operator("~")
		s.operator("!~")
		s.system("similar_to_escape")
	case kwEscape:
		s.system("like_escape")
		return false
	case kwBetween:
		for _, op := range [...]string{">=", "<=", "<", ">"} {
			s.operator(op)
		}
		return false
	case kwIn:
		s.operator("=")
		s.operator("<>")
	case kwCase:
		s.operator("=")
	case kwDistinct:
		s.operator("=")
	case kwAt:
		if !isWord(s.next, kwTime) && !isWord(s.next, kwLocal) {
			return false
		}
		s.system("timezone")
	case kwOverlaps:
		s.system("overlaps")
	case kwNormalized:
		s.system("is_normalized")
		return false
	case kwCollation:
		if isWord(s.next, kwFor) {
			s.system("pg_collation_for")
			s.advance()
		}
	case kwCurrent_date, kwCurrent_time, kwCurrent_timestamp, kwLocaltime, kwLocaltimestamp,
		kwCurrent_user, kwCurrent_role, kwSession_user, kwUser, kwCurrent_catalog:
		s.function(Name{Name: fold(s.tok(s.cur))})
		s.itemDone()
	case kwCurrent_schema:
		if s.punct(s.next, '(') {
			return false
		}
		s.function(Name{Name: "current_schema"})
		s.itemDone()
	default:
		return false
	}
	return true
}

// itemDone is called behind a function without parentheses. In FROM it is an item.
func (s *scanner) itemDone() {
	if f := s.top(); f.state == stItem && !s.everything {
		f.state = stAfter
	}
}

// typecast handles x::type.
func (s *scanner) typecast() {
	s.advance()
	s.typeName()
}

// typeName reads the name of a type at cur, and leaves cur on its last token.
func (s *scanner) typeName() {
	if isWord(s.cur, kwSetof) {
		s.advance()
	}
	if !isNameToken(s.cur) {
		return
	}
	c := s.readChain()
	s.chainEnd = 0
	if s.everything {
		s.candidates(c)
	}
	zoned := false
	// Quoted, it is a name like others, with any expressions for its modifiers.
	if c.n == 1 && c.first != kwNone && (c.parts[0] == "time" || c.parts[0] == "timestamp") {
		zoned = s.zone()
	}
	if zoned {
		c.parts[0] += "tz"
	}
	s.useType(c.name())
	if c.n > 1 {
		return
	}
	switch c.parts[0] {
	case "double":
		if isWord(s.next, kwPrecision) {
			s.advance()
		}
	case "character", "char", "bit", "nchar", "national":
		if isWord(s.next, kwCharacter) || isWord(s.next, kwChar) {
			s.advance()
		}
		if isWord(s.next, kwVarying) {
			s.advance()
		}
	}
}

// zone reads [(precision)] [WITH TIME ZONE | WITHOUT TIME ZONE].
func (s *scanner) zone() bool {
	if s.punct(s.next, '(') {
		s.advance()
		if s.next.Kind == TokenInteger {
			s.advance()
		}
		if s.punct(s.next, ')') {
			s.advance()
		}
	}
	if !isWord(s.next, kwWith) && !isWord(s.next, kwWithout) {
		return false
	}
	s.advance()
	with := isWord(s.cur, kwWith)
	if !isWord(s.next, kwTime) {
		return false
	}
	s.advance()
	if isWord(s.next, kwZone) {
		s.advance()
	}
	return with
}

// useType notes a type's name and refuses those whose input depends on more than
// their text.
func (s *scanner) useType(n Name) {
	s.add(&s.types, n)
	s.mayDate = s.mayDate || n.Schema != "" || !plainTypes.has(n.Name)
	if s.everything && !s.body {
		return
	}
	switch n.Name {
	case "timetz", "_timetz":
		s.refuse(ReasonTimeWithZone, n.Name)
	case "regclass", "regproc", "regprocedure", "regoper", "regoperator", "regtype", "regrole",
		"regnamespace", "regconfig", "regdictionary", "regcollation", "regdatabase":
		s.refuse(ReasonObjectIdentifier, n.Name)
	}
}

// isDateType reports whether text put into the type may be relative to now.
func isDateType(name string) bool {
	switch name {
	case "date", "time", "timestamp", "timetz", "timestamptz", "daterange", "tsrange", "tstzrange",
		"datemultirange", "tsmultirange", "tstzmultirange", "_date", "_time", "_timestamp", "_timestamptz":
		return true
	}
	return false
}

// ended reports whether the token t surely ends an expression, so that a word
// between it and a parenthesis is an operator, not a function. A keyword that may be
// a column may also be a part of some clause that an expression follows.
func (s *scanner) ended(t Token) bool {
	switch t.Kind {
	case TokenQuotedIdent, TokenUnicodeIdent, TokenString, TokenEscapeString, TokenUnicodeString,
		TokenDollarString, TokenBitString, TokenHexString, TokenInteger, TokenFloat, TokenParam:
		return true
	case TokenIdent:
		switch t.Keyword.word() {
		case kwNull, kwTrue, kwFalse, kwEnd:
			return true
		}
		// In PL/pgSQL words that are no keywords of SQL, such as PERFORM, precede
		// expressions.
		return t.Keyword == kwNone && !s.body
	case TokenPunct:
		return s.text[t.Start] == ']' || s.text[t.Start] == ')' && !s.closedOn
	}
	return false
}
