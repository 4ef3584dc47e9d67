package sqlinfo

import (
	"slices"
	"sync"
)

// state says what the scanner expects next at one level of parentheses. The states
// from stItem to stOn make up a FROM list: it begins with FROM (or USING, TABLE,
// JOIN) and ends, at the same level, only with a reserved keyword, a closing
// parenthesis or the end of the statement. A relation is read nowhere else, so
// identifiers elsewhere are no candidates. Within the list a relation's name stands
// only at the start of an item: after the word that begins the list, a comma, JOIN
// (which, not being usable as an alias, always begins an item), or a parenthesis at
// the start of an item. What follows the name up to the next such point are
// aliases, conditions and arguments; a subquery among them has a level of its own.
type state uint8

const (
	stFresh     state = iota // nothing seen yet
	stExpr                   // in a clause that names no relation
	stItem                   // at the start of a FROM item
	stAfter                  // after the name of an item
	stOn                     // in the condition of a join
	stGroup                  // in GROUP BY
	stWithName               // after WITH: the name of a CTE
	stWithDef                // after the name of a CTE: columns, AS
	stWithBody               // after AS: the body of a CTE
	stWithAfter              // after the body of a CTE
	stWithTail               // in SEARCH or CYCLE, after the body
	stTarget                 // after the target of a write
)

type opener uint8

const (
	openOther opener = iota // a parenthesis in an expression, a list of columns, ...
	openCall                // the arguments of a call
	openItem                // a parenthesis at the start of a FROM item
	openCTE                 // the body of a CTE
	openList                // columns after an alias in FROM
)

// frame is one level of parentheses or brackets.
type frame struct {
	state      state
	opener     opener
	query      bool    // holds a query, not an expression
	window     bool    // its WINDOW clause has begun
	insert     bool    // holds an INSERT: a WITH may follow the target
	recursive  bool    // WITH RECURSIVE
	withStart  bool    // the WITH stood at the start of the level
	distinctOn bool    // the parenthesis of DISTINCT ON (...)
	operand    bool    // what stands before it goes on with an expression, or begins a query
	call       Keyword // the keyword before the parenthesis
	needComma  bool    // a call that is safe only with a second argument
	comma      bool    // a comma was seen
	cases      int     // CASE expressions open at this level
	callee     int     // 1 + the place in funcs of the function called
	tokens     int     // seen at this level
	start      int     // where the text inside begins
	cte        string  // the CTE being defined
}

// visibleCTE is a CTE whose name hides a table of the same name at its own level
// of parentheses and deeper, up to the end of that level.
type visibleCTE struct {
	name  string
	level int
}

