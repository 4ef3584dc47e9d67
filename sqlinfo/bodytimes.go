package sqlinfo

// PL/pgSQL converts what is assigned and what is returned to the type of the variable or of the result by way of text, where
// it has no other ("Assignment" in the manual, chapter "PL/pgSQL"). So 'now' in a text variable, or in a column, becomes a time
// although no cast is written. A text does not tell the types of its expressions; it tells whether anything is
// assigned, and which types may be assigned to.

// BodyTimes says how a body of PL/pgSQL may make a time out of a text without a cast. The zero value is that of
// a body which does not.
type BodyTimes struct {
	// Assigns: a value is put into a variable, or returned by RETURN or RETURN NEXT. Without that the rest does
	// not matter. The types of the parameters and of the result are assigned to as well.
	Assigns bool
	// Named: a date or time type of PostgreSQL's own is named, or the fields of a record are assigned to.
	Named bool
	// Zone: time with time zone is named.
	Zone bool
	// Like: %TYPE or %ROWTYPE is used: a variable has the type of a column, or of a row, of one of Body.Reads.
	Like bool
	// Words holds the names that occur, folded: any of them may be a user's type. Declared holds those that stand
	// where a declaration has its type, and where a table's name means the type of its rows.
	Words, Declared map[string]bool
}

// bodyTimes reads a block of PL/pgSQL; text is one that the lexer takes to the end.
func bodyTimes(text string) BodyTimes {
	b := BodyTimes{Words: make(map[string]bool), Declared: make(map[string]bool)}
	c := caster{text: text}
	lx := Lexer{text: text}
	for {
		t := lx.Next()
		if t.Kind == TokenEOF || t.Kind == TokenError || t.Kind == TokenJunk {
			break
		}
		c.tokens = append(c.tokens, t)
	}
	record, fields, cursor := false, false, false
	for i, t := range c.tokens {
		switch {
		case t.Kind == TokenColonEquals:
			b.Assigns = true
			fields = fields || c.punct(i-2, '.') || c.punct(i-1, ']') || c.punct(i-1, ')')
		case t.Kind == TokenOperator && text[t.Start:t.End] == "=":
			if start := c.targetStart(i - 1); start >= 0 && c.begins(start) {
				b.Assigns = true
				fields = fields || start != i-1
			}
		case !c.name(i):
			continue
		}
		word := c.folded(i)
		if word == "" {
			continue
		}
		b.Words[word] = true
		b.Named = b.Named || t.Kind == TokenUnicodeIdent // its escapes may be written by another sign
		if c.punct(i-1, '.') && !c.punct(i-2, '.') && isDateType(word) && c.folded(i-2) != "pg_catalog" {
			continue // t.date, a column
		}
		switch word {
		case "into":
			b.Assigns = true
			for j := i + 1; c.name(j) || c.punct(j, ',') || c.punct(j, '.') || c.punct(j, '['); j++ {
				fields = fields || c.punct(j, '.') || c.punct(j, '[')
			}
		case "for", "foreach", "next", "declare", "default", "call", "fetch", "get", "open", "slice":
			b.Assigns = true
		case "return":
			b.Assigns = b.Assigns || !c.punct(i+1, ';') && c.folded(i+1) != "query"
		case "record":
			record = true
		case "cursor":
			cursor = true
		case "type", "rowtype":
			before := c.at(i - 1)
			b.Like = b.Like || before.Kind == TokenOperator && text[before.Start:before.End] == "%"
		case "timetz", "_timetz":
			b.Zone = true
		case "with":
			b.Zone = b.Zone || c.folded(i+1) == "time" && c.folded(i+2) == "zone" && (c.folded(i-1) == "time" || c.punct(i-1, ')'))
		}
		b.Named = b.Named || isDateType(word)
		if c.folded(i-1) != "" && !c.punct(i-2, '.') && c.begins(i-1) {
			b.declared(&c, i)
		} else if c.folded(i-1) == "constant" {
			b.declared(&c, i)
		}
	}
	b.Named = b.Named || record && fields
	if cursor {
		b.Declared = b.Words // a cursor's parameters are declared within its line
	}
	return b
}

// declared notes the chain of names that begins at i.
func (b *BodyTimes) declared(c *caster, i int) {
	for c.punct(i+1, '.') && c.name(i+2) {
		i += 2
	}
	b.Declared[c.folded(i)] = true
}

// begins reports whether a statement or a declaration may begin at i.
func (c *caster) begins(i int) bool {
	switch t := c.at(i - 1); t.Kind {
	case TokenEOF:
		return true
	case TokenPunct:
		return c.text[t.Start] == ';'
	case TokenOperator:
		return c.text[t.Start:t.End] == ">>" // a label
	case TokenIdent:
		switch fold(c.text[t.Start:t.End]) {
		case "begin", "then", "else", "loop", "declare":
			return true
		}
	}
	return false
}

// targetStart gives where what is assigned to begins, that ends at i: a name, with fields and elements; -1 if it is none.
func (c *caster) targetStart(i int) int {
	for i >= 0 {
		switch {
		case c.punct(i, ']'):
			depth := 1
			for i--; i >= 0 && depth > 0; i-- {
				if c.punct(i, ']') {
					depth++
				} else if c.punct(i, '[') {
					depth--
				}
			}
		case c.name(i):
			if !c.punct(i-1, '.') {
				return i
			}
			i -= 2
		default:
			return -1
		}
	}
	return -1
}
