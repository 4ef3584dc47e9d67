package catalog

import (
	"reflect"
	"testing"

	"github.com/mlcache/mlcache/sqlinfo"
)

func TestViewsThroughAnyDepth(t *testing.T) {
	t.Parallel()
	s := newSchema()
	orders, items := s.table("orders"), s.table("items")
	open := s.view("open_orders", "SELECT orders.id FROM public.orders", orders)
	s.view("open_items", "SELECT i.id FROM public.items i JOIN public.open_orders o ON true", items, open)
	c := s.resolve("SELECT * FROM open_items")
	wantReads(t, c, "public.items public.orders")
	if want := []string{"view public.open_items", "view public.open_orders"}; !reflect.DeepEqual(c.Reads[1].Via, want) {
		t.Errorf("orders was found by %q, want %q", c.Reads[1].Via, want)
	}
}

// What the text of a view shows and what the server has recorded must each be
// enough by itself.
func TestViewsByTextOrByRecord(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.table("orders")
	s.view("by_text", "SELECT orders.id FROM public.orders")
	wantReads(t, s.resolve("SELECT * FROM by_text"), "public.orders")

	s = newSchema()
	orders := s.table("orders")
	s.view("by_record", "SELECT 1", orders)
	wantReads(t, s.resolve("SELECT * FROM by_record"), "public.orders")
}

func TestMaterializedViewIsAScopeOfItsOwn(t *testing.T) {
	t.Parallel()
	s := newSchema()
	orders := s.table("orders")
	s.table("log")
	s.function("writes", "v", "sql", "INSERT INTO log VALUES (1)")
	s.queryOf(s.relation("totals", "m"), "SELECT count(*) FROM public.orders", orders)
	s.queryOf(s.relation("logged", "m"), "SELECT public.writes() AS w", orders)
	wantReads(t, s.resolve("SELECT * FROM totals"), "public.totals")
	wantWrites(t, s.resolve("REFRESH MATERIALIZED VIEW totals"), "public.totals")
	wantWrites(t, s.resolve("REFRESH MATERIALIZED VIEW logged"), "public.log public.logged")
	wantWrites(t, s.resolve("INSERT INTO orders VALUES (1)"), "public.orders")
}

// A reader and a writer of a tree share a scope if, and only if, one of the two
// tables stands above the other, or is it; siblings share their parent, which is
// the price of short lists.
func TestInheritanceMeetsBothWays(t *testing.T) {
	t.Parallel()
	s := newSchema()
	root, year, month := s.relation("root", "p"), s.relation("year", "p"), s.table("month")
	s.table("other")
	s.inherits(year, root)
	s.inherits(month, year)
	for _, name := range []string{"root", "year", "month"} {
		reads := s.resolve("SELECT * FROM " + name).Reads
		for _, target := range []string{"root", "year", "month"} {
			writes := s.resolve("UPDATE " + target + " SET a = 1").Writes
			if !shared(reads, writes) {
				t.Errorf("a write to %s is not seen by a reader of %s", target, name)
			}
		}
		if shared(reads, s.resolve("DELETE FROM other").Writes) {
			t.Errorf("a write to another table is seen by a reader of %s", name)
		}
	}
}

func shared(a, b []Dep) bool {
	for _, x := range a {
		for _, y := range b {
			if x.Scope == y.Scope {
				return true
			}
		}
	}
	return false
}

func TestInheritanceOfTwoParents(t *testing.T) {
	t.Parallel()
	s := newSchema()
	a, b, c := s.table("a"), s.table("b"), s.table("c")
	s.inherits(c, a)
	s.inherits(c, b)
	s.inherits(b, a) // a diamond
	wantWrites(t, s.resolve("INSERT INTO c VALUES (1)"), "public.a public.b public.c")
	wantReads(t, s.resolve("SELECT * FROM a"), "public.a")
}

