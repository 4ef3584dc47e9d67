package sqlinfo

// statement reads one statement, up to its semicolon or the end of the text, and
// leaves cur there.
func (s *scanner) statement() *Info {
	s.begin()
	s.verb()
	s.scan()
	return s.finish()
}

// begin forgets the statement before.
func (s *scanner) begin() {
	s.info = &Info{Statements: 1}
	s.frames = append(s.frames[:0], frame{})
	s.ctes = s.ctes[:0]
	s.operators = s.operators[:0]
	s.reads, s.writes, s.funcs = s.reads.reset(), s.writes.reset(), s.funcs.reset()
	s.attrs, s.types = s.attrs.reset(), s.types.reset()
	s.mayDate, s.start = false, s.cur.Start
	s.soft, s.everything, s.ddl, s.routine, s.atomic = "", false, false, false, 0
	s.prev, s.prev2, s.chainEnd = Token{}, Token{}, 0
	// Places among the functions of the statement before mean nothing in this one.
	s.callee, s.calleeEnd, s.closedCallee = 0, 0, 0
	s.closedOn, s.closedCall = false, 0
}

// finish fills in what follows from the statement as a whole.
func (s *scanner) finish() *Info {
	info := s.info
	if s.hardStop {
		return info
	}
	info.Reads, info.Writes, info.Funcs = s.reads.copyOut(), s.writes.copyOut(), s.funcs.copyOut()
	info.Attrs, info.Types = s.attrs.copyOut(), s.types.copyOut()
	if len(s.operators) > 0 {
		info.Operators = append([]string(nil), s.operators...)
	}
	s.sessionEffect()
	switch info.Kind {
	case Write:
		if info.Refusal != ReasonSelectInto {
			info.Refusal, info.Detail = ReasonNotRead, ""
		}
	case Session:
		info.Refusal, info.Detail = ReasonSession, ""
	case Tx:
		info.Refusal, info.Detail = ReasonTransaction, ""
	case Other:
		info.Refusal, info.Detail = ReasonUtility, ""
	case Unknown:
		info.Refusal, info.Detail = ReasonSyntax, ""
	case Read:
		s.dateCasts()
	}
	if info.Refusal == "" && s.soft != "" {
		info.Refusal, info.Detail = ReasonUnknownFunction, s.soft
	}
	return info
}

// dateCasts looks at the casts to date and time types, where a text may mean the
// clock.
func (s *scanner) dateCasts() {
	if !s.mayDate || s.info.Refusal != "" && s.info.Refusal != ReasonSessionFunction {
		return
	}
	if s.body {
		// What a variable of PL/pgSQL holds is not known.
		s.info.DateCasts = []DateCast{{}}
		return
	}
	casts, ok := s.caster.dateCasts(s.text[s.start:s.cur.Start], s.lx.BackslashEscapes, s.unchecked)
	if !ok {
		casts = []DateCast{{}}
	}
	s.info.DateCasts = casts
	if s.unchecked {
		return
	}
	for _, d := range casts {
		if d.Column == "" && d.Type == "" {
			s.refuse(ReasonSpecialDate, "cast of a computed text")
		}
	}
}

