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

func (g *generator) function() string {
	if g.safe {
		return g.pick("lower", "upper", "length", "abs", "concat", "to_char", "date_trunc", "jsonb_build_object", "md5",
			"round", "left", "right", "replace", "count", "sum", "max", "string_agg", "row_number", "generate_series", "unnest",
			"pg_catalog.lower", "to_tsvector", "ts_rank", "LOWER", "array_agg", "jsonb_each", "position_x"[:8])
	}
	switch g.r.IntN(9) {
	case 0:
		return g.pick("app.", "public.", "pg_catalog.", `"S".`) + g.pick("f", "lower", "extract", "now", "coalesce", "over")
	case 1:
		return g.pick("filter", "over", "escape", "replace", "left", "right", "set", "by", "zone", "operator", "rows", "first", "sets", "cube", "rollup", "insert", "key", "value", "partition", "current_schema", "like", "is_f", "format")
	case 2:
		return g.pick("users", "f", `"F"`, "now", "random", "nextval", "age")
	}
	return g.pick("lower", "upper", "length", "abs", "concat", "to_char", "date_trunc", "jsonb_build_object", "md5", "round")
}

func (g *generator) literal() string {
	if g.safe {
		return g.pick("1", "0", "42", "1.5", "1e10", "'x'", "''", "'it''s'", "E'a\\'b'", "$1", "$2", "NULL", "TRUE", "$$a$$",
			"'{\"a\":1}'", "'2020-01-01'", "-1", "interval '1 day'", "date '2020-01-01'", "'%a%'", "U&'\\0061'", "B'1'")
	}
	return g.pick("1", "0", "42", "1.5", ".5", "1e10", "0x1F", "1_000", "'x'", "''", "'it''s'", "E'a\\'b'", "'a'\n  'b'",
		"$1", "$2", "NULL", "TRUE", "FALSE", "$$a'b$$", "$q$x$$y$q$", "B'101'", "X'1f'", "N'x'", "U&'\\0061'",
		"'{\"a\":1}'", "'now'", "'2020-01-01'", "-1", "interval '1 day'", "date '2020-01-01'", "timestamp 'today'",
		"interval(3) '1' ", "mytype 'x'", "app.ty 'x'", "time with time zone '10:00'", "double precision '1'")
}

func (g *generator) typeName() string {
	if g.safe {
		return g.pick("int", "text", "numeric(10,2)", "timestamp with time zone", "timestamp(3)", "varchar(20)", "mytype", "int[]",
			"double precision", "jsonb", "date", "uuid", "character varying", "bigint", "public.mood", "time", "interval")
	}
	return g.pick("int", "text", "numeric(10,2)", "timestamp with time zone", "timestamp(3)", "time with time zone",
		"varchar(20)", "mytype", "app.mytype", "int[]", "text[3]", "double precision", "bit varying(3)", "jsonb", "date",
		"character varying", `"Ty"`, "uuid", "interval day to second", "regclass", "time (3) without time zone", "mytype(3)",
		"national character varying(3)", "users%type_x"[:5])
}

func (g *generator) expr() string {
	return g.one(
		g.column,
		g.literal,
		g.column,
		g.call,
		g.operation,
		g.special,
		g.operation,
		g.predicate,
		g.subqueryExpr,
		func() string { return "(" + g.expr() + ")" },
		func() string {
			return "CASE " + g.maybe(30, g.expr) + " WHEN " + g.expr() + " THEN " + g.expr() + g.maybe(50, func() string { return " ELSE " + g.expr() }) + " END"
		},
		func() string { return "CAST(" + g.expr() + " AS " + g.typeName() + ")" },
		func() string { return g.column() + "::" + g.typeName() },
		func() string { return "(" + g.expr() + ")::" + g.typeName() },
		func() string { return "(" + g.expr() + ")." + g.label() },
		func() string { return "ARRAY[" + g.list(3, ", ", g.expr) + "]" },
		func() string { return g.name() + "[" + g.expr() + "]" },
		func() string { return "(" + g.name() + ")[1:" + g.expr() + "]." + g.name() },
		func() string { return "ROW(" + g.list(3, ", ", g.expr) + ")" },
		func() string { return "(" + g.expr() + ", " + g.expr() + ")" },
		func() string { return "$1." + g.name() },
	)
}

func (g *generator) operatorName() string {
	if g.safe {
		return g.pick("=", "+", "@@") // operator(*) may be a call as well
	}
	return g.pick("=", "+", "@@", "*")
}

