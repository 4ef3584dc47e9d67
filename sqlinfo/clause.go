package sqlinfo

// clause handles the words that begin a clause at this level.
func (s *scanner) clause(f *frame) bool {
	switch s.cur.Keyword.word() {
	case kwSelect:
		f.state, f.query = stExpr, true
	case kwTable:
		s.tableWord(f)
	case kwValues:
		switch f.state {
		case stWithAfter, stWithDef:
			f.state = stExpr
		case stTarget:
			if !f.insert {
				return false // an alias
			}
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
		if s.body {
			return false // see bodyWord
		}
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
		case stWithAfter, stWithTail:
			s.skipName() // CYCLE ... USING column
			f.state = stWithAfter
		}
	case kwWhere, kwHaving, kwWindow, kwOrder, kwLimit, kwOffset, kwFetch, kwUnion,
		kwIntersect, kwExcept, kwDo:
		f.window = f.window || isWord(s.cur, kwWindow)
		f.endList()
	case kwWhen:
		if f.cases == 0 {
			f.endList() // the first action of MERGE
		}
	case kwEnd:
		f.cases = max(f.cases-1, 0)
	case kwReturning:
		f.endList()
		if !f.query && s.depth() > 1 && isNameToken(s.next) && (!s.everything || f.jsonCall()) {
			s.advance() // json_value(... RETURNING type)
			s.typeName()
		}
	case kwSet:
		switch f.state {
		case stTarget:
			f.state = stExpr
		case stWithTail:
			f.state = stWithAfter
		default:
			return false
		}
	case kwSearch, kwCycle:
		if f.state != stWithAfter {
			return false
		}
		s.withTail(f)
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
		if f.state == stExpr && f.query && !s.ddl && !s.body {
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

// jsonCall reports whether the level holds the arguments of a function of SQL/JSON
// that takes RETURNING.
func (f *frame) jsonCall() bool {
	switch f.call {
	case kwJson_array, kwJson_arrayagg, kwJson_object, kwJson_objectagg, kwJson_query, kwJson_serialize, kwJson_value:
		return true
	}
	return false
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
	if s.everything && s.punct(s.next, '(') {
		// Neither in DDL nor in PL/pgSQL is it sure what begins and what ends a list.
		s.function(Name{Name: "join"})
	}
	switch f.state {
	case stItem:
		if s.punct(s.next, '(') && !s.joins(s.prev) {
			return false
		}
	case stAfter: // only aliases stand between an item and JOIN
	case stOn:
		if s.punct(s.next, '(') && !s.everything && !s.ended(s.prev) && !s.joins(s.prev) && !s.queryWithin() {
			// Whether arguments or an item stand in the parenthesis cannot be told.
			s.function(Name{Name: "join"})
			s.refuse(ReasonUnsupportedSyntax, "join")
			s.everything = true
		}
	default:
		return false
	}
	f.state = stItem
	return true
}

// joins reports whether the word says how to JOIN.
func (s *scanner) joins(t Token) bool {
	switch t.Keyword.word() {
	case kwCross, kwFull, kwInner, kwLeft, kwNatural, kwOuter, kwRight:
		return true
	}
	return false
}

// queryWithin reports whether a query begins behind the parenthesis next, so that it
// holds no arguments.
func (s *scanner) queryWithin() bool {
	lx := s.lx
	t := lx.Next()
	return isWord(t, kwSelect) || isWord(t, kwWith)
}

// skipName passes a name that is a column's whatever the word.
func (s *scanner) skipName() {
	if isNameToken(s.next) && !s.ddl && !s.body {
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
