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
			s.named()
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
	next := frame{call: s.prev.Keyword.word()}
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
		f.state = stAfter
	case stWithBody:
		next.opener = openCTE
		f.state = stWithAfter
	default:
		if s.chainEnd > 0 && s.chainEnd == s.prev.End {
			next.opener = openCall
			next.needComma = s.chain.last() == oneArgumentIsClock
		}
		next.distinctOn = next.call == kwOn && isWord(s.prev2, kwDistinct)
	}
	s.push(next)
}

// close leaves a parenthesis or bracket.
func (s *scanner) close() {
	f := *s.top()
	s.frames = s.frames[:len(s.frames)-1]
	for len(s.ctes) > 0 && s.ctes[len(s.ctes)-1].level > s.depth() {
		s.ctes = s.ctes[:len(s.ctes)-1]
	}
	s.closedOn, s.closedCall = f.distinctOn, f.call
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
	if k == kwNone {
		if isWord(s.prev, kwAs) && !s.everything && s.afterAs(f) {
			return
		}
		s.started()
		s.named()
		return
	}
	if isWord(s.prev, kwAs) && !s.everything && s.afterAs(f) {
		return
	}
	if s.routine {
		s.routineBody()
	}
	if s.body && s.bodyWord(f) {
		return
	}
	if f.state == stFresh && s.begins(f) {
		return
	}
	s.started()
	if s.clause(f) || s.expressionWord(f) {
		return
	}
	switch k.class() {
	case classReserved:
		return
	case classTypeFunc:
		if !s.punct(s.next, '(') && !s.punct(s.next, '.') {
			return // LEFT, NATURAL, ...
		}
	}
	s.named()
}

// afterAs handles the word after AS: a label, an alias or a type. False: the word
// is to be looked at as if AS were not there.
func (s *scanner) afterAs(f *frame) bool {
	switch f.state {
	case stWithDef, stWithBody, stWithName, stWithAfter:
		return false
	case stFresh:
		return false
	case stAfter, stOn, stItem, stTarget:
		s.part()
		s.chainEnd = 0 // (columns) may follow
		return true
	}
	if f.query || s.depth() == 1 {
		s.part()
		return true
	}
	operand := s.operand(s.prev2, f.tokens == 3)
	s.typeName(operand)
	return true
}