func (g *generator) operation() string {
	return g.one(
		func() string {
			return g.column() + g.pick(" = ", " + ", "<", " <> ", "!=", " || ", "->", " ->> ", " @> ", "?&", " && ", " ~* ", " - ", " #>> ", "<=", " ~~ ", "*", "/") + g.literal()
		},
		func() string { return g.expr() + " = " + g.expr() },
		func() string { return g.pick("- ", "+", "@ ", "~ ", "|/") + g.expr() },
		func() string {
			return g.expr() + " OPERATOR(" + g.pick("pg_catalog.", "app.", "") + g.operatorName() + ") " + g.expr()
		},
		func() string { return g.expr() + " AND " + g.expr() },
		func() string { return g.expr() + " OR NOT " + g.expr() },
		func() string { return g.expr() + " AT TIME ZONE " + g.pick("'UTC'", "(tz)", g.expr()) },
		func() string { return g.expr() + ` COLLATE "C"` },
	)
}

func (g *generator) predicate() string {
	return g.one(
		func() string {
			return g.column() + " IS " + g.pick("NULL", "NOT NULL", "TRUE", "NOT UNKNOWN", "NFC NORMALIZED", "DOCUMENT", "JSON OBJECT")
		},
		func() string { return g.expr() + " IS " + g.pick("", "NOT ") + "DISTINCT FROM " + g.expr() },
		func() string { return g.column() + g.pick(" ", " NOT ") + "IN (" + g.list(3, ", ", g.expr) + ")" },
		func() string { return g.column() + g.pick(" ", " NOT ") + "IN (" + g.query() + ")" },
		func() string {
			return g.column() + g.pick(" ", " NOT ") + "BETWEEN " + g.pick("", "SYMMETRIC ") + g.column() + " AND " + g.literal()
		},
		func() string {
			return g.column() + g.pick(" LIKE ", " NOT LIKE ", " ILIKE ", " SIMILAR TO ") + g.pick("'a%'", g.column()) + g.maybe(40, func() string { return " ESCAPE " + g.pick("'!'", "('!')", g.column()) })
		},
		func() string {
			return g.column() + " = " + g.pick("ANY", "ALL", "SOME") + " (" + g.pick(g.column(), g.query(), "ARRAY[1]") + ")"
		},
		func() string { return "EXISTS (" + g.query() + ")" },
		func() string { return "NOT " + g.expr() },
		func() string {
			return "(" + g.column() + ", " + g.column() + ") OVERLAPS (" + g.column() + ", " + g.literal() + ")"
		},
		func() string { return g.column() + g.pick(" ISNULL", " NOTNULL") },
		func() string { return g.column() + " LIKE ANY (" + g.query() + ")" },
	)
}

func (g *generator) subqueryExpr() string {
	return g.one(
		func() string { return "(" + g.query() + ")" },
		func() string { return "ARRAY(" + g.query() + ")" },
		func() string { return "((" + g.query() + "))" },
	)
}

func (g *generator) call() string {
	args := g.one(
		func() string { return g.list(3, ", ", g.column) },
		func() string { return "" },
		func() string { return "*" },
		func() string { return g.list(3, ", ", g.expr) },
		func() string { return "DISTINCT " + g.expr() },
		func() string { return g.expr() + " ORDER BY " + g.expr() },
		func() string { return "VARIADIC " + g.expr() },
		func() string { return "x => " + g.expr() + ", y := " + g.expr() },
		func() string { return g.query2() },
	)
	s := g.function() + g.pick("", "", " ", "/* c */") + "(" + args + ")"
	if g.r.IntN(8) == 0 {
		s += " WITHIN GROUP (ORDER BY " + g.column() + ")"
	}
	if g.r.IntN(8) == 0 {
		s += g.pick(" FILTER (WHERE ", " filter(where ") + g.expr() + ")"
	}
	if g.r.IntN(6) == 0 {
		s += " OVER " + g.pick("w", "()", "(PARTITION BY "+g.column()+")", "(w ORDER BY "+g.expr()+" ROWS BETWEEN 1 PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE TIES)",
			"(PARTITION BY (a), b ORDER BY (c) RANGE CURRENT ROW)")
	}
	return s
}

// query2 is a query in parentheses of its own, as an argument.
func (g *generator) query2() string { return "(" + g.query() + ")" }

