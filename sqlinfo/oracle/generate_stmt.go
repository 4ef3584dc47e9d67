package oracle

import "strings"

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
			return "DROP " + g.pick("TABLE ", "VIEW ", "MATERIALIZED VIEW ", "FUNCTION ", "SCHEMA ") + g.name() + g.pick("", " CASCADE")
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
