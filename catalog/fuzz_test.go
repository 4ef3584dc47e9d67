package catalog

import (
	"testing"

	"github.com/mlcache/mlcache/sqlinfo"
)

// FuzzScope: different tables have different scopes, and a scope reads back as SQL.
func FuzzScope(f *testing.F) {
	for _, s := range [][2]string{{"public", "orders"}, {"a.b", "c"}, {"a", "b.c"}, {`a"."b`, "c"}, {"", "x"}, {"A", "é"}, {"", ""}} {
		f.Add(s[0], s[1], s[1], s[0])
	}
	f.Fuzz(func(t *testing.T, schema, table, schema2, table2 string) {
		a, b := Scope(schema, table), Scope(schema2, table2)
		if (a == b) != (schema == schema2 && table == table2) {
			t.Errorf("(%q, %q) is %s, (%q, %q) is %s", schema, table, a, schema2, table2, b)
		}
	})
}

// FuzzResolve: no text, whether a statement, a view or a function's body, makes
// Resolve fail, and what may be kept writes nothing.
func FuzzResolve(f *testing.F) {
	f.Add("SELECT * FROM v", "SELECT 1 FROM t", "BEGIN UPDATE t SET a = 1; END")
	f.Add("INSERT INTO t VALUES (f())", "SELECT current_setting('a.b')", "SELECT current_setting(x)")
	f.Add("WITH t AS (DELETE FROM t RETURNING *) SELECT t.f FROM t", "'", "$$")
	f.Fuzz(func(t *testing.T, statement, query, body string) {
		s := newSchema()
		s.builtins("lower")
		s.view("v", query, s.table("t"))
		s.b.addPolicy(row(s.id(), s.relationIn("public", "guarded", "r", "p", true), query))
		s.functionWith("f", "v", "plpgsql", body, nil, nil, 1)
		s.functionWith("g", "s", "sql", body, query, query, 1)
		snap := s.snapshot()
		for _, sql := range []string{statement, "SELECT f(), g() FROM v, guarded"} {
			info := sqlinfo.Parse(sql)
			for _, c := range []Closure{snap.Resolve(info, publicPath), NoCatalog(info)} {
				if c.Refusal == "" && (c.WritesAll || c.DDL || c.Session || len(c.Writes) > 0) {
					t.Errorf("%q may be kept and writes: %+v", sql, c)
				}
			}
		}
	})
}

// FuzzSettingNames: no text makes it fail or name an empty list.
func FuzzSettingNames(f *testing.F) {
	f.Add("SELECT current_setting('a.b'::text, true)")
	f.Add(`"current_setting"('A.b') /* x */`)
	f.Add("current_setting ( x )")
	f.Fuzz(func(t *testing.T, text string) {
		if names, ok := settingNames(text); ok && len(names) == 0 {
			t.Errorf("%q: no setting, and yet well", text)
		}
	})
}