func TestForeignTableBelowSpoilsTheParent(t *testing.T) {
	t.Parallel()
	s := newSchema()
	root, mid, far := s.relation("root", "p"), s.relation("mid", "p"), s.relation("far", "f")
	s.inherits(mid, root)
	s.inherits(far, mid)
	wantRefusal(t, s.resolve("SELECT * FROM root"), ReasonForeignTable, "public.far")
	s = newSchema()
	root, leaf := s.table("root"), s.relationIn("public", "leaf", "r", "u", false)
	s.inherits(leaf, root)
	wantRefusal(t, s.resolve("SELECT * FROM root"), ReasonUnloggedTable, "public.leaf")
	wantRefusal(t, s.resolve("SELECT * FROM leaf"), ReasonUnloggedTable, "public.leaf")
}

func TestForeignKeyActions(t *testing.T) {
	t.Parallel()
	s := newSchema()
	parent := s.table("parent")
	for _, action := range []string{"a", "r", "c", "n", "d"} {
		s.key("k", s.table("deleted_"+action), parent, action, "a")
		s.key("k", s.table("updated_"+action), parent, "a", action)
	}
	snap := s.snapshot()
	for ops, wrote := range map[op]string{
		opInsert: "public.parent",
		opDelete: "public.deleted_c public.deleted_d public.deleted_n public.parent",
		opUpdate: "public.parent public.updated_c public.updated_d public.updated_n",
		opTruncate: "public.deleted_a public.deleted_c public.deleted_d public.deleted_n public.deleted_r " +
			"public.parent public.updated_a public.updated_c public.updated_d public.updated_n public.updated_r",
	} {
		if got := written(snap, "parent", ops); got != wrote {
			t.Errorf("ops %b write %q, want %q", ops, got, wrote)
		}
	}
}

// written gives the scopes that a change of one table writes.
func written(s *Snapshot, table string, ops op) string {
	w := walk{s: s, top: newPath(publicPath)}
	w.writes(s.relations["public"][table], ops, frame{path: w.top})
	w.drain()
	return scopesOf(deps(w.writeScopes))
}

// Without the text, a write may be of any kind.
func TestTextNarrowsAWrite(t *testing.T) {
	t.Parallel()
	s := newSchema()
	parent := s.table("parent")
	s.key("k", s.table("child"), parent, "c", "a")
	snap, insert := s.snapshot(), "INSERT INTO parent VALUES (1)"
	wantWrites(t, snap.Resolve(sqlinfo.Parse(insert), publicPath), "public.child public.parent")
	wantWrites(t, snap.ResolveText(insert, sqlinfo.Parse(insert), publicPath), "public.parent")
}

// An UPDATE that moves a row to another partition deletes it in one and inserts
// it in the other.
func TestUpdateMovesRows(t *testing.T) {
	t.Parallel()
	s := newSchema()
	root, leaf := s.relation("root", "p"), s.table("leaf")
	s.inherits(leaf, root)
	s.table("log")
	s.trigger("t", leaf, s.function("f", "v", "plpgsql", "BEGIN INSERT INTO log VALUES (1); RETURN NULL; END"), onDelete)
	snap := s.snapshot()
	if got := written(snap, "root", opUpdate); got != "public.log public.root" {
		t.Errorf("an UPDATE writes %q", got)
	}
	if got := written(snap, "root", opInsert); got != "public.root" {
		t.Errorf("an INSERT writes %q", got)
	}
}

func TestCascadesOfCascades(t *testing.T) {
	t.Parallel()
	s := newSchema()
	a, b, c, d := s.table("a"), s.table("b"), s.table("c"), s.table("d")
	s.key("b_a", b, a, "c", "a")
	s.key("c_b", c, b, "n", "a")
	s.key("d_c", d, c, "a", "c")
	s.key("self", a, a, "c", "a")
	got := s.resolve("DELETE FROM a")
	wantWrites(t, got, "public.a public.b public.c public.d")
	if want := []string{"foreign key b_a to public.a", "foreign key c_b to public.b"}; !reflect.DeepEqual(got.Writes[2].Via, want) {
		t.Errorf("c was found by %q, want %q", got.Writes[2].Via, want)
	}
}

