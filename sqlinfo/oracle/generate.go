package oracle

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generator makes statements by walking a grammar of its own with a seeded source
// of chance. Names come from a small pool, so that tables, columns, CTEs, aliases
// and functions often share one; some of them are words of the grammar.
type generator struct {
	r     *rand.Rand
	depth int
	safe  bool // nothing that must not be cached
}

// newGenerator makes the same statements for the same seed.
func newGenerator(seed uint64) *generator {
	return &generator{r: rand.New(rand.NewPCG(seed, 0x6d6c6361636865))}
}

func (g *generator) pick(s ...string) string { return s[g.r.IntN(len(s))] }

// one calls one of the alternatives; when deep, the first.
func (g *generator) one(alternatives ...func() string) string {
	if g.depth > 5 {
		return alternatives[0]()
	}
	g.depth++
	defer func() { g.depth-- }()
	return alternatives[g.r.IntN(len(alternatives))]()
}

func (g *generator) maybe(percent int, s func() string) string {
	if g.r.IntN(100) < percent {
		return s()
	}
	return ""
}

func (g *generator) list(most int, sep string, item func() string) string {
	var parts []string
	for range 1 + g.r.IntN(most) {
		parts = append(parts, item())
	}
	return strings.Join(parts, sep)
}

var plainNames = []string{"users", "orders", "t", "a", "b", "c", "x", "Items", "évé", "n$1", "_u"}

// Words of the grammar that may name columns and tables all the same.
var wordNames = []string{
	"data", "update", "insert", "delete", "set", "over", "filter", "rows", "partition", "recursive",
	"materialized", "escape", "zone", "value", "key", "by", "first", "merge", "matched", "temp",
	"name", "location", "start", "row", "values", "time", "position", "text", "only_x", "current",
	"do", "nothing", "conflict", "cube", "rollup", "sets", "operator", "ordinality", "columns",
	"no", "share", "date", "at", "explain", "analyze_x", "copy", "truncate", "year", "json",
}

var quotedNames = []string{`"users"`, `"Order Line"`, `"select"`, `"a""b"`, `U&"d\0061ta"`, `"from"`, `"a.b"`, `"WHERE x"`}

// name is what may stand as a table, a column or an alias (ColId).
func (g *generator) name() string {
	switch g.r.IntN(10) {
	case 0, 1:
		return wordNames[g.r.IntN(len(wordNames))]
	case 2:
		return quotedNames[g.r.IntN(len(quotedNames))]
	}
	return plainNames[g.r.IntN(len(plainNames))]
}

// label is what may stand after AS in a target list: any word at all.
func (g *generator) label() string {
	if g.r.IntN(3) == 0 {
		return g.pick("from", "where", "select", "update", "join", "group", "into", "as", "table", "values", "with", "on", "end", "for", "union")
	}
	return g.name()
}

func (g *generator) table() string {
	switch g.r.IntN(8) {
	case 0:
		return g.name() + "." + g.label()
	case 1:
		return g.pick("public", "app", `"S"`) + g.pick(".", " . ") + g.name()
	case 2:
		if g.r.IntN(4) == 0 {
			return "db.public." + g.name()
		}
	}
	return g.name()
}

func (g *generator) column() string {
	switch g.r.IntN(6) {
	case 0:
		return g.name() + "." + g.label()
	case 1:
		if g.r.IntN(4) == 0 {
			return "public." + g.name() + "." + g.name()
		}
		return g.name() + "." + g.name()
	}
	return g.name()
}

func (g *generator) fromItem() string {
	return g.one(
		func() string { return g.table() },
		func() string { return g.table() + g.pick(" ", " AS ") + g.alias() },
		func() string { return "ONLY " + g.table() },
		func() string { return g.table() + " AS " + g.alias() + " (" + g.list(3, ", ", g.name) + ")" },
		func() string { return "ONLY (" + g.table() + ") " + g.alias() },
		func() string { return g.table() + " *" },
		func() string { return g.pick("", "LATERAL ") + "(" + g.query() + ")" + g.pick(" ", " AS ") + g.alias() },
		func() string { return "(" + g.query() + ") " + g.alias() + "(" + g.list(2, ", ", g.name) + ")" },
		func() string { return "(" + g.join() + ")" + g.maybe(30, func() string { return " AS " + g.alias() }) },
		func() string { return "((" + g.join() + "))" },
		g.join,
		g.join,
		func() string {
			return g.function() + "(" + g.list(2, ", ", g.expr) + ")" + g.pick("", " WITH ORDINALITY") + " " + g.alias()
		},
		func() string {
			return g.function() + "(" + g.expr() + ") AS " + g.alias() + "(" + g.name() + " " + g.typeName() + ", " + g.name() + " " + g.typeName() + ")"
		},
		func() string { return g.function() + "(" + g.expr() + ") AS (" + g.name() + " " + g.typeName() + ")" },
		func() string {
			return "ROWS FROM (" + g.function() + "(" + g.expr() + "), f(1) AS (a int)) AS " + g.alias()
		},
		func() string {
			return "XMLTABLE('/a' PASSING " + g.expr() + " COLUMNS " + g.name() + " " + g.typeName() + " PATH 'x' DEFAULT " + g.expr() + ", n FOR ORDINALITY) " + g.alias()
		},
		func() string {
			return "JSON_TABLE(" + g.expr() + ", '$[*]' PASSING " + g.expr() + " AS p COLUMNS (" + g.name() + " " + g.typeName() + " PATH '$.a', NESTED PATH '$.b' COLUMNS (z int))) " + g.alias()
		},
		func() string {
			return g.table() + " " + g.alias() + " TABLESAMPLE bernoulli(10) REPEATABLE (" + g.expr() + ")"
		},
		func() string { return "(VALUES (" + g.list(2, ", ", g.expr) + ")) AS " + g.alias() },
	)
}

