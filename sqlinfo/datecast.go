package sqlinfo

// A text that is cast to a date or time type may say 'today', and the answer then
// depends on the clock ("Date/Time Input", "Special Values" in the manual). Literals
// are looked at one by one, arguments by who binds them. What else is cast is looked
// at here, in a second pass over the tokens of a statement in which the first has
// seen such a type: the operand must be made of columns, of literals, and of
// functions and operators that make no new text. Whether a column holds text is for
// the catalog to say.

// DateCast is a value other than a literal or a parameter that is cast to a date or
// time type, or to one of which the text does not tell.
type DateCast struct {
	// Column is the column's last name, exactly one; "" stands for a value that may
	// be any text.
	Column string
	// Type is the last name of the type; "" for PostgreSQL's own date and time
	// types.
	Type string
	// Derived: the name may stand for the result of a function that makes no text
	// instead of a column.
	Derived bool
}

const (
	maxDateCastTokens = 1 << 13 // in a statement
	maxDateCastWork   = 1 << 17 // tokens looked at, all in all
	maxDateCasts      = 64
)

// caster is the second pass over a statement.
type caster struct {
	text    string
	tokens  []Token
	match   []int // of a bracket: its partner; of other tokens: the bracket they stand in, or -1
	open    []int // brackets that are open, while they are matched
	regions []span
	body    bool // the body of a function, whose parameters nobody has looked at
	work    int
	casts   []DateCast
	over    bool
}

// span is a range of tokens, the second not included.
type span struct{ from, to int }

// dateCasts gives the casts in a statement, and keeps its slices for the next; ok is false if there are too many of
// them, or too many tokens, to tell.
func (c *caster) dateCasts(text string, backslash, body bool) (casts []DateCast, ok bool) {
	*c = caster{text: text, body: body, tokens: c.tokens[:0], match: c.match[:0], open: c.open[:0]}
	if !c.lex(backslash) {
		return nil, false
	}
	c.findRegions()
	for i := range c.tokens {
		c.site(i)
	}
	names := c.casts
	c.casts = nil
	for _, n := range names {
		if n.Column != "" {
			plain, derived := c.plain(n.Column)
			n.Derived = derived
			if !plain {
				n = DateCast{Type: n.Type}
			}
		}
		c.add(n)
	}
	return c.casts, !c.over
}

// forget lets go of the text, and of slices that grew long.
func (c *caster) forget() {
	*c = caster{tokens: c.tokens[:0], match: c.match[:0], open: c.open[:0]}
	if cap(c.tokens) > 1024 {
		*c = caster{}
	}
}

func (c *caster) lex(backslash bool) bool {
	lx := Lexer{text: c.text, BackslashEscapes: backslash}
	open := c.open
	defer func() { c.open = open }()
	for {
		t := lx.Next()
		switch t.Kind {
		case TokenEOF:
			return len(open) == 0
		case TokenError, TokenJunk:
			return false
		}
		if isWord(t, kwUescape) {
			return false // names are written in a way that is not worth following
		}
		i := len(c.tokens)
		if i == maxDateCastTokens {
			return false
		}
		in := -1
		if len(open) > 0 {
			in = open[len(open)-1]
		}
		c.tokens = append(c.tokens, t)
		c.match = append(c.match, in)
		if t.Kind != TokenPunct {
			continue
		}
		switch c.text[t.Start] {
		case '(', '[':
			open = append(open, i)
		case ')', ']':
			if in < 0 {
				return false
			}
			open = open[:len(open)-1]
			c.match[in], c.match[i] = i, in
		}
	}
}

func (c *caster) add(d DateCast) {
	for _, x := range c.casts {
		if x == d {
			return
		}
	}
	if len(c.casts) == maxDateCasts {
		c.over = true
		return
	}
	c.casts = append(c.casts, d)
}

// spend counts work, so that nesting cannot multiply it.
func (c *caster) spend() bool {
	if c.work++; c.work > maxDateCastWork {
		c.over = true
	}
	return !c.over
}

func (c *caster) at(i int) Token {
	if i < 0 || i >= len(c.tokens) {
		return Token{Kind: TokenEOF, Start: len(c.text), End: len(c.text)}
	}
	return c.tokens[i]
}

func (c *caster) punct(i int, b byte) bool {
	t := c.at(i)
	return t.Kind == TokenPunct && c.text[t.Start] == b
}

func (c *caster) is(i int, k Keyword) bool { return isWord(c.at(i), k) && !c.punct(i-1, '.') }

func (c *caster) name(i int) bool { return isNameToken(c.at(i)) }

// folded gives the name that a token stands for, "" if it is none.
func (c *caster) folded(i int) string {
	t := c.at(i)
	switch t.Kind {
	case TokenIdent:
		return fold(c.text[t.Start:t.End])
	case TokenQuotedIdent:
		return unquoteIdent(c.text[t.Start:t.End])
	case TokenUnicodeIdent:
		name, _ := unquoteUnicode(c.text[t.Start:t.End], '\\')
		return clip(name)
	}
	return ""
}

func (c *caster) reserved(i int) bool {
	return c.at(i).Keyword.class() == classReserved && !c.punct(i-1, '.')
}

// chainStart gives the first token of the chain of names that ends at i.
func (c *caster) chainStart(i int) int {
	for c.punct(i-1, '.') && c.name(i-2) {
		i -= 2
	}
	return i
}

