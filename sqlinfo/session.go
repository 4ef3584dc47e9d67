package sqlinfo

// transaction reads BEGIN, COMMIT and their kin.
func (s *scanner) transaction() {
	info := s.info
	info.Kind = Tx
	verb := s.cur.Keyword.word()
	s.advance()
	switch verb {
	case kwBegin, kwStart:
		info.TxOp = TxBegin
	case kwCommit, kwEnd:
		info.TxOp = TxCommit
		if isWord(s.cur, kwPrepared) {
			info.TxOp = TxCommitPrepared
		}
	case kwSavepoint:
		info.TxOp = TxSavepoint
	case kwRelease:
		info.TxOp = TxRelease
	case kwRollback, kwAbort:
		info.TxOp = TxRollback
		if isWord(s.cur, kwPrepared) {
			info.TxOp = TxRollbackPrepared
		}
	}
	if info.TxOp == TxCommit || info.TxOp == TxRollback {
		if isWord(s.cur, kwWork) || isWord(s.cur, kwTransaction) {
			s.advance()
		}
		switch {
		case isWord(s.cur, kwTo) && info.TxOp == TxRollback:
			info.TxOp = TxRollbackTo
		case isWord(s.cur, kwAnd):
			s.advance()
			info.TxChain = isWord(s.cur, kwChain)
		}
	}
	s.skipRest()
}

// prepare reads PREPARE TRANSACTION and PREPARE name AS statement. The statement
// does nothing until EXECUTE, which is taken to write everything.
func (s *scanner) prepare() {
	s.advance()
	if isWord(s.cur, kwTransaction) && isStringToken(s.next) {
		s.info.Kind, s.info.TxOp = Tx, TxPrepare
	} else {
		s.info.Kind, s.info.SessionOp = Session, SessionPrepare
	}
	s.skipRest()
}

// session reads the statements that change the session's state.
func (s *scanner) session() {
	info := s.info
	info.Kind = Session
	verb := s.cur.Keyword.word()
	s.advance()
	switch verb {
	case kwSet:
		s.set()
	case kwReset:
		s.reset()
	case kwDiscard:
		switch s.cur.Keyword.word() {
		case kwAll:
			info.SessionOp = SessionDiscardAll
		case kwTemp, kwTemporary:
			info.SessionOp = SessionDiscardTemp
		default:
			info.SessionOp = SessionDiscardOther
		}
	case kwDeallocate:
		info.SessionOp = SessionDeallocate
	case kwListen:
		info.SessionOp = SessionListen
	case kwUnlisten:
		info.SessionOp = SessionUnlisten
	case kwLoad:
		info.SessionOp = SessionLoad
	}
	s.skipRest()
}

func (s *scanner) set() {
	info := s.info
	local := false
	// SESSION and LOCAL are modifiers here unless they are the parameter itself,
	// which is followed by = or TO.
	if (isWord(s.cur, kwSession) || isWord(s.cur, kwLocal)) && isNameToken(s.next) && !isWord(s.next, kwTo) {
		local = isWord(s.cur, kwLocal)
		if !(isWord(s.cur, kwSession) && (isWord(s.next, kwAuthorization) || isWord(s.next, kwCharacteristics))) {
			s.advance()
		}
	}
	info.SessionOp = SessionSet
	if local {
		info.SessionOp = SessionSetLocal
	}
	assigned := s.next.Kind == TokenOperator || isWord(s.next, kwTo) || s.punct(s.next, '.')
	switch s.cur.Keyword.word() {
	case kwSession:
		if isWord(s.next, kwCharacteristics) {
			info.SessionOp = SessionCharacteristics
			return
		}
		if isWord(s.next, kwAuthorization) {
			s.role(local)
			return
		}
	case kwTransaction:
		if !assigned {
			info.Kind, info.SessionOp, info.TxOp = Tx, SessionNone, TxSet
			return
		}
	case kwConstraints:
		if !assigned {
			info.SessionOp = SessionConstraints
			return
		}
	case kwRole:
		s.role(local) // also SET role = name
		return
	case kwTime:
		if isWord(s.next, kwZone) {
			info.Setting = "timezone"
			return
		}
	case kwSchema:
		if !assigned {
			info.Setting = "search_path"
			return
		}
	case kwNames:
		if !assigned {
			info.Setting = "client_encoding"
			return
		}
	case kwXml:
		if isWord(s.next, kwOption) {
			info.Setting = "xmloption"
			return
		}
	}
	if isNameToken(s.cur) {
		info.Setting = s.setting()
		if info.Setting == "role" || info.Setting == "session_authorization" {
			info.Setting = ""
			s.role(local)
		}
		if info.Setting == "search_path" {
			info.SearchPath = s.searchPath()
		}
	}
}

func (s *scanner) role(local bool) {
	s.info.SessionOp = SessionRole
	if local {
		s.info.SessionOp = SessionRoleLocal
	}
}

// setting reads a parameter's name, which PostgreSQL compares without regard to case.
func (s *scanner) setting() string {
	c := s.readChain()
	name := c.parts[0]
	for i := 1; i < c.n; i++ {
		name += "." + c.parts[i]
	}
	return fold(name)
}

func (s *scanner) reset() {
	info := s.info
	info.SessionOp = SessionReset
	switch {
	case isWord(s.cur, kwAll):
		info.SessionOp = SessionResetAll
	case isWord(s.cur, kwRole), isWord(s.cur, kwSession) && isWord(s.next, kwAuthorization):
		info.SessionOp = SessionRole
	case isWord(s.cur, kwTime) && isWord(s.next, kwZone):
		info.Setting = "timezone"
	case isWord(s.cur, kwTransaction):
		info.Setting = "transaction_isolation"
	case isNameToken(s.cur):
		info.Setting = s.setting()
		if info.Setting == "role" || info.Setting == "session_authorization" {
			info.Setting, info.SessionOp = "", SessionRole
		}
	}
}
