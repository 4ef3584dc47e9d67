package sqlinfo

import (
	"slices"
	"strings"
)

// Body is what the body of a function, a procedure or a DO block may do.
type Body struct {
	// Reads, Writes, Funcs, Attrs, Types, DateCasts and Operators are as in Info. In
	// PL/pgSQL, where nothing tells a variable from a relation, Reads holds every
	// name and every way to read it.
	Reads, Writes, Funcs, Attrs, Types []Name
	DateCasts                          []DateCast
	Operators                          []string
	// Times says how a body of PL/pgSQL may make a time out of a text where no cast is written.
	Times BodyTimes
	// WritesAll: it may write what its text does not name.
	WritesAll bool
	// DDL: it changes the schema.
	DDL bool
	// Maintains and Fires are as in Info.
	Maintains, Fires bool
	// Session: it changes the state of the session or the transaction.
	Session bool
	// Unknown: the body is not understood, or runs SQL that is not in its text. It
	// may do anything, and the other fields do not say what.
	Unknown bool
	// Refusal and Detail say why an answer that depends on the body must not be
	// kept, were all functions in Funcs safe; "" if, as far as the text tells, it
	// may be. Writes alone are no such reason.
	Refusal Reason
	Detail  string
}

// ParseBody reads the body of a function in the given language: "sql" (also the
// form BEGIN ATOMIC ... END and RETURN expression, as pg_get_function_sqlbody gives
// them) or "plpgsql". For any other language Unknown is set. It never gives nil.
func ParseBody(lang, body string) *Body {
	unknown := &Body{Unknown: true, WritesAll: true, Refusal: ReasonSyntax}
	if len(body) > defaultMaxBytes || strings.IndexByte(body, 0) >= 0 {
		return unknown
	}
	var b *Body
	switch strings.ToLower(lang) {
	case "sql":
		b = parseSQLBody(body)
	case "plpgsql":
		b = parsePLBody(body)
	}
	if b == nil {
		return unknown
	}
	return b
}

// parseSQLBody reads a list of statements.
func parseSQLBody(text string) *Body {
	s := getScanner(text, Options{MaxDepth: defaultMaxDepth})
	defer s.release()
	s.unchecked = true
	s.cur, s.next = s.lx.Next(), s.lx.Next()
	atomic := false
	if isWord(s.cur, kwBegin) && isWord(s.next, kwAtomic) {
		s.advance()
		s.advance()
		atomic = true
	}
	var parts []*Info
	for {
		for s.punct(s.cur, ';') {
			s.advance()
		}
		if atomic && isWord(s.cur, kwEnd) && s.next.Kind == TokenEOF {
			break
		}
		if s.cur.Kind == TokenEOF {
			break
		}
		parts = append(parts, s.statement())
		if s.hardStop || len(parts) > maxParts {
			return nil
		}
	}
	if len(parts) == 0 {
		return &Body{}
	}
	all := combine(parts, len(parts))
	b := bodyOf(all)
	for _, p := range parts {
		switch p.Kind {
		case Unknown:
			return nil
		case Tx:
			b.Session = true
		case Read:
			switch p.Refusal {
			case "", ReasonUnknownFunction:
				continue
			}
			if b.Refusal == "" || b.Refusal == ReasonSessionFunction {
				b.Refusal, b.Detail = p.Refusal, p.Detail
			}
		}
	}
	return b
}

func bodyOf(i *Info) *Body {
	return &Body{Reads: i.Reads, Writes: slices.Concat(i.Writes, i.Planned), Funcs: i.Funcs, Attrs: i.Attrs,
		Types: i.Types, DateCasts: i.DateCasts, Operators: i.Operators,
		WritesAll: i.WritesAll, DDL: i.DDL, Maintains: i.Maintains, Fires: i.Fires, Session: i.ChangesSession}
}

