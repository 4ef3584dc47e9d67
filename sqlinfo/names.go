package sqlinfo

// named handles a name at cur: a relation, a column, a function, a type or an alias.
func (s *scanner) named() {
	f := s.top()
	switch f.state {
	case stWithName:
		f.cte = s.part()
		f.state = stWithDef
		s.chainEnd = 0
		if !s.everything {
			return
		}
	case stTarget:
		if !s.everything { // an alias, or OVERRIDING and its like
			s.part()
			s.chainEnd = 0
			return
		}
	}
	word := s.cur.Keyword.word()
	// Two names side by side in parentheses: a column and its type.
	typed := !f.query && s.depth() > 1 && s.prev.End == s.chainEnd && s.chainEnd > 0
	before := s.prev
	c := s.readChain()
	call := s.punct(s.next, '(')
	if s.everything {
		s.candidates(c)
	}
	if typed || (isStringToken(s.next) || s.next.Kind == TokenParam) &&
		!(word == kwZone && isWord(before, kwTime)) && !(word == kwEscape && s.ended(before)) {
		s.useType(c.name()) // name type, or type 'value'
	}
	if call {
		alias := f.state == stAfter && !s.everything && (isNameToken(before) || s.punct(before, ')'))
		if alias || !s.isCall(f, c, word, before) {
			s.chainEnd = 0
		} else {
			s.call(c)
		}
	}
	switch {
	case f.state == stItem:
		f.state = stAfter
		if !call {
			s.relation(c)
		}
		if !s.everything {
			return
		}
	case call:
		return
	}
	if c.n > 1 {
		for i := 1; i < c.n; i++ {
			s.attr(c.parts[i], false)
		}
	}
	s.column(c)
}

// relation notes a chain that stands where a relation does.
func (s *scanner) relation(c *chain) {
	if c.n == 1 {
		// An unqualified name means a CTE of that name before any table (manual,
		// section 7.8): one that stands in scope hides the table.
		for i := len(s.ctes) - 1; i >= 0; i-- {
			if s.ctes[i].name == c.parts[0] {
				return
			}
		}
	}
	n := c.name()
	s.add(&s.reads, n)
	switch {
	case n.Schema == "pg_catalog" || n.Schema == "information_schema" || n.Schema == "pg_toast",
		// pg_catalog is searched first unless the search_path says otherwise.
		n.Schema == "" && hasPrefix(n.Name, "pg_"):
		s.refuse(ReasonSystemCatalog, n.Name)
	}
	s.noteTemp(c)
}

// candidates notes all that a chain may mean where nothing tells what it stands for.
func (s *scanner) candidates(c *chain) {
	for i := range min(c.n, 3) {
		var n Name
		switch i {
		case 0:
			n = Name{Name: c.parts[0]}
		case 1:
			n = Name{Schema: c.parts[0], Name: c.parts[1]}
		case 2:
			n = Name{Catalog: c.parts[0], Schema: c.parts[1], Name: c.parts[2]}
		}
		s.add(&s.reads, n)
		if s.ddl {
			s.add(&s.writes, n)
		}
	}
	if c.n > 1 && (c.parts[0] == "pg_temp" || hasPrefix(c.parts[0], "pg_temp_")) {
		s.info.Temp = true
	}
}

// column looks at a name in an expression.
func (s *scanner) column(c *chain) {
	switch c.last() {
	case "ctid", "xmin", "xmax", "cmin", "cmax":
		s.refuse(ReasonSystemColumn, c.last())
	case "system_user":
		// A keyword since PostgreSQL 16, which calls a function.
		if c.n == 1 && c.first != kwNone {
			s.call(c)
		}
	}
}

// attr notes a name after a dot, which calls a function f as (x).f if there is no
// column f. Of the built-in ones that are not safe only those that take one value
// other than a row can be meant, and only after an expression: an alias stands for
// a row.
func (s *scanner) attr(name string, expression bool) {
	s.add(&s.attrs, Name{Name: name})
	switch name {
	case "ctid", "xmin", "xmax", "cmin", "cmax":
		s.refuse(ReasonSystemColumn, name)
	}
	if expression && !s.everything {
		r := unsafeBuiltin(name)
		if name == oneArgumentIsClock {
			r = ReasonTimeFunction
		}
		if r != "" {
			s.refuse(r, name)
		}
	}
}

