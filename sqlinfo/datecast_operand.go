package sqlinfo

// operand looks at the value that ends at token e and is cast to typ.
func (c *caster) operand(e int, typ string) {
	for c.spend() {
		switch t := c.at(e); {
		case isStringToken(t), t.Kind == TokenInteger, t.Kind == TokenFloat, t.Kind == TokenParam && !c.body:
			return
		case c.punct(e, ']'):
			open := c.match[e]
			if c.is(open-1, kwArray) {
				c.parts(open+1, e, typ)
				return
			}
			e = open - 1 // an element, or the [] of a type
			continue
		case c.punct(e, ')'):
			open := c.match[e]
			if c.name(open-1) && !c.reserved(open-1) {
				start := c.chainStart(open - 1)
				if c.at(start-1).Kind == TokenTypecast {
					e = open - 1 // a type with its precision
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
					}
					return
				}
			}
			c.parts(open+1, e, typ)
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
			_, _, end := c.typeAt(i + 1)
			i = max(i, end-1)
		case TokenIdent, TokenQuotedIdent, TokenUnicodeIdent:
			switch {
			case c.punct(i+1, '.'), c.syntax(i):
			case c.is(i, kwAs):
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
				// type 'literal'
			case c.is(c.chainStart(i)-1, kwFrom) || c.is(c.chainStart(i)-1, kwJoin):
				// a relation
			default:
				c.add(DateCast{Column: c.folded(i), Type: typ})
			}
		}
	}
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
