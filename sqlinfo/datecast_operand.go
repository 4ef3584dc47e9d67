package sqlinfo

// operand looks at the value that ends at token e and is cast to typ.
//
// A literal and a parameter are looked at by themselves, so they may be cast; but not by way of a
// type that makes another text of them, such as varchar(3) of 'nowx'.
func (c *caster) operand(e int, typ string) {
	changed := false // on the way to typ another text may be made
	for c.spend() {
		switch t := c.at(e); {
		case isStringToken(t):
			if changed || !c.plainLiteral(e) {
				c.add(DateCast{Type: typ})
			}
			return
		case t.Kind == TokenInteger, t.Kind == TokenFloat:
			return
		case t.Kind == TokenParam && !c.body:
			if changed {
				c.add(DateCast{Type: typ})
			}
			return
		case c.punct(e, ']'):
			open := c.match[e]
			if c.is(open-1, kwArray) {
				c.parts(open+1, e, typ)
				if changed {
					c.add(DateCast{Type: typ})
				}
				return
			}
			e = open - 1 // an element, or the [] of a type
			continue
		case c.punct(e, ')'):
			open := c.match[e]
			if c.name(open-1) && !c.reserved(open-1) {
				start := c.chainStart(open - 1)
				if c.at(start-1).Kind == TokenTypecast {
					changed = changed || !c.keepsText(start)
					e = start - 2 // a type with its precision
					continue
				}
				if !makesNoText(c, open-1) {
					c.add(DateCast{Type: typ})
					return
				}
			}
			if c.is(open-1, kwOver) || c.is(open-1, kwFilter) || c.is(open-1, kwGroup) {
				c.add(DateCast{Type: typ})
				return
			}
			if c.is(open-1, kwCast) {
				if as := c.lastAs(open+1, e); as > 0 {
					if _, date, _ := c.typeAt(as + 1); !date {
						c.parts(open+1, as, typ)
						if changed || !c.keepsText(as+1) {
							c.add(DateCast{Type: typ})
						}
					}
					return
				}
			}
			c.parts(open+1, e, typ)
			if changed && c.literalWithin(open+1, e) {
				c.add(DateCast{Type: typ})
			}
			return
		case c.is(e, kwZone) && c.is(e-1, kwTime) && (c.is(e-2, kwWith) || c.is(e-2, kwWithout)):
			return // x::timestamp with time zone::date
		case c.is(e, kwEnd):
			depth := 0
			for i := e; i >= 0 && c.spend(); i-- {
				if c.is(i, kwEnd) {
					depth++
				} else if c.is(i, kwCase) {
					if depth--; depth == 0 {
						c.parts(i+1, e, typ)
						return
					}
				}
			}
		case c.name(e) && c.typeStart(e) >= 0:
			changed = changed || !c.keepsText(c.typeStart(e))
			e = c.typeStart(e) - 2
			continue
		case c.name(e):
			start := c.chainStart(e)
			before := c.at(start - 1)
			switch {
			case before.Kind == TokenTypecast:
				_, date, _ := c.typeAt(start)
				if date {
					return // a date or time already
				}
				changed = changed || !c.keepsText(start)
				e = start - 2
				continue
			case c.punct(start-1, '.') || isWord(before, kwOver):
			case c.reserved(e) && start == e:
				return // NULL, or a function that is refused by itself
			default:
				c.add(DateCast{Column: c.folded(e), Type: typ})
				return
			}
		}
		c.add(DateCast{Type: typ})
		return
	}
}

