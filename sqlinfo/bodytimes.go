package sqlinfo

import "strings"

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
	// Fields: a field or an element is assigned to: which type it has, the value before tells.
	Fields bool
	// Closed: what is assigned and returned is made of the variables, the parameters and of numbers, and of nothing that
	// makes a text of its own. So where no parameter brings a text, none is assigned. See opens.
	Closed bool
	// Words holds the names that occur, folded: any of them may be a user's type. Declared holds those that stand
	// where a declaration has its type, and where a table's name means the type of its rows.
	Words, Declared map[string]bool
}

// bodyTimes reads a block of PL/pgSQL; text is one that the lexer takes to the end.
func bodyTimes(text string) BodyTimes {
	b := BodyTimes{Closed: true, Words: make(map[string]bool), Declared: make(map[string]bool)}
	c := caster{text: text}
	lx := Lexer{text: text}
	for {
		t := lx.Next()
		if t.Kind == TokenEOF || t.Kind == TokenError || t.Kind == TokenJunk {
			break
		}
		c.tokens = append(c.tokens, t)
	}
	record, cursor := false, false
	for i, t := range c.tokens {
		b.Closed = b.Closed && !c.opens(i)
		switch {
		case t.Kind == TokenColonEquals:
			b.Assigns = true
			b.Fields = b.Fields || c.punct(i-2, '.') || c.punct(i-1, ']') || c.punct(i-1, ')')
		case t.Kind == TokenOperator && text[t.Start:t.End] == "=":
			if start := c.targetStart(i - 1); start >= 0 && c.begins(start) {
				b.Assigns = true
				b.Fields = b.Fields || start != i-1
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
			b.targets(&c, i+1)
		case "for", "foreach":
			b.Assigns = true
			b.targets(&c, i+1)
		case "get", "call":
			b.Assigns = true
			for j := i + 1; j < len(c.tokens) && !c.punct(j, ';'); j++ {
				b.Fields = b.Fields || c.punct(j, '.') || c.punct(j, '[')
			}
		case "next", "declare", "default", "fetch", "open", "slice":
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
	b.Named = b.Named || record && b.Fields
	if cursor {
		b.Declared = b.Words // a cursor's parameters are declared within its line
	}
	return b
}

// targets notes the fields among the targets that begin at i.
func (b *BodyTimes) targets(c *caster, i int) {
	if c.folded(i) == "strict" {
		i++
	}
	for ; c.name(i); i += 2 {
		b.Fields = b.Fields || c.punct(i+1, '.') || c.punct(i+1, '[')
		if !c.punct(i+1, ',') {
			return
		}
	}
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

// opens reports whether the token at i may bring in a text that no variable held: a constant, a query, a field, a function that is not
// known to make none, a word that stands for a text. Types are no matter, for what goes through a text and back is what it was,
// save those that make letters of a number.
func (c *caster) opens(i int) bool {
	t := c.at(i)
	switch t.Kind {
	case TokenInteger, TokenFloat, TokenParam, TokenTypecast, TokenDotDot, TokenColonEquals:
		return false
	case TokenOperator:
		return !untextual.has(c.text[t.Start:t.End])
	case TokenPunct:
		return c.text[t.Start] == '.' || c.text[t.Start] == ':'
	case TokenIdent:
		word := c.folded(i)
		return textual.has(word) || strings.HasPrefix(strings.TrimLeft(word, "_"), "reg") || c.punct(i+1, '(') && !untextual.has(word)
	}
	return true // "char" among them, which makes letters of numbers
}

// textual are the words that a text may come by: commands that put the rows of a query, a cursor or an error into variables, what
// takes a row apart, names of the session, and bytes made of a number. (A regclass is a name.)
var textual = words(wordSet(`select with values table from execute get into foreach fetch open cursor call row record exception sqlstate
	sqlerrm user current_user session_user system_user current_role current_catalog current_schema bytea _bytea`))

// untextual are the operators, and the words before a parenthesis, that make a text of texts only.
var untextual = words(wordSet(`+ - * / % ^ < > <= >= = <> != || @> <@ && << >>
	if elsif elseif while when then else case and or not in any all some return next is between array by default
	coalesce greatest least nullif abs mod div round ceil ceiling floor sign trunc sqrt power lower upper isempty cardinality array_length
	array_lower array_upper array_ndims array_append array_prepend array_cat array_remove array_position
	numeric decimal dec float varchar char character bit varying interval`))