func TestTriggers(t *testing.T) {
	t.Parallel()
	s := newSchema()
	orders, audit := s.table("orders"), s.table("audit")
	s.table("total")
	s.table("never")
	s.builtins()
	s.trigger("log", orders, s.function("log", "v", "plpgsql", "BEGIN INSERT INTO audit VALUES (NEW.id); RETURN NEW; END"), onInsert)
	s.trigger("sum", audit, s.function("sum_up", "v", "plpgsql", "BEGIN DELETE FROM total; PERFORM pg_notify('a', 'b'); RETURN NULL; END"), onInsert)
	s.trigger("no", audit, s.function("no", "v", "plpgsql", "BEGIN UPDATE never SET n = 1; RETURN NULL; END"), onUpdate|onDelete)
	wantWrites(t, s.resolve("INSERT INTO orders VALUES (1)"), "public.audit public.orders public.total")
}

func TestTriggerThatHidesWhatItDoes(t *testing.T) {
	t.Parallel()
	for language, body := range map[string]string{
		"plpgsql":    "BEGIN EXECUTE 'DELETE FROM ' || TG_ARGV[0]; RETURN NULL; END",
		"plpython3u": "plpy.execute('x')",
		"c":          "some_symbol",
	} {
		s := newSchema()
		s.trigger("x", s.table("t"), s.function("f", "v", language, body), onInsert)
		c := s.resolve("INSERT INTO t VALUES (1)")
		if !c.WritesAll || !c.Session || c.Writes != nil || c.Detail != "public.f" {
			t.Errorf("%s: %+v", language, c)
		}
	}
}