// scanner reads one text. The frames are an explicit stack of bounded depth: the
// text cannot make it recurse.
type scanner struct {
	lx        Lexer
	text      string
	opt       Options
	info      *Info
	cur, next Token
	prev      Token // before cur
	prev2     Token // before prev
	frames    []frame
	ctes      []visibleCTE

	reads, writes, funcs, attrs, types nameSet
	operators                          []string

	caster caster // of the casts to dates

	soft           string  // first function that is not known
	chain          chain   // the last chain read
	chainEnd       int     // where it ended; 0: none
	closedOn       bool    // the last closing parenthesis was that of DISTINCT ON
	callee         int     // 1 + the place in funcs of the function just called
	calleeEnd      int     // where its name ended
	closedCallee   int     // that of the last parenthesis closed
	mayDate        bool    // a type was seen whose input may mean the clock
	start          int     // where the statement begins
	unchecked      bool    // nobody looks at the parameters: the body of a function
	closedCall     Keyword // the word before the last parenthesis closed
	body           bool    // the text is the body of a PL/pgSQL function
	everything     bool    // take every chain for a relation
	ddl            bool    // and for a target as well
	lastEnd        int     // of the last token that is no semicolon
	dynamic        bool    // a body runs SQL that is not in its text
	changesSession bool    // a body changes the session
	hardStop       bool    // lexing failed or a bound was hit
	atomic         int     // depth of BEGIN ATOMIC and CASE in a function's body
	routine        bool    // CREATE FUNCTION or PROCEDURE, whose body may follow
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

func getScanner(text string, o Options) *scanner {
	s := scanners.Get().(*scanner)
	s.text, s.opt = text, o
	s.lx = Lexer{text: text, BackslashEscapes: o.BackslashEscapes}
	return s
}

// release puts s back for reuse, without what points into the text.
func (s *scanner) release() {
	clear(s.frames[:cap(s.frames)])
	clear(s.ctes[:cap(s.ctes)])
	clear(s.operators)
	s.caster.forget()
	*s = scanner{caster: s.caster, frames: s.frames[:0], ctes: s.ctes[:0], operators: s.operators[:0],
		reads: s.reads.reset(), writes: s.writes.reset(), funcs: s.funcs.reset(),
		attrs: s.attrs.reset(), types: s.types.reset()}
	scanners.Put(s)
}

// advance moves on by one token. cur is the token looked at, next the one after.
func (s *scanner) advance() {
	s.prev2, s.prev = s.prev, s.cur
	s.cur, s.next = s.next, s.lx.Next()
	if s.prev.Kind != TokenPunct || s.text[s.prev.Start] != ';' {
		s.lastEnd = s.prev.End
	}
}

func (s *scanner) tok(t Token) string { return s.text[t.Start:t.End] }

func (s *scanner) punct(t Token, c byte) bool {
	return t.Kind == TokenPunct && s.text[t.Start] == c
}

func isWord(t Token, k Keyword) bool { return t.Keyword.word() == k && k != kwNone }

func isNameToken(t Token) bool {
	return t.Kind == TokenIdent || t.Kind == TokenQuotedIdent || t.Kind == TokenUnicodeIdent
}

func isStringToken(t Token) bool {
	switch t.Kind {
	case TokenString, TokenEscapeString, TokenUnicodeString, TokenDollarString:
		return true
	}
	return false
}

func (s *scanner) top() *frame { return &s.frames[len(s.frames)-1] }

func (s *scanner) depth() int { return len(s.frames) }

func (s *scanner) push(f frame) {
	if len(s.frames) > s.opt.MaxDepth {
		s.stop(ReasonTooDeep)
		return
	}
	s.frames = append(s.frames, f)
}

// stop ends the scan of the text: nothing more can be said of it.
func (s *scanner) stop(r Reason) {
	s.hardStop = true
	*s.info = Info{Statements: 1, WritesAll: true, ChangesSession: true, Refusal: r}
	s.cur = Token{Kind: TokenEOF, Start: len(s.text), End: len(s.text)}
	s.next = s.cur
	s.lx.failed = true
}

// refuse notes a reason. The first one stays, unless it is ReasonSessionFunction: who
// keys answers by the session overrules that one, and must see what else there is.
func (s *scanner) refuse(r Reason, detail string) {
	if s.info.Refusal == "" || s.info.Refusal == ReasonSessionFunction && r != ReasonSessionFunction {
		s.info.Refusal, s.info.Detail = r, detail
	}
}

// nameSet collects names, each once.
type nameSet struct {
	list  []Name
	index map[Name]int // once the list is long
}

const (
	maxNames   = 4096
	indexAfter = 24
)

// reset empties the set; a list that grew long is let go.
func (n nameSet) reset() nameSet {
	if cap(n.list) > 256 {
		return nameSet{}
	}
	clear(n.list)
	return nameSet{list: n.list[:0]}
}

// add gives the place of x in the list; -1 when there are too many.
func (n *nameSet) add(x Name) int {
	if n.index != nil {
		if i, ok := n.index[x]; ok {
			return i
		}
	} else if i := slices.Index(n.list, x); i >= 0 {
		return i
	}
	i := len(n.list)
	if i >= maxNames {
		return -1
	}
	n.list = append(n.list, x)
	if n.index != nil {
		n.index[x] = i
	} else if len(n.list) > indexAfter {
		n.index = make(map[Name]int, 4*indexAfter)
		for i, y := range n.list {
			n.index[y] = i
		}
	}
	return i
}

func (n *nameSet) copyOut() []Name {
	if len(n.list) == 0 {
		return nil
	}
	out := make([]Name, len(n.list))
	copy(out, n.list)
	return out
}

func (s *scanner) add(set *nameSet, n Name) int {
	i := set.add(n)
	if i < 0 && !s.hardStop {
		s.stop(ReasonTooMany)
	}
	return i
}

// chain is a name of up to four parts joined by dots.
type chain struct {
	parts [4]string
	n     int
	long  bool    // more than four: no version of PostgreSQL takes that
	star  bool    // ends in .*
	first Keyword // of the first part
	start int
}

func (c *chain) last() string { return c.parts[c.n-1] }

// name takes the chain as a whole for a relation or a function.
func (c *chain) name() Name {
	switch c.n {
	case 1:
		return Name{Name: c.parts[0]}
	case 2:
		return Name{Schema: c.parts[0], Name: c.parts[1]}
	}
	return Name{Catalog: c.parts[c.n-3], Schema: c.parts[c.n-2], Name: c.parts[c.n-1]}
}

// part gives the name that the token cur stands for.
func (s *scanner) part() string {
	t := s.tok(s.cur)
	switch s.cur.Kind {
	case TokenQuotedIdent:
		return unquoteIdent(t)
	case TokenUnicodeIdent:
		escape := byte('\\')
		if isWord(s.next, kwUescape) {
			s.advance()
			if isStringToken(s.next) {
				s.advance()
				if v, ok := stringValue(s.cur.Kind, s.tok(s.cur)); ok && len(v) == 1 {
					escape = v[0]
				}
			}
		}
		v, ok := unquoteUnicode(t, escape)
		if !ok {
			s.refuse(ReasonSyntax, "")
		}
		return clip(v)
	case TokenNational:
		return "nchar" // what the N of N'...' is to the grammar
	}
	return fold(t)
}

// readChain reads a chain that begins at cur and leaves cur on its last token.
func (s *scanner) readChain() *chain {
	c := &s.chain
	*c = chain{first: s.cur.Keyword, start: s.cur.Start}
	c.parts[0] = s.part()
	c.n = 1
	for s.punct(s.next, '.') {
		s.advance()
		if !isNameToken(s.next) && s.next.Kind != TokenNational {
			if s.next.Kind == TokenOperator && s.text[s.next.Start] == '*' {
				s.advance()
				c.star = true
			}
			break
		}
		s.advance()
		s.cur.Keyword = 0 // after a dot any word is a name and nothing else
		p := s.part()
		if c.n < len(c.parts) {
			c.parts[c.n] = p
			c.n++
		} else {
			c.long = true
			c.parts[c.n-1] = p
		}
	}
	s.chainEnd = s.cur.End
	return c
}
