package sqlinfo

// scan reads on to the end of the statement, level by level.
func (s *scanner) scan() {
	for {
		switch s.cur.Kind {
		case TokenEOF:
			return
		case TokenError, TokenJunk:
			s.lexError()
			return
		case TokenPunct:
			if s.text[s.cur.Start] == ';' && s.depth() <= 1 && s.atomic == 0 && !s.body {
				return
			}
			s.punctuation()
			s.advance()
			continue
		case TokenIdent:
			s.top().tokens++
			s.identifier()
			s.advance()
			continue
		}
		s.top().tokens++
		s.started()
		switch s.cur.Kind {
		case TokenQuotedIdent, TokenUnicodeIdent:
			if !s.introduced(s.top()) {
				s.named()
			}
		case TokenString, TokenEscapeString, TokenUnicodeString, TokenDollarString:
			s.literal()
		case TokenOperator:
			s.operator(s.tok(s.cur))
		case TokenTypecast:
			s.typecast()
		case TokenParam:
			s.param()
		}
		s.advance()
	}
}

// started marks a level that does not begin with a query's word.
func (s *scanner) started() {
	f := s.top()
	if f.state == stFresh {
		f.state = stExpr
		if f.opener == openItem {
			f.state = stItem
		}
	}
}

func (s *scanner) punctuation() {
	f := s.top()
	switch s.text[s.cur.Start] {
	case '(':
		s.open()
	case '[':
		s.started()
		f.tokens++
		s.push(frame{state: stExpr})
	case ')', ']':
		if s.depth() > 1 {
			s.close()
		}
	case ',':
		f.tokens++
		f.comma = true
		switch f.state {
		case stAfter, stOn:
			f.state = stItem
		case stWithAfter:
			f.state = stWithName
		}
	case ';':
		// Within parentheses (CREATE RULE) or BEGIN ATOMIC: the next statement.
		f.state = stFresh
	case '.':
		// A name after ) ] or $1: a field, or a function in functional notation.
		if isNameToken(s.next) {
			s.advance()
			s.cur.Keyword = 0
			c := s.readChain()
			for i := range c.n {
				s.attr(c.parts[i], true)
			}
		}
	}
}

// open enters a parenthesis, whose meaning depends on what stands before it.
func (s *scanner) open() {
	f := s.top()
	f.tokens++
	next := frame{call: s.prev.Keyword.word(), start: s.cur.End}
	if s.punct(s.prev2, '.') {
		next.call = kwNone // schema.extract( calls a function of that name
	}
	switch f.state {
	case stFresh:
		f.state = stExpr
		if f.opener == openItem {
			// ((a JOIN b ...) ...): the inner one begins an item as well.
			next.opener = openItem
			f.state = stAfter
		}
	case stItem:
		next.opener = openItem
		if next.call == kwCast || next.call == kwFor {
			next.opener = openCall // FROM CAST(x AS type), FROM COLLATION FOR (x)
		}
		f.state = stAfter
	case stWithBody:
		next.opener = openCTE
		f.state = stWithAfter
	case stWithAfter:
		f.state = stExpr // the query itself, in parentheses
	default:
		if s.chainEnd > 0 && s.chainEnd == s.prev.End {
			next.opener = openCall
			if s.calleeEnd == s.chainEnd {
				next.callee = s.callee
			}
			next.needComma = s.chain.last() == oneArgumentIsClock
		}
		if f.state == stAfter && next.opener == openOther {
			next.opener = openList
		}
		next.distinctOn = next.call == kwOn && isWord(s.prev2, kwDistinct)
	}
	next.operand = s.goesOn(f)
	s.push(next)
}

// goesOn reports whether the parenthesis that begins can only hold a part of an
// expression, a list or a query: behind a comma, an operator or a reserved word, and
// first in one that holds no statement itself. f is the level that it stands in.
func (s *scanner) goesOn(f *frame) bool {
	switch {
	case s.punct(s.prev, '('):
		return !f.mayHoldDML()
	case isWord(s.prev, kwAs):
		return f.window // WINDOW w AS (update PARTITION BY a)
	case s.prev.Kind == TokenOperator:
		return true
	}
	return s.punct(s.prev, ',') || s.punct(s.prev, '[') || s.prev.Keyword.Reserved()
}