func TestHarmlessExtension(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.table("t")
	s.b.addFunction(row(s.id(), "public", "uuid_generate_v4", "f", "v", "c", "uuid-ossp", 0, 0, nil, nil, nil, nil))
	s.b.addFunction(row(s.id(), "public", "dblink_exec", "f", "v", "c", "dblink", 1, 2, nil, nil, nil, nil))
	wantWrites(t, s.resolve("INSERT INTO t VALUES (uuid_generate_v4())"), "public.t")
	if c := s.resolve("SELECT dblink_exec('x')"); !c.WritesAll {
		t.Error("dblink_exec is thought to be harmless")
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	s := newSchema()
	notes, log := s.table("notes"), s.table("log")
	s.rule(notes, "2", "keep", notes, log)
	wantWrites(t, s.resolve("UPDATE notes SET a = 1"), "public.log public.notes")
}

func TestUpdatableViews(t *testing.T) {
	t.Parallel()
	s := newSchema()
	base, child := s.table("base"), s.table("child")
	s.key("k", child, base, "c", "a")
	v := s.view("v", "SELECT base.id FROM public.base", base)
	s.view("vv", "SELECT v.id FROM public.v", v)
	wantWrites(t, s.resolve("DELETE FROM vv"), "public.base public.child")

	s.table("log")
	s.function("f", "v", "sql", "INSERT INTO log VALUES (1); SELECT true")
	s.view("picky", "SELECT base.id FROM public.base WHERE public.f()", base)
	wantWrites(t, s.resolve("DELETE FROM picky"), "public.base public.child public.log")
}

func TestFunctionsThatWriteMakeAReadAWrite(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.builtins("count")
	s.table("log")
	s.function("inner_f", "v", "sql", "INSERT INTO log VALUES (1); SELECT 1")
	s.function("outer_f", "s", "plpgsql", "BEGIN RETURN inner_f(); END")
	s.functionWith("by_default", "i", "sql", "SELECT 1", nil, "public.inner_f()", 1)
	s.view("v", "SELECT public.outer_f() AS x")
	for _, sql := range []string{"SELECT inner_f()", "SELECT outer_f()", "SELECT * FROM v", "SELECT by_default()", "SELECT * FROM inner_f() AS f"} {
		wantWrites(t, s.resolve(sql), "public.log")
	}
}

func TestUnknownTargetsAndFunctions(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.table("t")
	for _, sql := range []string{
		"INSERT INTO made_later VALUES (1)", "DELETE FROM elsewhere.t", "CALL made_later()", "SELECT made_later(1)",
		"INSERT INTO t VALUES (made_later())",
	} {
		if c := s.resolve(sql); !c.WritesAll || c.Refusal == "" {
			t.Errorf("%s: %+v", sql, c)
		}
	}
	wantWrites(t, s.resolve("INSERT INTO t (a, b) VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET b = excluded.b"), "public.t")
	wantReads(t, s.resolve("SELECT * FROM t AS x (a, b)"), "public.t")
}

func TestSystemCatalogs(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.relationIn("pg_catalog", "pg_class", "r", "p", false)
	s.relationIn("information_schema", "tables", "v", "p", false)
	s.view("v", "SELECT c.relname FROM pg_class c")
	wantRefusal(t, s.resolve("SELECT * FROM v"), sqlinfo.ReasonSystemCatalog, "pg_class")
	got := s.snapshot().Resolve(sqlinfo.Parse("SELECT * FROM tables"), Session{SearchPath: []string{"pg_catalog", "information_schema"}})
	wantRefusal(t, got, sqlinfo.ReasonSystemCatalog, "information_schema.tables")
	if c := s.resolve("DELETE FROM pg_class"); !c.WritesAll || !c.DDL {
		t.Errorf("writing a system catalog: %+v", c)
	}
}

func TestSeveralStatements(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.table("a")
	s.table("b")
	c := s.resolve("INSERT INTO a VALUES (1); DELETE FROM b")
	wantWrites(t, c, "public.a public.b")
	wantRefusal(t, c, sqlinfo.ReasonMultiStatement, c.Detail)
}

func TestNilAndEmpty(t *testing.T) {
	t.Parallel()
	s := newSchema().snapshot()
	if c := s.Resolve(nil, Session{}); !c.WritesAll || c.Refusal == "" {
		t.Errorf("nil: %+v", c)
	}
	if c := s.Resolve(sqlinfo.Parse("SELECT 1"), Session{}); c.Refusal != "" || c.WritesAll {
		t.Errorf("no path: %+v", c)
	}
	if c := NoCatalog(nil); !c.WritesAll || c.Refusal == "" {
		t.Errorf("nil without a catalog: %+v", c)
	}
}

func TestNoCatalog(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]Closure{
		"SELECT a FROM t JOIN s.u ON true": {Reads: []Dep{{Scope: "s.u"}, {Scope: "t"}}},
		"SELECT f(a) FROM t":               {Reads: []Dep{{Scope: "t"}}, WritesAll: true, Session: true, Refusal: sqlinfo.ReasonUnknownFunction, Detail: "f"},
		"SELECT f(), now()":                {WritesAll: true, Session: true, Refusal: sqlinfo.ReasonTimeFunction, Detail: "now"},
		"SELECT public.lower(a) FROM t":    {Reads: []Dep{{Scope: "t"}}, WritesAll: true, Session: true, Refusal: sqlinfo.ReasonUnknownFunction, Detail: "public.lower"},
		"DELETE FROM t":                    {WritesAll: true, Refusal: sqlinfo.ReasonNotRead},
		"SELECT now()":                     {Refusal: sqlinfo.ReasonTimeFunction, Detail: "now"},
		"BEGIN":                            {Refusal: sqlinfo.ReasonTransaction},
		"SET a = 1":                        {Refusal: sqlinfo.ReasonSession},
	} {
		if got := NoCatalog(sqlinfo.Parse(sql)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", sql, got, want)
		}
	}
	if c := NoCatalog(sqlinfo.Parse("DROP TABLE t")); !c.WritesAll || !c.DDL {
		t.Errorf("DDL: %+v", c)
	}
}

// One snapshot serves all connections at once; the texts in it are read by
// whoever comes first. Run with -race.
func TestSnapshotIsShared(t *testing.T) {
	t.Parallel()
	s := newSchema()
	orders := s.table("orders")
	s.view("v", "SELECT orders.id FROM public.orders", orders)
	s.function("f", "s", "sql", "SELECT 1 FROM orders")
	snap := s.snapshot()
	want := resolveIn(s.snapshot(), "SELECT f() FROM v")
	done := make(chan Closure)
	for range 8 {
		go func() { done <- resolveIn(snap, "SELECT f() FROM v") }()
	}
	for range 8 {
		if got := <-done; !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}