// parsePLBody reads a block of PL/pgSQL as one long text in which everything may
// be the name of a relation, and a data-modifying statement may begin anywhere.
func parsePLBody(text string) *Body {
	s := getScanner(text, Options{MaxDepth: defaultMaxDepth})
	defer s.release()
	s.cur, s.next = s.lx.Next(), s.lx.Next()
	s.begin()
	s.body, s.everything = true, true
	s.info.Kind = Read
	s.scan()
	if s.hardStop || s.dynamic {
		return nil
	}
	refusal, detail := s.info.Refusal, s.info.Detail
	b := bodyOf(s.finish())
	b.Times = bodyTimes(text)
	b.Refusal, b.Detail = refusal, detail
	b.Session = b.Session || s.changesSession
	return b
}

// bodyWord handles the words of PL/pgSQL and of SQL commands within it. They are
// looked for anywhere, not only at the start of a command, since labels, THEN, LOOP
// and the like make starts hard to tell; a variable of such a name makes the body
// seem to do more than it does.
func (s *scanner) bodyWord() {
	switch s.cur.Keyword.word() {
	case kwExecute:
		s.dynamic = true
	case kwDo:
		s.dynamic = s.dynamic || isStringToken(s.next) || isWord(s.next, kwLanguage)
	case kwInsert, kwUpdate, kwDelete, kwMerge:
		if !s.isDML() {
			return
		}
		if isWord(s.next, kwSet) && isWord(s.prev, kwDo) {
			return // ON CONFLICT DO UPDATE SET: the target was named before
		}
		s.peekTarget()
	case kwTruncate, kwRefresh, kwCopy, kwCreate, kwAlter, kwDrop, kwGrant, kwRevoke,
		kwComment, kwSecurity, kwReassign, kwImport, kwPrepare, kwLoad:
		if !s.commandStart() || isWord(s.cur, kwComment) && !isWord(s.next, kwOn) {
			return
		}
		s.info.WritesAll = true
		switch s.cur.Keyword.word() {
		case kwTruncate, kwCopy:
		case kwRefresh:
			s.info.Fires = true
		default:
			s.info.DDL, s.info.Fires = true, true
		}
	case kwSet:
		s.changesSession = s.changesSession || s.commandStart() && s.afterCommand()
	case kwVacuum, kwAnalyze, kwAnalyse, kwCluster, kwReindex:
		if s.commandStart() {
			s.info.Maintains = true
			s.info.Fires = s.info.Fires || isWord(s.cur, kwReindex)
		}
	case kwReset, kwDiscard, kwCommit, kwRollback, kwDeallocate:
		s.changesSession = s.changesSession || s.commandStart()
	}
}

// peekTarget notes the target of the data-modifying statement that may begin at cur,
// without moving on: cur may be a column, and what follows an expression.
func (s *scanner) peekTarget() {
	lx, cur, next, prev, prev2, c, end := s.lx, s.cur, s.next, s.prev, s.prev2, s.chain, s.chainEnd
	s.advance()
	for isWord(s.cur, kwInto) || isWord(s.cur, kwFrom) || isWord(s.cur, kwOnly) || s.punct(s.cur, '(') {
		s.advance()
	}
	if isNameToken(s.cur) {
		s.written()
	} else {
		s.info.WritesAll = true
	}
	if !s.hardStop {
		s.lx, s.cur, s.next, s.prev, s.prev2, s.chain, s.chainEnd = lx, cur, next, prev, prev2, c, end
	}
}

// afterCommand reports whether what stands before cur ends a command of PL/pgSQL or
// opens a list of commands.
func (s *scanner) afterCommand() bool {
	switch s.prev.Kind {
	case TokenEOF:
		return true
	case TokenPunct:
		return s.text[s.prev.Start] == ';'
	case TokenOperator:
		return s.tok(s.prev) == ">>" // a label
	case TokenIdent:
		switch fold(s.tok(s.prev)) {
		case "begin", "then", "else", "loop":
			return true
		}
	}
	return false
}

// commandStart reports whether a command of PL/pgSQL may begin at cur: not if what
// follows shows that cur is a variable or a column.
func (s *scanner) commandStart() bool {
	switch s.next.Kind {
	case TokenOperator, TokenColonEquals, TokenTypecast, TokenEqualsGreater:
		return false
	case TokenPunct:
		switch s.text[s.next.Start] {
		case ',', ')', ']', '.', '[':
			return false
		}
	}
	return true
}