// close leaves a parenthesis or bracket.
func (s *scanner) close() {
	f := *s.top()
	s.frames = s.frames[:len(s.frames)-1]
	for len(s.ctes) > 0 && s.ctes[len(s.ctes)-1].level > s.depth() {
		s.ctes = s.ctes[:len(s.ctes)-1]
	}
	s.closedCallee = f.callee
	s.closedOn, s.closedCall = f.distinctOn || f.call == kwOperator, f.call
	if f.needComma && !f.comma {
		s.refuse(ReasonTimeFunction, oneArgumentIsClock)
	}
	p := s.top()
	if f.opener == openCTE {
		// A CTE can be named from here on; a recursive one could be from its AS.
		if p.withStart && !p.recursive {
			s.ctes = append(s.ctes, visibleCTE{p.cte, s.depth()})
		}
		p.cte = ""
	}
}

// identifier handles an unquoted identifier, which may be a keyword.
func (s *scanner) identifier() {
	f := s.top()
	k := s.cur.Keyword
	if s.ddl && isWord(s.cur, kwExecute) && isWord(s.prev, kwAs) {
		s.info.ChangesSession = true // CREATE TABLE ... AS EXECUTE
	}
	switch {
	case s.introduced(f):
		return
	case k == kwNone:
		s.started()
		s.named()
		return
	}
	if s.routine {
		s.routineBody()
	}
	if s.body {
		s.bodyWord()
	}
	if f.state == stFresh && s.begins(f) {
		return
	}
	s.started()
	typeFunc := k.class() == classTypeFunc
	if typeFunc && s.typeFuncWord(f) || s.clause(f) || s.expressionWord() {
		return
	}
	if k.class() == classReserved || typeFunc && !s.punct(s.next, '(') {
		return // NULL, LEFT, NATURAL, ...
	}
	s.named()
}

// typeFuncWord handles a word that is an operator or a part of a join in most
// places (LIKE, LEFT) and may be a function or a type in others.
func (s *scanner) typeFuncWord(f *frame) bool {
	if s.punct(s.next, '.') {
		s.named() // a schema, with a type in it
		return true
	}
	if !s.ended(s.prev) && !(isWord(s.prev, kwNot) && s.ended(s.prev2)) {
		switch {
		case s.punct(s.next, '(') && !isWord(s.cur, kwJoin):
			// A call of like(...), or after all an operator, behind a column that is
			// named by a keyword.
			s.expressionWord()
			s.named()
			return true
		case isStringToken(s.next) || s.next.Kind == TokenParam:
			s.useType(Name{Name: fold(s.tok(s.cur))}) // type 'value'
		}
	}
	if (f.opener == openList || f.call == kwColumns || f.call == kwXmltable) &&
		s.chainEnd > 0 && s.chainEnd == s.prev.End {
		s.useType(Name{Name: fold(s.tok(s.cur))}) // the type of a column
	}
	return false
}

// introduced handles a name that AS introduces: a label, an alias or a type. It
// reports false where the name is to be looked at as if AS were not there. Where
// everything is taken for a relation only the type of a CAST or the like is told apart.
func (s *scanner) introduced(f *frame) bool {
	switch {
	case !isWord(s.prev, kwAs):
		return false
	case s.everything:
		if f.call != kwCast && f.call != kwXmlserialize {
			return false
		}
		s.typeName()
		return true
	}
	return s.afterAs(f)
}

// afterAs handles the name after AS where the level tells what it is.
func (s *scanner) afterAs(f *frame) bool {
	switch f.state {
	case stFresh, stWithDef, stWithBody, stWithName, stWithAfter, stWithTail:
		return false
	case stAfter, stOn, stItem, stTarget:
		s.part()
		s.cur.Keyword = 0
		s.chainEnd = 0 // (columns) may follow
		return true
	}
	if f.query || s.depth() == 1 {
		s.part()
		s.cur.Keyword = 0 // a label, whatever the word
		return true
	}
	s.typeName()
	return true
}

// begins handles the first word of a level; false when no query begins with it.
func (s *scanner) begins(f *frame) bool {
	switch s.cur.Keyword.word() {
	case kwWith:
		s.withList(f, true)
		return true
	case kwTable:
		f.state, f.query = stItem, true
		return true
	case kwInsert, kwDelete, kwMerge, kwUpdate:
		if !s.body && (s.depth() == 1 || f.mayHoldDML() && s.isDML()) {
			s.dml(f)
			return true
		}
	case kwValues:
		if s.punct(s.next, '(') {
			f.state, f.query = stExpr, true
			return true
		}
	}
	return false
}