func (g *generator) special() string {
	return g.one(
		func() string {
			return g.pick("current_date", "CURRENT_TIMESTAMP", "current_time(3)", "localtime", "LOCALTIMESTAMP(2)", "current_user", "session_user", "user", "current_catalog", "current_schema", "current_role")
		},
		func() string {
			return g.pick("COALESCE", "GREATEST", "LEAST", "coalesce ") + "(" + g.list(3, ", ", g.expr) + ")"
		},
		func() string { return "NULLIF(" + g.expr() + ", " + g.expr() + ")" },
		func() string {
			return "EXTRACT(" + g.pick("year", "epoch", "'day'", "foo", "HOUR") + " FROM " + g.expr() + ")"
		},
		func() string {
			return "substring(" + g.expr() + " FROM " + g.expr() + g.maybe(50, func() string { return " FOR " + g.expr() }) + ")"
		},
		func() string { return "substring(" + g.expr() + " FOR " + g.expr() + ")" },
		func() string { return "substring(" + g.column() + ", 1, 2)" },
		func() string { return "substring(" + g.column() + " SIMILAR 'a' ESCAPE '#')" },
		func() string { return "overlay(" + g.expr() + " PLACING " + g.expr() + " FROM " + g.expr() + " FOR 2)" },
		func() string { return "overlay(" + g.column() + ", 'x', 1)" },
		func() string { return "position(" + g.column() + " IN " + g.column() + ")" },
		func() string {
			return "trim(" + g.pick("", "both ", "leading ", "trailing ") + g.pick("'x' FROM ", "FROM ", "") + g.expr() + ")"
		},
		func() string { return "normalize(" + g.expr() + g.pick("", ", NFC") + ")" },
		func() string {
			return "xmlelement(name foo, xmlattributes(" + g.expr() + " AS from), " + g.expr() + ")"
		},
		func() string { return "xmlforest(" + g.expr() + " AS select, " + g.column() + ")" },
		func() string { return "xmlparse(document " + g.expr() + ")" },
		func() string { return "xmlserialize(content " + g.expr() + " AS text)" },
		func() string { return "xmlexists('//x' PASSING " + g.expr() + ")" },
		func() string { return "GROUPING(" + g.column() + ")" },
		func() string {
			return "json_object(" + g.pick("'k' : ", "'k' value ", "key 'k' value ") + g.expr() + " absent on null)"
		},
		func() string { return "json_array(" + g.expr() + " null on null returning " + g.typeName() + ")" },
		func() string { return "json_arrayagg(" + g.expr() + " order by " + g.expr() + ")" },
		func() string {
			return "json_value(" + g.expr() + ", '$.a' passing " + g.expr() + " as x returning " + g.typeName() + " default " + g.expr() + " on empty)"
		},
		func() string { return "json_exists(" + g.expr() + ", '$.a')" },
		func() string { return "json_query(" + g.expr() + ", '$.a' with wrapper)" },
		func() string { return "collation for (" + g.expr() + ")" },
		func() string { return "treat(" + g.expr() + " AS " + g.typeName() + ")" },
	)
}

