package oracle

import (
	"math/rand/v2"
	"strings"

	"github.com/mlcache/mlcache/sqlinfo"
)

// mutator makes new texts out of a corpus: it splices, nests, swaps and damages.
type mutator struct {
	r      *rand.Rand
	corpus []mutable
	words  []string
}

// mutable is a text cut into tokens.
type mutable struct {
	sql    string
	tokens []sqlinfo.Token
}

func cut(sql string) mutable {
	m := mutable{sql: sql}
	for lx := sqlinfo.NewLexer(sql); ; {
		t := lx.Next()
		if t.Kind == sqlinfo.TokenEOF {
			return m
		}
		m.tokens = append(m.tokens, t)
	}
}

// newMutator cuts the corpus; the mutants come from those that seeded gives.
func newMutator(corpus []string) *mutator {
	m := &mutator{}
	seen := map[string]bool{}
	for _, sql := range corpus {
		c := cut(sql)
		m.corpus = append(m.corpus, c)
		for _, t := range c.tokens {
			if w := sql[t.Start:t.End]; len(w) < 24 && !seen[w] {
				seen[w] = true
				m.words = append(m.words, w)
			}
		}
	}
	return m
}

// seeded gives a mutator over the same corpus that makes the same mutants for the same
// seed and stream.
func (m *mutator) seeded(seed, stream uint64) *mutator {
	return &mutator{r: rand.New(rand.NewPCG(seed, stream)), corpus: m.corpus, words: m.words}
}

func (m *mutator) any() mutable { return m.corpus[m.r.IntN(len(m.corpus))] }

// text makes one mutant; those that grow too long are made anew.
func (m *mutator) text() string {
	for {
		s := m.any().sql
		for range 1 + m.r.IntN(3) {
			s = m.mutate(s)
		}
		if len(s) <= maxText && nesting(s) <= maxNesting {
			return s
		}
	}
}

// maxNesting and maxText keep the parser, which recurses, from overrunning its stack.
const maxNesting = 60

func nesting(s string) int {
	depth, most := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(', '[':
			depth++
			most = max(most, depth)
		case ')', ']':
			depth--
		}
	}
	return most
}

func (m *mutator) mutate(s string) string {
	c := cut(s)
	n := len(c.tokens)
	if n < 2 {
		return s + " " + m.any().sql
	}
	i := m.r.IntN(n)
	t := c.tokens[i]
	before, word, after := s[:t.Start], s[t.Start:t.End], s[t.End:]
	ident := t.Kind == sqlinfo.TokenIdent && !t.Keyword.Reserved() || t.Kind == sqlinfo.TokenQuotedIdent
	switch m.r.IntN(14) {
	case 0: // a name for a name
		if ident {
			return before + m.name() + after
		}
	case 1, 2: // a subquery for a name or a constant
		if ident || t.Kind == sqlinfo.TokenInteger || t.Kind == sqlinfo.TokenString {
			return before + "(" + m.small() + ")" + m.pick("", " x", " AS users") + after
		}
	case 3: // as the body of a CTE
		return "WITH " + m.pick("", "RECURSIVE ") + m.name() + " AS (" + s + ") " + m.small()
	case 4: // behind a CTE
		return "WITH " + m.name() + " AS (" + m.small() + ") " + s
	case 5: // any token for a token
		return before + m.words[m.r.IntN(len(m.words))] + after
	case 6: // one gone
		return before + after
	case 7: // one twice
		return before + word + " " + word + after
	case 8: // white space and comments
		return before + m.pick(" ", "\n", "/* x */", " -- x\n", "/* /* ' */ */", "\t") + word + after
	case 9: // head of one, tail of the other
		o := m.any()
		j := o.tokens[m.r.IntN(len(o.tokens))]
		return before + " " + o.sql[j.Start:]
	case 10: // a piece of another
		o := m.any()
		j := m.r.IntN(len(o.tokens))
		k := min(j+m.r.IntN(8), len(o.tokens)-1)
		return before + word + " " + o.sql[o.tokens[j].Start:o.tokens[k].End] + " " + after
	case 11: // together
		return m.pick("("+s+") UNION ("+m.small()+")", s+" UNION ALL "+m.small(), "EXPLAIN "+s, s+"; "+m.small(), "CREATE VIEW v AS "+s,
			"SELECT * FROM ("+s+") x", "INSERT INTO t "+s, "SELECT ("+s+")", "SELECT * FROM a, LATERAL ("+s+") x JOIN b ON (x)")
	case 12: // quotes, case
		if ident {
			return before + m.pick(strings.ToUpper(word), `"`+strings.Trim(word, `"`)+`"`, word+"."+word, word+"(1)", word+"::"+m.name()) + after
		}
	default: // a call or a cast around a name
		if ident {
			return before + m.pick(m.name()+"("+word+")", "("+word+")."+m.name(), word+" "+m.name(), "CAST("+word+" AS "+m.name()+")", word+" JOIN "+m.name()+" ON (true)", word+", "+m.name()) + after
		}
	}
	return s
}

func (m *mutator) pick(s ...string) string { return s[m.r.IntN(len(s))] }

// name is a name out of the corpus or out of the generator's pool, or a keyword.
func (m *mutator) name() string {
	switch m.r.IntN(4) {
	case 0:
		return wordNames[m.r.IntN(len(wordNames))]
	case 1:
		return quotedNames[m.r.IntN(len(quotedNames))]
	case 2:
		for range 8 {
			if w := m.words[m.r.IntN(len(m.words))]; w[0] >= 'a' && w[0] <= 'z' {
				return w
			}
		}
	}
	return plainNames[m.r.IntN(len(plainNames))]
}

// small is a short statement of the corpus.
func (m *mutator) small() string {
	best := m.any().sql
	for range 6 {
		if s := m.any().sql; len(s) < len(best) {
			best = s
		}
	}
	return best
}