func (g *generator) alias() string {
	return g.pick("u", "o", "users", "orders", "x", "t", `"X"`, "data", "value", "rows_", "a", "key", "first")
}

func (g *generator) join() string {
	left, right := g.fromItem(), g.fromItem()
	switch g.r.IntN(5) {
	case 0:
		return left + " CROSS JOIN " + right
	case 1:
		return left + " NATURAL " + g.pick("", "LEFT ", "FULL OUTER ") + "JOIN " + right
	case 2:
		return left + " JOIN " + right + " USING (" + g.name() + ")" + g.maybe(20, func() string { return " AS j" })
	}
	return left + g.pick(" JOIN ", " LEFT JOIN ", " RIGHT OUTER JOIN ", " INNER JOIN ", " FULL JOIN ") + right + " ON " + g.expr()
}

func (g *generator) targets() string {
	return g.list(3, ", ", func() string {
		switch g.r.IntN(8) {
		case 0:
			return "*"
		case 1:
			return g.name() + ".*"
		case 2:
			return g.expr() + " AS " + g.label()
		case 3:
			return g.column() + " " + g.pick("foo", `"from"`, "total", "select", "users", "update", "join", "using", "table")
		}
		return g.expr()
	})
}

func (g *generator) selectCore() string {
	s := "SELECT " + g.maybe(15, func() string {
		return g.pick("DISTINCT ", "ALL ", "DISTINCT ON ("+g.list(2, ", ", g.expr)+") ", "DISTINCT ON (a) over(1), ")
	}) + g.targets()
	s += g.maybe(85, func() string { return g.pick(" FROM ", "\nfrom\t", " FROM/*c*/") + g.list(2, ", ", g.fromItem) })
	s += g.maybe(60, func() string { return " WHERE " + g.expr() })
	s += g.maybe(15, func() string {
		return " GROUP BY " + g.list(2, ", ", func() string {
			return g.one(g.column, g.expr, func() string { return "ROLLUP (" + g.column() + ")" }, func() string { return "CUBE(" + g.column() + ", b)" },
				func() string { return "GROUPING SETS ((" + g.column() + "), (), ROLLUP (a))" }, func() string { return "()" })
		}) + g.maybe(30, func() string { return " HAVING " + g.expr() })
	})
	s += g.maybe(10, func() string { return " WINDOW w AS (PARTITION BY " + g.column() + " ORDER BY " + g.expr() + ")" })
	return s
}

func (g *generator) with() string {
	return "WITH " + g.pick("", "", "RECURSIVE ") + g.list(3, ", ", func() string {
		body := g.query
		if g.r.IntN(12) == 0 {
			body = g.dml
		}
		return g.name() + g.maybe(20, func() string { return "(" + g.list(2, ", ", g.name) + ")" }) + " AS " +
			g.pick("", "", "MATERIALIZED ", "NOT MATERIALIZED ") + "(" + body() + ")" +
			g.maybe(5, func() string { return " SEARCH DEPTH FIRST BY a, b SET ord" }) +
			g.maybe(5, func() string { return " CYCLE a, b SET c TO 'Y' DEFAULT 'N' USING path" })
	}) + " "
}

func (g *generator) query() string {
	g.depth++
	defer func() { g.depth-- }()
	s := ""
	if g.depth < 5 && g.r.IntN(6) == 0 {
		s = g.with()
	}
	s += g.one(
		g.selectCore,
		g.selectCore,
		g.selectCore,
		g.selectCore,
		func() string {
			return g.selectCore() + g.pick(" UNION ", " UNION ALL ", " INTERSECT ", " EXCEPT ") + g.pick(g.selectCore(), "("+g.query()+")", "TABLE "+g.table(), "VALUES (1)")
		},
		func() string { return "(" + g.query() + ") UNION (" + g.query() + ")" },
		func() string { return "VALUES (" + g.list(2, ", ", g.expr) + "), (" + g.expr() + ")" },
		func() string { return "TABLE " + g.pick("", "ONLY ") + g.table() },
	)
	s += g.maybe(20, func() string {
		return " ORDER BY " + g.list(2, ", ", func() string {
			return g.expr() + g.pick("", " DESC", " USING <", " NULLS LAST")
		})
	})
	s += g.maybe(20, func() string {
		return g.pick(" LIMIT 10", " OFFSET "+g.expr(), " FETCH FIRST 3 ROWS ONLY", " LIMIT "+g.literal()+" OFFSET 2", " FETCH NEXT ("+g.expr()+") ROW WITH TIES")
	})
	s += g.maybe(4, func() string {
		return g.pick(" FOR UPDATE", " FOR SHARE OF t SKIP LOCKED", " FOR NO KEY UPDATE NOWAIT", " FOR KEY SHARE")
	})
	return s
}

// statement makes one statement of any kind, queries most often.
func (g *generator) statement() string {
	g.depth = 0
	switch n := g.r.IntN(20); {
	case n < 12:
		return g.query()
	case n < 16:
		return g.dml()
	case n < 18:
		return g.utility()
	}
	return g.ddl()
}

// text makes a text of one statement, seldom of several.
func (g *generator) text() string {
	s := g.statement()
	if g.r.IntN(40) == 0 {
		s = fmt.Sprintf("%s; %s", s, g.statement())
	}
	if len(s) > maxText {
		return g.text()
	}
	return s
}

// maxText keeps texts short: the parser under test recurses on the C stack, and a
// long enough chain of operators or parentheses kills the process.
const maxText = 3000