// typeAt reads the type that begins at i, and gives where it ends; name is its last
// name, and date tells whether it is one of PostgreSQL's date and time types.
func (c *caster) typeAt(i int) (name string, date bool, end int) {
	if c.is(i, kwSetof) {
		i++
	}
	for c.punct(i+1, '.') && c.name(i+2) {
		i += 2
	}
	if !c.name(i) {
		return "", false, i
	}
	name = c.folded(i)
	date = isDateType(name)
	for i++; ; {
		switch {
		case c.punct(i, '(') || c.punct(i, '['):
			i = c.match[i] + 1
		case (c.is(i, kwWith) || c.is(i, kwWithout)) && c.is(i+1, kwTime) && c.is(i+2, kwZone):
			i += 3
		case c.is(i, kwPrecision) || c.is(i, kwVarying) || (c.is(i, kwCharacter) || c.is(i, kwChar)) && c.folded(i-1) == "national":
			i++
		case name == "interval" && c.name(i) && intervalFields.has(c.folded(i)):
			i++
			if c.is(i, kwTo) {
				i++ // behind which stands another one
			}
		default:
			return name, date, i
		}
	}
}

// typeWords is how many words a type's name can have: INTERVAL DAY TO SECOND.
const typeWords = 4

// typeStart gives the first token of the type of several words that ends at e and that
// something is cast to; -1 if there is none.
func (c *caster) typeStart(e int) int {
	for i := e - 1; i > e-typeWords && c.name(i); i-- {
		if c.at(i-1).Kind == TokenTypecast {
			if _, _, end := c.typeAt(i); end == e+1 {
				return i
			}
		}
	}
	return -1
}

// target says what a cast to the type at i has to be looked at for: ok is false if
// nothing that is put into the type can mean the clock.
func (c *caster) target(i int) (typ string, ok bool) {
	name, date, _ := c.typeAt(i)
	switch {
	case date:
		return "", true
	case name == "" || plainTypes.has(name) && !c.punct(i+1, '.'):
		return "", false
	}
	return name, true
}

// findRegions finds where columns are declared with their types: the list behind
// the alias of a function that makes records of JSON, XMLTABLE and JSON_TABLE. Any
// other function that returns records makes values of the very types.
func (c *caster) findRegions() {
	for i := range c.tokens {
		if !c.punct(i, '(') {
			continue
		}
		switch {
		case c.is(i-1, kwXmltable), c.is(i-1, kwJson_table):
		case c.reserved(i + 1), c.punct(i+1, '('):
			continue // a query
		default:
			// f() AS (columns), f() AS alias (columns), f() alias (columns)
			call := i - 1
			if c.name(call) && !c.is(call, kwAs) {
				call--
			}
			if c.is(call, kwAs) {
				call--
			}
			if !c.punct(call, ')') || !records.has(c.folded(c.match[call]-1)) {
				continue
			}
		}
		c.regions = append(c.regions, span{i + 1, c.match[i]})
	}
}

func (c *caster) inRegion(i int) bool {
	for _, r := range c.regions {
		if i >= r.from && i < r.to {
			return true
		}
	}
	return false
}

// site looks whether something is cast at token i.
func (c *caster) site(i int) {
	switch {
	case c.at(i).Kind == TokenTypecast:
		if typ, ok := c.target(i + 1); ok {
			c.operand(i-1, typ)
		}
	case !c.name(i):
	case c.punct(i+1, '('):
		c.call(i)
	case c.is(i, kwReturning) && c.match[i] >= 0:
		if typ, ok := c.target(i + 1); ok { // JSON_VALUE(... RETURNING type)
			c.add(DateCast{Type: typ})
		}
	}
	// A column and its type.
	if c.name(i) && c.name(i-1) && !c.reserved(i) && !c.reserved(i-1) &&
		!c.is(i-1, kwPassing) && !c.is(i-1, kwColumns) && !c.syntax(i) && !c.syntax(i-1) && c.inRegion(i) {
		if typ, ok := c.target(i); ok {
			c.add(DateCast{Type: typ})
		}
	}
}

// call looks at the call, or what looks like one, of the name at i.
func (c *caster) call(i int) {
	from, to := i+2, c.match[i+1]
	name := c.folded(i)
	switch {
	case c.is(i, kwCast):
		if as := c.lastAs(from, to); as > 0 {
			if typ, ok := c.target(as + 1); ok {
				c.parts(from, as, typ)
			}
		}
	case isDateType(name):
		if c.at(c.chainStart(i)-1).Kind == TokenTypecast {
			return // a type with its precision
		}
		for j := from; j < to; j++ {
			if c.punct(j, ',') && c.match[j] == i+1 {
				return // daterange(a, b) takes dates
			}
		}
		c.parts(from, to, "") // date(x) is a cast
	case populates.has(name):
		// The type of the first argument tells what is made of the texts.
		found := false
		for j := from; j < to; j++ {
			if c.at(j).Kind == TokenTypecast || c.is(j, kwAs) {
				typ, _ := c.target(j + 1)
				found = found || typ != ""
				if typ != "" {
					c.add(DateCast{Type: typ})
				}
			}
		}
		if !found {
			c.add(DateCast{})
		}
	}
}

// lastAs gives the AS of a CAST whose inside is given; 0 if there is none.
func (c *caster) lastAs(from, to int) int {
	for i := to - 1; i >= from && c.spend(); i-- {
		if c.is(i, kwAs) && c.match[i] == from-1 {
			return i
		}
	}
	return 0
}
