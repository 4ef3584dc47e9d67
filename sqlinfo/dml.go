package sqlinfo

// mayHoldDML reports whether a data-modifying statement may stand in a parenthesis:
// as the body of a CTE, and wherever nothing says what the parenthesis is. Operands, arguments,
// lists of columns and FROM items hold none, though their first name may be such a
// word: f(a) AS x(update int), (1), (update AT TIME ZONE b).
func (f *frame) mayHoldDML() bool {
	switch f.opener {
	case openCTE:
		return true
	case openOther:
		return !f.operand && (f.call == kwNone || f.call == kwAs || f.call == kwMaterialized || f.call == kwCopy)
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

// withTail passes what may follow the body of a CTE: SEARCH DEPTH FIRST BY columns SET
// column, or CYCLE columns SET column [TO constant DEFAULT constant] USING column, up to
// the constants. Any of the columns may have the name of a verb.
func (s *scanner) withTail(f *frame) {
	if s.ddl || s.body {
		f.state = stWithTail // every name counts, and the verb is looked for elsewhere
		return
	}
	if isWord(s.cur, kwSearch) {
		for range 3 { // DEPTH FIRST BY
			s.skipName()
		}
	}
	s.skipName()
	for s.punct(s.next, ',') {
		s.advance()
		s.skipName()
	}
	if isWord(s.next, kwSet) {
		s.advance()
		s.skipName()
	}
	if isWord(s.next, kwTo) {
		f.state = stWithTail
	}
}

// dml handles the verb of a data-modifying statement and its target; it leaves cur
// on the target's last token.
func (s *scanner) dml(f *frame) {
	s.info.Kind = Write
	f.query = true
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

func (s *scanner) selectInto() {
	s.info.Kind, s.info.DDL, s.info.Fires = Write, true, true
	s.info.Refusal, s.info.Detail = ReasonSelectInto, ""
	for isNameToken(s.next) {
		s.advance()
		switch w := s.cur.Keyword.word(); w {
		case kwTemp, kwTemporary, kwLocal, kwGlobal, kwUnlogged, kwTable:
			// Each is a name itself unless another follows.
			if isNameToken(s.next) && !s.next.Keyword.Reserved() || isWord(s.next, kwTable) {
				s.info.Temp = s.info.Temp || w == kwTemp || w == kwTemporary
				continue
			}
		}
		s.written()
		return
	}
	s.info.WritesAll = true
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
