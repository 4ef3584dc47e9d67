package oracle

func (g *generator) function() string {
	if g.safe {
		return g.pick("lower", "upper", "length", "abs", "concat", "to_char", "date_trunc", "jsonb_build_object", "md5",
			"round", "left", "right", "replace", "count", "sum", "max", "string_agg", "row_number", "generate_series", "unnest",
			"pg_catalog.lower", "to_tsvector", "ts_rank", "LOWER", "array_agg", "jsonb_each")
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
		"national character varying(3)", "users")
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

// query2 is a query in parentheses of its own, as an argument.
func (g *generator) query2() string { return "(" + g.query() + ")" }