// verb looks at the first word of a statement and prepares the scan of the rest.
// Statements that hold no query are read to their end here.
func (s *scanner) verb() {
	f := &s.frames[0]
	info := s.info
	switch s.cur.Keyword.word() {
	case kwSelect, kwValues, kwTable, kwWith, kwInsert, kwUpdate, kwDelete, kwMerge, kwTruncate, kwCopy:
		info.Atomic = true
	}
	switch s.cur.Keyword.word() {
	case kwSelect, kwValues, kwTable, kwWith:
		info.Kind = Read
	case kwInsert, kwUpdate, kwDelete, kwMerge:
		// scan finds the target, as it does within a CTE
	case kwTruncate:
		s.truncate()
	case kwCopy:
		s.copyStatement()
	case kwRefresh:
		s.refresh()
	case kwExplain:
		s.explain()
	case kwReturn: // in the body of a SQL function
		info.Kind = Read
		f.state = stExpr
		s.advance()
	case kwCall:
		info.Kind = Write
		f.state = stExpr
		s.advance()
	case kwDo:
		s.do()
	case kwExecute:
		info.Kind = Write
		// It runs a statement that is not in the text.
		info.WritesAll, info.ChangesSession = true, true
		f.state = stExpr
		s.skipRest()
	case kwPrepare:
		s.prepare()
	case kwDeclare:
		s.declare()
	case kwBegin, kwStart, kwCommit, kwEnd, kwRollback, kwAbort, kwSavepoint, kwRelease:
		s.transaction()
	case kwSet, kwReset, kwDiscard, kwDeallocate, kwListen, kwUnlisten, kwLoad:
		s.session()
	case kwVacuum, kwAnalyze, kwAnalyse, kwCluster, kwReindex:
		info.Kind, info.Maintains, info.Fires = Other, true, isWord(s.cur, kwReindex)
		s.skipRest()
	case kwShow, kwFetch, kwMove, kwClose, kwNotify, kwLock, kwCheckpoint:
		info.Kind = Other
		s.skipRest()
	case kwAlter, kwCreate, kwDrop, kwGrant, kwRevoke, kwComment, kwSecurity,
		kwReassign, kwImport:
		s.definition()
	default:
		if s.punct(s.cur, '(') {
			info.Kind, info.Atomic = Read, true
			return
		}
		info.WritesAll, info.ChangesSession = true, true
		s.skipRest()
	}
}

// skipRest passes all that is left of the statement. A lexer's error in it means
// that the database will refuse the whole text.
func (s *scanner) skipRest() {
	for s.cur.Kind != TokenEOF && !s.punct(s.cur, ';') {
		if s.cur.Kind == TokenError || s.cur.Kind == TokenJunk {
			s.lexError()
			return
		}
		s.advance()
	}
}

// lexError ends the scan. PostgreSQL lexes and parses a whole text before it runs
// any of it, so a text that no version lexes changes nothing.
func (s *scanner) lexError() {
	junk := s.cur.Kind == TokenJunk
	s.stop(ReasonSyntax)
	s.info.WritesAll, s.info.ChangesSession = junk, junk
}

// word passes cur if it is the keyword k.
func (s *scanner) word(k Keyword) bool {
	if isWord(s.cur, k) {
		s.advance()
		return true
	}
	return false
}

// target notes the relation named at cur as written, and passes its name.
func (s *scanner) target() bool {
	if !isNameToken(s.cur) || s.cur.Keyword.Reserved() {
		return false
	}
	s.written()
	s.advance()
	return true
}

// written reads the name at cur as that of a relation written.
func (s *scanner) written() {
	c := s.readChain()
	s.chainEnd = 0 // a parenthesis that follows holds columns, not arguments
	s.add(&s.writes, c.name())
	s.noteTemp(c)
}

func (s *scanner) noteTemp(c *chain) {
	if c.n > 1 && (c.parts[c.n-2] == "pg_temp" || hasPrefix(c.parts[c.n-2], "pg_temp_")) {
		s.info.Temp = true
		s.refuse(ReasonTempTable, c.last())
	}
}

func hasPrefix(s, p string) bool { return len(s) >= len(p) && s[:len(p)] == p }

// definition reads DDL: every name in it is taken for a relation read, a relation
// changed and, before a parenthesis, a function.
func (s *scanner) definition() {
	s.info.Kind, s.info.DDL, s.info.Fires = Write, true, true
	s.everything, s.ddl = true, true
	s.frames[0].state = stExpr
	create := s.word(kwCreate)
	if !create {
		s.advance()
		return
	}
	if s.word(kwOr) {
		s.word(kwReplace)
	}
	for isWord(s.cur, kwLocal) || isWord(s.cur, kwGlobal) {
		s.advance()
	}
	switch s.cur.Keyword.word() {
	case kwTemp, kwTemporary:
		s.info.Temp = true
	case kwFunction, kwProcedure:
		s.routine = true
	}
}
