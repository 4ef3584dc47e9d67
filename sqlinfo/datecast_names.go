package sqlinfo

import "strings"

type words map[string]struct{}

func (w words) has(s string) bool { _, ok := w[s]; return ok }

// plainTypes are PostgreSQL's own types whose input means the same at any time.
// Those that are refused by themselves are among them.
var plainTypes = words(wordSet(`int2 int4 int8 smallint integer int bigint float4 float8 float real double
	numeric decimal dec bool boolean text varchar char character bpchar name nchar national bytea
	uuid json jsonb jsonpath xml inet cidr macaddr macaddr8 bit varbit interval money oid xid xid8
	cid tid pg_lsn pg_snapshot txid_snapshot point line lseg box path polygon circle tsvector
	tsquery int4range int8range numrange int4multirange int8multirange nummultirange refcursor
	oidvector int2vector void record unknown regclass regproc regprocedure regoper regoperator
	regtype regrole regnamespace regconfig regdictionary regcollation regdatabase
	_int2 _int4 _int8 _float4 _float8 _numeric _bool _text _varchar _bpchar _name _bytea _uuid
	_json _jsonb _xml _inet _cidr _interval _money _oid`))

// textKeepers are types whose values, as text, are the text that was put in or hold no word that
// means the clock; numericTypes are those of them whose modifiers cut no text.
var (
	textKeepers = words(wordSet(`text varchar character char nchar national bpchar unknown uuid interval bool boolean`, numbers))

	numericTypes = words(wordSet(`interval`, numbers))
	// intervalFields can stand behind INTERVAL, two of them with TO in between (PostgreSQL manual 8.5).
	intervalFields = words(wordSet(`year month day hour minute second`))
)

const numbers = `int2 int4 int8 smallint integer int bigint float4 float8 float real double numeric decimal dec money oid`

// populates are the functions that put texts out of JSON into the columns of a
// composite type.
var populates = words(wordSet(`json_populate_record json_populate_recordset jsonb_populate_record
	jsonb_populate_recordset`))

// records are the functions that convert texts out of JSON to the types in a list
// of columns.
var records = words(wordSet(`json_to_record json_to_recordset jsonb_to_record jsonb_to_recordset`))

// choosers give one of their arguments, or what it holds, as it is.
var choosers = words(wordSet(`any_value array_agg array_append array_cat array_prepend array_remove
	coalesce first_value greatest lag last_value lead least lower max min mode nth_value nullif
	percentile_disc range_agg range_merge row unnest upper`))

// textless are the functions that never give a text, nor anything with one in it.
var textless = words(wordSet(`age avg count date date_add date_bin date_part date_subtract date_trunc
	daterange dense_rank extract generate_series justify_days justify_hours justify_interval
	make_date make_interval make_time make_timestamp make_timestamptz rank row_number sum time
	timestamp timestamptz timezone to_date to_timestamp tsrange tstzrange`))

// outputs are the columns that PostgreSQL's own functions of several rows name by
// themselves.
var outputs = words(wordSet(`key value`))

// makesNoText reports whether the function called at i gives no text other than
// those it is given.
func makesNoText(c *caster, i int) bool {
	if start := c.chainStart(i); start < i && c.folded(start) != "pg_catalog" {
		return false
	}
	switch c.at(i).Keyword.word() {
	case kwIn, kwCast, kwValues, kwOver, kwFilter, kwBy:
		return true
	}
	name := c.folded(i)
	return choosers.has(name) || textless.has(name)
}

// arithmetic reports whether an operator of PostgreSQL's own gives no text.
func arithmetic(op string) bool {
	switch op {
	case "+", "-", "*", "/", "%", "<", ">", "=", "<=", ">=", "<>", "!=":
		return true
	}
	return false
}

// plain reports whether a name stands for a column of a relation, or else (derived)
// for the result of a function that makes no text, everywhere in the statement. It
// does not if the statement itself gives the name to anything else: by AS, without
// AS, in a list of columns behind an alias, or by a call whose result has the
// function's name.
func (c *caster) plain(name string) (ok, derived bool) {
	if outputs.has(name) {
		return false, false
	}
	for i := range c.tokens {
		if !c.spend() {
			return false, false
		}
		t := c.tokens[i]
		if t.Kind == TokenIdent && t.End-t.Start != len(name) && len(name) < maxName-4 || !c.name(i) || c.folded(i) != name {
			continue
		}
		switch use := c.use(i); use {
		case useOther:
			return false, false
		case useDerived:
			derived = true
		}
	}
	return true, derived
}

type use uint8

const (
	useColumn use = iota
	useDerived
	useOther
)