func (g *generator) fromItem() string {
	return g.one(
		func() string { return g.table() },
		func() string { return g.table() + g.pick(" ", " AS ") + g.alias() },
		func() string { return g.pick("ONLY ", "LATERAL ", "ONLY (")[:5] + g.table() },
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

func (g *generator) returning() string {
	return g.maybe(30, func() string { return " RETURNING " + g.targets() })
}

func (g *generator) assignments() string {
	return g.list(3, ", ", func() string {
		switch g.r.IntN(5) {
		case 0:
			return "(" + g.name() + ", " + g.name() + ") = " + g.pick("(1, 2)", "ROW(1, 2)", "("+g.query()+")")
		case 1:
			return g.name() + " = DEFAULT"
		}
		return g.name() + " = " + g.expr()
	})
}

func (g *generator) dml() string {
	s := g.maybe(20, g.with)
	switch g.r.IntN(4) {
	case 0:
		s += "INSERT INTO " + g.table() + g.maybe(20, func() string { return " AS " + g.alias() }) +
			g.maybe(60, func() string { return " (" + g.list(3, ", ", g.name) + ")" }) +
			g.maybe(5, func() string { return " OVERRIDING SYSTEM VALUE" }) +
			g.one(func() string { return " VALUES (" + g.list(3, ", ", g.expr) + ")" }, func() string { return " DEFAULT VALUES" },
				func() string { return " " + g.query() }, func() string { return " (" + g.query() + ")" }) +
			g.maybe(25, func() string {
				return " ON CONFLICT" + g.pick("", " (id)", " ON CONSTRAINT pk", " (lower(x)) WHERE y > 1")
			})
		if strings.HasSuffix(s, "ON CONFLICT") {
			s += " DO NOTHING"
		} else if strings.Contains(s, "ON CONFLICT") {
			s += g.pick(" DO NOTHING", " DO UPDATE SET "+g.assignments()+g.maybe(40, func() string { return " WHERE " + g.expr() }))
		}
	case 1:
		s += "UPDATE " + g.pick("", "ONLY ") + g.table() + g.maybe(40, func() string { return g.pick(" AS ", " ") + g.pick("u", "o", "x", "t_", `"X"`) }) +
			" SET " + g.assignments() + g.maybe(40, func() string { return " FROM " + g.list(2, ", ", g.fromItem) }) +
			g.maybe(70, func() string { return " WHERE " + g.expr() })
	case 2:
		s += "DELETE FROM " + g.pick("", "ONLY ") + g.table() + g.maybe(40, func() string { return " AS " + g.alias() }) +
			g.maybe(40, func() string { return " USING " + g.list(2, ", ", g.fromItem) }) +
			g.maybe(70, func() string { return " WHERE " + g.pick(g.expr(), "CURRENT OF cur") })
	default:
		s += "MERGE INTO " + g.table() + g.maybe(40, func() string { return " AS " + g.alias() }) + " USING " +
			g.pick(g.table()+" "+g.alias(), "("+g.query()+") AS s") + " ON " + g.expr() +
			g.list(3, "", func() string {
				return g.pick(" WHEN MATCHED THEN UPDATE SET "+g.assignments(), " WHEN MATCHED AND "+g.expr()+" THEN DELETE",
					" WHEN NOT MATCHED THEN INSERT (a, b) VALUES ("+g.expr()+", "+g.expr()+")", " WHEN NOT MATCHED THEN DO NOTHING",
					" WHEN NOT MATCHED BY SOURCE THEN DELETE", " WHEN NOT MATCHED THEN INSERT DEFAULT VALUES")
			})
	}
	return s + g.returning()
}

func (g *generator) utility() string {
	return g.one(
		func() string {
			return g.pick("BEGIN", "START TRANSACTION READ ONLY", "COMMIT", "ROLLBACK", "END", "ABORT", "COMMIT AND CHAIN", "BEGIN ISOLATION LEVEL SERIALIZABLE")
		},
		func() string {
			return g.pick("SAVEPOINT ", "RELEASE ", "RELEASE SAVEPOINT ", "ROLLBACK TO ", "ROLLBACK TRANSACTION TO SAVEPOINT ") + g.name()
		},
		func() string {
			return g.pick("SET x.y = 'a'", "SET search_path TO a, b", "SET LOCAL timezone = 'UTC'", "SET TIME ZONE 'UTC'", "SET ROLE bob", "SET SESSION AUTHORIZATION DEFAULT",
				"RESET ALL", "RESET search_path", "RESET ROLE", "DISCARD ALL", "DISCARD TEMP", "SET TRANSACTION READ ONLY", "SET CONSTRAINTS ALL DEFERRED", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET SCHEMA 'x'", "SET NAMES 'utf8'", "SET LOCAL ROLE NONE", "RESET SESSION AUTHORIZATION", "SET xml option document", "SET x FROM CURRENT")
		},
		func() string {
			return g.pick("SHOW x", "SHOW ALL", "LISTEN c", "UNLISTEN *", "NOTIFY c, 'x'", "CHECKPOINT", "LOAD 'x'", "DEALLOCATE p", "DEALLOCATE ALL", "CLOSE c", "FETCH NEXT FROM c", "MOVE 3 IN c", "FETCH c")
		},
		func() string {
			return g.pick("VACUUM ", "ANALYZE ", "VACUUM (FULL) ", "CLUSTER ", "REINDEX TABLE ") + g.table()
		},
		func() string { return "LOCK TABLE " + g.table() + " IN SHARE MODE" },
		func() string {
			return "TRUNCATE " + g.pick("", "TABLE ", "ONLY ") + g.list(3, ", ", g.table) + g.pick("", " RESTART IDENTITY", " CASCADE")
		},
		func() string {
			return "COPY " + g.table() + g.pick("", " (a, b)") + g.pick(" FROM STDIN", " TO STDOUT", " FROM '/x' WITH (FORMAT csv)", " FROM STDIN WHERE f(x) > 1")
		},
		func() string {
			return "COPY (" + g.pick(g.query(), "INSERT INTO t VALUES (1) RETURNING *") + ") TO STDOUT"
		},
		func() string { return "REFRESH MATERIALIZED VIEW " + g.pick("", "CONCURRENTLY ") + g.table() },
		func() string { return "CALL " + g.function() + "(" + g.list(2, ", ", g.expr) + ")" },
		func() string { return "DO $$ BEGIN PERFORM 1; END $$" },
		func() string { return "PREPARE p (int) AS " + g.pick(g.query(), g.dml()) },
		func() string { return "EXECUTE p" + g.pick("", "(1, 2)") },
		func() string {
			return "DECLARE c " + g.pick("", "SCROLL ", "NO SCROLL ") + "CURSOR " + g.pick("", "WITH HOLD ") + "FOR " + g.query()
		},
		func() string {
			return "EXPLAIN " + g.pick("", "VERBOSE ", "(FORMAT json) ", "(COSTS off, ANALYZE false) ") + g.pick(g.query(), g.dml())
		},
		func() string {
			return "EXPLAIN " + g.pick("ANALYZE ", "ANALYZE VERBOSE ", "(ANALYZE) ", "(ANALYZE true, BUFFERS) ") + g.pick(g.query(), g.dml())
		},
		func() string { return "PREPARE TRANSACTION 'x'" },
		func() string { return g.pick("COMMIT PREPARED 'x'", "ROLLBACK PREPARED 'x'") },
	)
}

func (g *generator) ddl() string {
	return g.one(
		func() string {
			return "CREATE TABLE " + g.table() + " (id int PRIMARY KEY, x " + g.typeName() + " DEFAULT f(1) REFERENCES " + g.table() + ")"
		},
		func() string {
			return "CREATE " + g.pick("", "TEMP ", "UNLOGGED ") + "TABLE " + g.table() + " AS " + g.query()
		},
		func() string {
			return "CREATE " + g.pick("", "OR REPLACE ") + g.pick("", "TEMP ") + "VIEW " + g.table() + " AS " + g.query()
		},
		func() string { return "CREATE MATERIALIZED VIEW " + g.table() + " AS " + g.query() },
		func() string { return "CREATE INDEX i ON " + g.table() + " (lower(a), (b)) WHERE " + g.expr() },
		func() string {
			return "ALTER TABLE " + g.table() + g.pick(" ADD COLUMN c int DEFAULT f(2)", " DROP COLUMN c", " RENAME TO "+g.name(), " ATTACH PARTITION "+g.table()+" FOR VALUES IN (1)")
		},
		func() string {
			return "DROP " + g.pick("TABLE ", "VIEW ", "MATERIALIZED VIEW ", "FUNCTION ", "SCHEMA ")[:5] + " " + g.name() + g.pick("", " CASCADE")
		},
		func() string { return "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$" },
		func() string {
			return "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC " + g.dml() + "; SELECT CASE WHEN a THEN 1 END; END"
		},
		func() string { return "CREATE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC " + g.query() + "; END" },
		func() string {
			return "CREATE RULE r AS ON INSERT TO " + g.table() + " DO " + g.pick("ALSO ", "INSTEAD ") + g.pick("NOTHING", "("+g.dml()+"; "+g.dml()+")", g.dml())
		},
		func() string {
			return "CREATE TRIGGER tr AFTER INSERT OR UPDATE ON " + g.table() + " FOR EACH ROW WHEN (" + g.expr() + ") EXECUTE FUNCTION " + g.function() + "()"
		},
		func() string { return "GRANT SELECT ON " + g.table() + " TO bob" },
		func() string { return "REVOKE ALL ON " + g.table() + " FROM PUBLIC" },
		func() string { return "CREATE POLICY p ON " + g.table() + " USING (" + g.expr() + ")" },
		func() string { return "COMMENT ON TABLE " + g.table() + " IS 'x'" },
		func() string {
			return g.pick("CREATE SCHEMA s", "CREATE EXTENSION x", "CREATE DOMAIN d AS int CHECK (f(value))", "CREATE TYPE ty AS ENUM ('a')", "CREATE SEQUENCE sq", "DROP TYPE ty", "ALTER SYSTEM SET x = 1", "CREATE ROLE r", "REASSIGN OWNED BY a TO b", "IMPORT FOREIGN SCHEMA a FROM SERVER s INTO b")
		},
	)
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
