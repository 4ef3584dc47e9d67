package sqlinfo

// OnlySelected reports whether each of the columns, by any of these names, stands only where a statement hands it out as it
// is: SELECT a, t.b FROM t WHERE c = $1. Then nothing compares, converts or reads such a value, and none is made of a
// text. It knows statements of one query over one relation, without stars, with standard strings; of all others it
// says false.
func OnlySelected(text string, columns []string) bool {
	c := caster{text: text}
	if !c.lex(false) || !c.is(0, kwSelect) {
		return false
	}
	from := -1
	for i, t := range c.tokens {
		switch {
		case t.Kind == TokenEscapeString, t.Kind == TokenUnicodeString, t.Kind == TokenUnicodeIdent:
			return false
		case t.Kind == TokenOperator && text[t.Start:t.End] == "*":
			return false
		case t.Kind == TokenString:
			for j := t.Start; j < t.End; j++ {
				if text[j] == '\\' {
					return false // a session may take it for an escape
				}
			}
		case c.is(i, kwFrom) && c.match[i] < 0 && from < 0:
			from = i
		}
		switch t.Keyword.word() {
		case kwSelect:
			if i > 0 {
				return false
			}
		case kwUnion, kwIntersect, kwExcept, kwValues, kwTable, kwWith, kwJoin, kwUsing, kwNatural, kwDistinct:
			return false
		}
	}
	if from < 0 {
		return false
	}
	// FROM name [[AS] alias], and then the rest.
	end := from + 1
	if !c.name(end) || c.reserved(end) {
		return false
	}
	for c.punct(end+1, '.') && c.name(end+2) {
		end += 2
	}
	rows := map[string]bool{c.folded(end): true}
	end++
	if c.is(end, kwAs) {
		end++
	}
	if c.name(end) && !c.reserved(end) {
		rows[c.folded(end)] = true
		end++
	}
	if end < len(c.tokens) && !c.punct(end, ';') && !c.is(end, kwWhere) && !c.is(end, kwOrder) && !c.is(end, kwLimit) && !c.is(end, kwOffset) {
		return false
	}
	named := make(map[string]bool, len(columns))
	for _, name := range columns {
		named[name] = true
	}
	for i := range c.tokens {
		if !c.name(i) || i > from && i < end {
			continue
		}
		name := c.folded(i)
		if name == "row" || rows[name] && !c.punct(i+1, '.') {
			return false // a whole row
		}
		if !named[name] {
			continue
		}
		before := c.chainStart(i) - 1
		if i > from || c.match[i] >= 0 || !c.is(before, kwSelect) && !c.punct(before, ',') || !c.punct(i+1, ',') && i+1 != from {
			return false
		}
	}
	return true
}