// parts looks at everything in an expression that is cast to typ.
func (c *caster) parts(from, to int, typ string) {
	for i := from; i < to && c.spend(); i++ {
		switch t := c.at(i); t.Kind {
		case TokenParam:
			if c.body {
				c.add(DateCast{Type: typ})
			}
		case TokenOperator:
			if !arithmetic(c.text[t.Start:t.End]) {
				c.add(DateCast{Type: typ}) // || and ->> make a text
			}
		case TokenTypecast:
			c.through(i+1, typ)
			_, _, end := c.typeAt(i + 1)
			i = max(i, end-1)
		case TokenIdent, TokenQuotedIdent, TokenUnicodeIdent:
			switch {
			case c.punct(i+1, '.'), c.syntax(i):
			case c.is(i, kwAs):
				if c.inCast(i) {
					c.through(i+1, typ)
				}
				_, _, end := c.typeAt(i + 1)
				i = max(i, end-1)
			case c.reserved(i):
			case c.punct(c.chainStart(i)-1, '.'):
				c.add(DateCast{Type: typ}) // a part of a value of several parts
			case c.punct(i+1, '('):
				if !makesNoText(c, i) {
					c.add(DateCast{Type: typ})
				}
			case isStringToken(c.at(i + 1)):
				if !c.infix(i) {
					c.through(i, typ) // type 'literal'
				}
			case c.is(c.chainStart(i)-1, kwFrom) || c.is(c.chainStart(i)-1, kwJoin):
				// a relation
			default:
				c.add(DateCast{Column: c.folded(i), Type: typ})
			}
		}
	}
}

// through notes a value within an expression that is cast to typ by way of the type at i.
func (c *caster) through(i int, typ string) {
	if !c.keepsText(i) {
		c.add(DateCast{Type: typ})
	}
}

// keepsText reports whether a text that is put into the type at i comes out of it as it was, or as
// one that cannot say 'now'. It is false for a type that cuts texts or reads escapes in them, and for
// every type that is not PostgreSQL's own.
func (c *caster) keepsText(i int) bool {
	name, date, end := c.typeAt(i)
	if date {
		return true
	}
	if c.punct(i+1, '.') && c.folded(i) != "pg_catalog" || !textKeepers.has(name) {
		return false
	}
	varying := false
	for ; i < end; i++ {
		switch {
		case c.is(i, kwVarying):
			varying = true
		case c.punct(i, '('):
			return numericTypes.has(name)
		}
	}
	return varying || name != "character" && name != "char" && name != "nchar" && name != "national"
}

// plainLiteral reports whether the literal at i stands by itself or in a type that keeps its text:
// type 'literal', type(modifier) 'literal'.
func (c *caster) plainLiteral(i int) bool {
	e := i - 1
	if c.punct(e, ')') {
		e = c.match[e] - 1
		if !c.name(e) || c.reserved(e) {
			return false
		}
		_, date, _ := c.typeAt(c.chainStart(e))
		return date
	}
	if !c.name(e) || c.reserved(e) || c.syntax(e) {
		return true
	}
	start := c.chainStart(e)
	for _, from := range []int{start - 2, start - 1, start} {
		// A type may be of several words.
		if _, _, end := c.typeAt(from); c.name(from) && !c.reserved(from) && end == i {
			return c.keepsText(from)
		}
	}
	return c.infix(e)
}

// infix reports whether the word at i stands between two values, as LIKE does.
func (c *caster) infix(i int) bool {
	return c.at(i).Keyword != kwNone && (c.endsValue(i-1) || c.is(i-1, kwNot))
}

// literalWithin reports whether there is a literal or a parameter among the tokens.
func (c *caster) literalWithin(from, to int) bool {
	for i := from; i < to && c.spend(); i++ {
		if isStringToken(c.at(i)) || c.at(i).Kind == TokenParam {
			return true
		}
	}
	return false
}

// syntax reports whether the word at i is one that only separates.
func (c *caster) syntax(i int) bool {
	if c.punct(i-1, '.') {
		return false // a part of a name, whatever the word
	}
	switch c.at(i).Keyword.word() {
	case kwAt:
		return c.is(i+1, kwTime)
	case kwTime:
		return c.is(i+1, kwZone)
	case kwZone:
		return c.is(i-1, kwTime)
	case kwPartition:
		return c.is(i+1, kwBy)
	case kwBy:
		return c.is(i-1, kwPartition) || c.is(i-1, kwOrder) || c.is(i-1, kwGroup)
	case kwJoin:
		return true
	}
	return c.at(i).Keyword != kwNone && c.is(i+1, kwFrom) && c.match[i] >= 0 && c.is(c.match[i]-1, kwExtract)
}
