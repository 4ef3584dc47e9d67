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
			if isWord(s.prev, kwAs) && !s.everything && s.afterAs(s.top()) || s.everything && s.castType(s.top()) {
				break
			}
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
		if next.call == kwCast {
			next.opener = openCall // FROM CAST(x AS type)
		}
		f.state = stAfter
	case stWithBody:
		next.opener = openCTE
		f.state = stWithAfter
	case stWithAfter:
		f.state = stExpr // the query itself, in parentheses
	default:
		if s.chainEnd > 0 && s.chainEnd == s.prev.End {
			next.opener, next.callee = openCall, s.callee
			next.needComma = s.chain.last() == oneArgumentIsClock
		}
		if f.state == stAfter && next.opener == openOther {
			next.opener = openList
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
	if k == kwNone {
		if isWord(s.prev, kwAs) && !s.everything && s.afterAs(f) || s.everything && s.castType(f) {
			return
		}
		s.started()
		s.named()
		return
	}
	if isWord(s.prev, kwAs) && !s.everything && s.afterAs(f) {
		return
	}
	if s.everything && s.castType(f) {
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
	typeFunc := k.class() == classTypeFunc
	if typeFunc && !s.ended(s.prev) && !(isWord(s.prev, kwNot) && s.ended(s.prev2)) {
		switch {
		case s.punct(s.next, '(') && k.word() != kwJoin:
			s.expressionWord(f)
			s.named() // a call of like(...), left(...), or else an operator after a column named by a keyword
			return
		case isStringToken(s.next) || s.next.Kind == TokenParam:
			s.useName(Name{Name: fold(s.tok(s.cur))}) // a type of such a name
		}
	}
	if typeFunc && (f.opener == openList || f.call == kwColumns || f.call == kwXmltable) &&
		s.chainEnd > 0 && s.chainEnd == s.prev.End {
		s.useName(Name{Name: fold(s.tok(s.cur))}) // the type of a column
	}
	if s.clause(f) || s.expressionWord(f) {
		return
	}
	if k.class() == classReserved || typeFunc && !s.punct(s.next, '(') && !s.punct(s.next, '.') {
		return // NULL, LEFT, NATURAL, ...
	}
	s.named()
}

// afterAs handles the word after AS: a label, an alias or a type. False: the word
// is to be looked at as if AS were not there.
func (s *scanner) afterAs(f *frame) bool {
	switch f.state {
	case stWithDef, stWithBody, stWithName, stWithAfter, stWithTail:
		return false
	case stFresh:
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
	operand := s.operand(s.prev2, f.tokens == 3)
	s.typeName(operand)
	return true
}

// castType handles the type in CAST(x AS type) where everything else is taken as it
// comes.
func (s *scanner) castType(f *frame) bool {
	if f.call != kwCast || !isWord(s.prev, kwAs) {
		return false
	}
	s.typeName(s.operand(s.prev2, f.tokens == 3))
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
		if s.depth() == 1 || f.mayHoldDML() && s.isDML() {
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

// mayHoldDML reports whether a data-modifying statement may stand in a parenthesis:
// as the body of a CTE, and wherever nothing says what the parenthesis is. Arguments,
// lists of columns and FROM items hold none, though their first name may be such a
// word: f(a) AS x(update int).
func (f *frame) mayHoldDML() bool {
	switch f.opener {
	case openCTE:
		return true
	case openOther:
		return f.call == kwNone || f.call == kwAs || f.call == kwMaterialized || f.call == kwCopy
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
		s.tableWord(f)
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
		return s.join(f)
	case kwOn:
		if f.state == stAfter {
			f.state = stOn
		}
	case kwRows:
		return f.state == stItem && isWord(s.next, kwFrom) // ROWS FROM (calls)
	case kwNatural:
		s.operator("=")
	case kwUsing:
		switch f.state {
		case stAfter:
			s.operator("=") // JOIN ... USING (columns)
		case stTarget:
			f.state = stItem // DELETE FROM a USING b, MERGE INTO a USING b
		case stWithAfter:
			s.skipName() // CYCLE ... USING column
		}
	case kwWhere, kwHaving, kwWindow, kwOrder, kwLimit, kwOffset, kwFetch, kwUnion,
		kwIntersect, kwExcept, kwDo:
		f.endList()
	case kwWhen:
		if f.cases == 0 {
			f.endList() // the first action of MERGE
		}
	case kwEnd:
		f.cases = max(f.cases-1, 0)
	case kwReturning:
		f.endList()
		if !f.query && s.depth() > 1 && isNameToken(s.next) && !s.everything {
			s.advance() // json_value(... RETURNING type)
			s.typeName(&Name{})
		}
	case kwSet:
		switch f.state {
		case stTarget:
			f.state = stExpr
		case stWithTail:
			f.state = stWithAfter
			s.skipName()
		default:
			return false
		}
	case kwSearch, kwCycle:
		if f.state != stWithAfter {
			return false
		}
		f.state = stWithTail
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
	case kwCase:
		f.cases++
		return false
	case kwTablesample:
		s.refuse(ReasonTableSample, "")
	default:
		return false
	}
	return true
}

// tableWord handles TABLE, which begins a query of its own (TABLE t) only where a
// query can begin; elsewhere it is a label.
func (s *scanner) tableWord(f *frame) {
	switch f.state {
	case stExpr, stGroup:
		switch s.prev.Keyword.word() {
		case kwUnion, kwIntersect, kwExcept, kwAll, kwDistinct:
		default:
			if !s.everything {
				return
			}
		}
	}
	f.state, f.query = stItem, true
}

// join handles JOIN, which stands as such only within a FROM list; elsewhere, and
// before a parenthesis within one, it may be a function.
func (s *scanner) join(f *frame) bool {
	switch f.state {
	case stItem:
		if s.punct(s.next, '(') {
			return false
		}
	case stAfter: // only aliases stand between an item and JOIN
	case stOn:
		if s.punct(s.next, '(') && !s.ended(s.prev) {
			switch s.prev.Keyword.word() {
			case kwCross, kwFull, kwInner, kwLeft, kwNatural, kwOuter, kwRight:
			default:
				s.function(Name{Name: "join"})
			}
		}
	default:
		return false
	}
	f.state = stItem
	return true
}

// ended reports whether the token t surely ends an expression, so that a word between it and a parenthesis is an operator, not a
// function. A keyword that may be a column may also be a part of some clause that
// an expression follows.
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
		return t.Keyword == kwNone
	case TokenPunct:
		return s.text[t.Start] == ']' || s.text[t.Start] == ')' && !s.closedOn
	}
	return false
}

// skipName passes a name that is a column's whatever the word.
func (s *scanner) skipName() {
	if isNameToken(s.next) {
		s.advance()
		s.part()
		s.cur.Keyword = 0
	}
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