// use says what the name at i is used as.
func (c *caster) use(i int) use {
	switch {
	case c.syntax(i):
		return useColumn
	case c.reserved(i):
		if c.is(i, kwCase) || c.is(i, kwArray) {
			return useOther // a column without a name gets this one
		}
		return useColumn
	case c.inRegion(i) && c.name(i+1) && !c.reserved(i+1):
		return useOther
	case c.punct(i-1, '.'):
		if c.punct(i+1, '(') {
			return useOther
		}
		return useColumn
	case c.at(i-1).Kind == TokenTypecast || c.is(i-1, kwAs) && c.inCast(i):
		// A cast gives its type's name to a column without one.
		if _, date, _ := c.typeAt(i); date {
			return useColumn
		}
		return useOther
	case isStringToken(c.at(i + 1)), c.punct(i+1, '(') && !c.aliased(i):
		if textless.has(c.folded(i)) {
			return useColumn
		}
		return useOther
	case c.is(i-1, kwAs):
		return c.alias(i-1, i)
	case c.endsValue(i - 1):
		return c.alias(i, i)
	case c.columnList(i):
		return c.alias(c.match[i]-1, -1)
	}
	return useColumn
}

// inCast reports whether the AS before i is that of a CAST.
func (c *caster) inCast(i int) bool {
	open := c.match[i]
	return open >= 0 && c.is(open-1, kwCast)
}

// endsValue reports whether a value or a relation may end at i, so that a name
// behind it is an alias.
func (c *caster) endsValue(i int) bool {
	t := c.at(i)
	switch t.Kind {
	case TokenPunct:
		if c.text[t.Start] == ')' && c.is(c.match[i]-1, kwOperator) {
			return false
		}
		return c.text[t.Start] == ')' || c.text[t.Start] == ']'
	case TokenQuotedIdent, TokenUnicodeIdent, TokenInteger, TokenFloat, TokenParam, TokenString, TokenEscapeString,
		TokenUnicodeString, TokenDollarString, TokenBitString, TokenHexString:
		return true
	case TokenIdent:
		switch {
		case t.Keyword == kwNone, c.punct(i-1, '.'):
			return true
		case c.is(i, kwEnd), c.is(i, kwNull), c.is(i, kwTrue), c.is(i, kwFalse):
			return true
		case c.is(i, kwBy):
			return !c.is(i-1, kwOrder) && !c.is(i-1, kwGroup) && !c.is(i-1, kwPartition)
		case c.is(i, kwBetween), c.is(i, kwZone), t.Keyword.class() == classTypeFunc:
			return false
		}
		return t.Keyword.class() != classReserved
	}
	return false
}

// aliased reports whether the name at i is an alias with a list of columns: what it
// names ends before it.
func (c *caster) aliased(i int) bool {
	return c.is(i-1, kwAs) || c.endsValue(i-1) && !c.is(i-1, kwBetween)
}

// columnList reports whether i stands in a list of columns behind an alias or
// behind the name of a CTE.
func (c *caster) columnList(i int) bool {
	open := c.match[i]
	if open < 0 || !c.punct(open, '(') || !c.name(open-1) || c.reserved(open-1) || c.syntax(open-1) || c.is(open-1, kwSets) ||
		!c.punct(i-1, '(') && !c.punct(i-1, ',') ||
		!c.punct(i+1, ')') && !c.punct(i+1, ',') && (!c.name(i+1) || c.reserved(i+1)) {
		return false
	}
	if c.is(c.match[open]+1, kwAs) && (c.is(open-2, kwWith) || c.is(open-2, kwRecursive) || c.punct(open-2, ',')) {
		return true // WITH name (columns) AS
	}
	return c.at(open-1).Keyword.class() != classColName && c.aliased(open-1)
}

// alias says what an alias means. What it names ends before the token at; place is
// where the alias itself stands, -1 for a list of columns.
func (c *caster) alias(at, place int) use {
	if place >= 0 && c.label(place) {
		return useColumn
	}
	if place < 0 && c.is(at-1, kwAs) {
		at--
	}
	if !c.punct(at-1, ')') {
		return useOther
	}
	call := c.match[at-1] - 1
	start := c.chainStart(call)
	if start != call || !textless.has(c.folded(call)) {
		return useOther
	}
	switch before := c.at(start - 1); {
	case c.punct(start-1, ','), c.punct(start-1, '('):
		return useDerived
	default:
		switch before.Keyword.word() {
		case kwSelect, kwDistinct, kwAll, kwFrom, kwJoin:
			return useDerived
		}
		if before.Keyword.class() == classReserved && strings.EqualFold(c.text[before.Start:before.End], "lateral") {
			return useDerived
		}
	}
	return useOther
}

// label reports whether the alias at i names a column of the answer itself, which
// no expression can refer to: that of a statement with one query.
func (c *caster) label(i int) bool {
	queries := 0
	from := len(c.tokens)
	for j := range c.tokens {
		if !c.spend() {
			return false
		}
		switch {
		case c.is(j, kwSelect), c.is(j, kwValues), c.is(j, kwTable):
			queries++
		case c.is(j, kwFrom) && c.match[j] < 0 && j < from:
			from = j
		}
	}
	return queries == 1 && i < from && c.match[i] < 0
}