// isCall tells a call from the other things that stand before a parenthesis.
func (s *scanner) isCall(f *frame, c *chain, word Keyword, prev Token) bool {
	if c.n > 1 || word == kwNone {
		return true
	}
	switch word {
	case kwOver, kwFilter, kwEscape, kwPassing, kwColumns, kwValue:
		return !s.ended(prev)
	case kwFirst, kwNext:
		return !isWord(prev, kwFetch)
	case kwDocument, kwContent:
		return !((f.call == kwXmlparse || f.call == kwXmlserialize) && f.tokens == 1)
	case kwSets:
		return !isWord(prev, kwGrouping)
	case kwRollup, kwCube:
		// At the start of a grouping element the grammar prefers the clause.
		group := f.state == stGroup || f.call == kwSets
		return !(group && (isWord(prev, kwBy) || isWord(prev, kwAll) || isWord(prev, kwDistinct) ||
			s.punct(prev, ',') || s.punct(prev, '(')))
	case kwBy:
		return !(isWord(prev, kwOrder) || isWord(prev, kwPartition))
	case kwZone:
		return !isWord(prev, kwTime)
	case kwMaterialized:
		return !isWord(prev, kwAs) && !(isWord(prev, kwNot) && isWord(s.prev2, kwAs))
	case kwSet:
		return !isWord(prev, kwUpdate) // UPDATE SET (a, b) = ... of MERGE and ON CONFLICT
	case kwInsert:
		return !isWord(prev, kwThen) || f.cases > 0 // THEN INSERT (a, b) of MERGE
	case kwConflict:
		return !isWord(prev, kwOn) || f.state != stExpr // no join's condition
	case kwOperator:
		return !s.operatorClause(prev)
	}
	return true
}

// operatorClause reads on at OPERATOR(schema.op), without moving; it notes the operator.
func (s *scanner) operatorClause(prev Token) bool {
	lx := s.lx // at the token after the parenthesis
	for range 8 {
		switch t := lx.Next(); {
		case t.Kind == TokenOperator:
			op := s.tok(t)
			if t := lx.Next(); !s.punct(t, ')') {
				return false
			}
			s.operator(op)
			// operator(*) may be a call of an aggregate of that name as well.
			return op != "*" || s.ended(prev)
		case isNameToken(t) || s.punct(t, '.'):
		default:
			return false
		}
	}
	return false
}

// call notes a function called by name.
func (s *scanner) call(c *chain) {
	if c.n == 1 && c.first.class() == classColName && c.first != kwNone {
		s.keywordCall(c.parts[0])
		return
	}
	s.callee, s.calleeEnd = 1+s.function(c.name()), s.chainEnd
}

// function notes a function called and gives its place among the names.
func (s *scanner) function(n Name) int {
	i := s.add(&s.funcs, n)
	s.mayDate = s.mayDate || isDateType(n.Name) || populates.has(n.Name)
	reason := Reason("")
	if n.Schema == "" || n.Schema == "pg_catalog" {
		if SafeFunction(n.Name) {
			return i
		}
		reason = unsafeBuiltin(n.Name)
	}
	switch {
	case reason != "":
		s.refuse(reason, n.Name)
	case s.soft == "":
		s.soft = n.String()
	}
	return i
}

// system notes a function of pg_catalog that a keyword stands for.
func (s *scanner) system(name string) { s.function(Name{Schema: "pg_catalog", Name: name}) }

// keywordCall handles the words that look like functions and have a grammar of
// their own; no function of such a name can be called without a schema.
func (s *scanner) keywordCall(word string) {
	switch word {
	case "coalesce", "exists", "grouping", "row", "values", "between", "setof", "out", "inout", "none":
	case "greatest", "least":
		s.operator("<")
		s.operator(">")
	case "nullif":
		s.operator("=")
	case "extract":
		s.system("extract")
		s.system("date_part") // before PostgreSQL 14
	case "trim":
		s.system("btrim")
		s.system("ltrim")
		s.system("rtrim")
	case "normalize", "xmlexists", "position":
		s.system(word)
	case "substring", "overlay":
		// With commas instead of FROM an ordinary function of that name is called.
		s.function(Name{Name: word})
	case "treat":
		// It calls the function of pg_catalog that is named after the type, a cast.
		s.refuse(ReasonUnsupportedSyntax, word)
	default:
		// Types with a length, as in varchar(3) 'x', and the constructors of XML.
		// Those of JSON are functions before PostgreSQL 16.
		if hasPrefix(word, "json") || word == "merge_action" {
			s.function(Name{Name: word})
		}
	}
}