// begins handles the first word of a level; false when no query begins with it.
func (s *scanner) begins(f *frame) bool {
	switch s.cur.Keyword.word() {
	case kwWith:
		s.withList(f, true)
		return true
	case kwInsert, kwDelete, kwMerge, kwUpdate:
		if s.depth() == 1 || s.isDML() {
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

// isDML tells INSERT INTO, UPDATE t and so on from columns of such names.
func (s *scanner) isDML() bool {
	switch s.cur.Keyword.word() {
	case kwInsert, kwMerge:
		return isWord(s.next, kwInto)
	case kwDelete:
		return isWord(s.next, kwFrom)
	case kwUpdate:
		return isWord(s.next, kwOnly) || isNameToken(s.next) && !s.next.Keyword.Reserved() &&
			s.next.Keyword.class() != classTypeFunc
	}
	return false
}

func (s *scanner) withList(f *frame, start bool) {
	f.state, f.query, f.withStart = stWithName, true, start
	if isWord(s.next, kwRecursive) {
		s.advance()
		if isWord(s.next, kwAs) || s.punct(s.next, '(') {
			s.named() // a CTE of that name
			return
		}
		f.recursive = true
	}
}

// dml handles the verb of a data-modifying statement and its target; it leaves cur
// on the target's last token.
func (s *scanner) dml(f *frame) {
	s.info.Kind = Write
	f.dml, f.query = true, true
	f.insert = isWord(s.cur, kwInsert)
	f.state = stTarget
	if isWord(s.next, kwInto) || isWord(s.next, kwFrom) {
		s.advance()
	}
	if isWord(s.next, kwOnly) {
		s.advance()
	}
	paren := s.punct(s.next, '(')
	if paren {
		s.advance()
	}
	if !isNameToken(s.next) || s.next.Keyword.Reserved() {
		s.info.WritesAll = true
		return
	}
	s.advance()
	s.written()
	if paren && s.punct(s.next, ')') {
		s.advance()
	}
}

// clause handles the words that begin a clause at this level.
func (s *scanner) clause(f *frame) bool {
	switch s.cur.Keyword.word() {
	case kwSelect:
		f.state, f.query = stExpr, true
	case kwTable:
		f.state, f.query = stItem, true
	case kwValues:
		switch f.state {
		case stTarget, stWithAfter, stWithDef:
			f.state = stExpr
		case stWithName:
			return false
		default:
			// VALUES after UNION, or a name: what it begins holds no relation.
			return !s.everything && f.state != stItem && s.punct(s.next, '(')
		}
	case kwWith:
		switch {
		case f.state == stTarget && f.insert:
			s.withList(f, false)
		case isWord(s.next, kwTime) && (isWord(s.prev, kwTime) || s.punct(s.prev, ')') && s.closedCall == kwTime):
			s.refuse(ReasonTimeWithZone, "time with time zone")
		}
	case kwInsert, kwUpdate, kwDelete, kwMerge:
		switch f.state {
		case stWithName:
			if isWord(s.next, kwAs) || s.punct(s.next, '(') {
				return false
			}
			s.dml(f)
		case stWithDef, stWithAfter:
			s.dml(f)
		default:
			return false
		}
	case kwFrom:
		s.from(f)
	case kwJoin:
		f.state = stItem
	case kwOn:
		if f.state == stAfter {
			f.state = stOn
		}
	case kwUsing:
		if f.state == stTarget {
			f.state = stItem // DELETE FROM a USING b, MERGE INTO a USING b
		}
	case kwWhere, kwHaving, kwWindow, kwOrder, kwLimit, kwOffset, kwFetch, kwUnion,
		kwIntersect, kwExcept, kwReturning, kwWhen:
		f.endList()
	case kwSet:
		if f.state != stTarget {
			return false
		}
		f.state = stExpr
	case kwFor:
		if f.call == kwSubstring || f.call == kwOverlay {
			return true
		}
		f.endList()
		switch s.next.Keyword.word() {
		case kwUpdate, kwShare, kwNo, kwKey:
			s.refuse(ReasonForUpdate, "for "+fold(s.tok(s.next)))
		}
	case kwGroup:
		if isWord(s.next, kwBy) {
			f.endList()
			if f.state == stExpr {
				f.state = stGroup
			}
			s.advance()
		}
	case kwInto:
		if f.state == stExpr && f.query && !s.everything {
			s.selectInto()
		}
	case kwAs:
		if f.state == stWithDef {
			f.state = stWithBody
			if f.recursive && f.withStart {
				s.ctes = append(s.ctes, visibleCTE{f.cte, s.depth()})
			}
		}
	case kwTablesample:
		s.refuse(ReasonTableSample, "")
	default:
		return false
	}
	return true
}

// endList ends a FROM list.
func (f *frame) endList() {
	switch f.state {
	case stItem, stAfter, stOn, stGroup, stTarget:
		f.state = stExpr
	}
}

// from handles FROM, which begins a list of relations unless it stands in IS [NOT]
// DISTINCT FROM or directly within EXTRACT(...) and the like, where the grammar has
// it as a separator of expressions. In doubt it begins a list.
func (s *scanner) from(f *frame) {
	if isWord(s.prev, kwDistinct) && (isWord(s.prev2, kwIs) || isWord(s.prev2, kwNot)) {
		return
	}
	switch f.call {
	case kwExtract, kwSubstring, kwTrim, kwOverlay:
		if !f.query {
			return
		}
	}
	f.state = stItem
}

func (s *scanner) selectInto() {
	s.info.Kind, s.info.DDL = Write, true
	s.info.Refusal, s.info.Detail = ReasonSelectInto, ""
	for {
		switch s.next.Keyword.word() {
		case kwTemp, kwTemporary:
			s.info.Temp = true
		case kwLocal, kwGlobal, kwUnlogged, kwTable:
		default:
			if isNameToken(s.next) {
				s.advance()
				s.written()
			} else {
				s.info.WritesAll = true
			}
			return
		}
		s.advance()
	}
}

// routineBody follows BEGIN ATOMIC ... END in CREATE FUNCTION, whose statements end
// in semicolons of their own.
func (s *scanner) routineBody() {
	switch s.cur.Keyword.word() {
	case kwBegin:
		if isWord(s.next, kwAtomic) {
			s.atomic++
		}
	case kwCase:
		if s.atomic > 0 && !isWord(s.prev, kwAs) {
			s.atomic++
		}
	case kwEnd:
		if s.atomic > 0 && !isWord(s.prev, kwAs) {
			s.atomic--
		}
	}
}
