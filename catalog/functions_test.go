package catalog

import (
	"slices"
	"testing"

	"github.com/mlcache/mlcache/sqlinfo"
)

func TestFunctionsByVolatilityAndBody(t *testing.T) {
	t.Parallel()
	for _, f := range []struct {
		name, volatility, language, body string
		refusal                          sqlinfo.Reason
	}{
		{"immutable SQL", "i", "sql", "SELECT 1", ""},
		{"immutable SQL that reads", "i", "sql", "SELECT count(*) FROM t", ""},
		{"immutable SQL on the clock", "i", "sql", "SELECT now()", sqlinfo.ReasonTimeFunction},
		{"stable SQL that reads", "s", "sql", "SELECT count(*) FROM t", ""},
		{"stable PL/pgSQL that reads", "s", "plpgsql", "DECLARE n int; BEGIN SELECT count(*) INTO n FROM t; RETURN n; END", ""},
		{"stable SQL on the clock", "s", "sql", "SELECT current_date", sqlinfo.ReasonTimeFunction},
		{"stable SQL over a sequence", "s", "sql", "SELECT nextval('s')", sqlinfo.ReasonSequence},
		{"stable SQL with a lock", "s", "sql", "SELECT id FROM t FOR UPDATE", sqlinfo.ReasonForUpdate},
		{"stable SQL over a volatile one", "s", "sql", "SELECT public.vol()", ReasonVolatileFunction},
		{"stable dynamic SQL", "s", "plpgsql", "DECLARE n int; BEGIN EXECUTE 'SELECT 1' INTO n; RETURN n; END", ReasonDynamicFunction},
		{"immutable dynamic SQL", "i", "plpgsql", "DECLARE n int; BEGIN EXECUTE 'SELECT 1' INTO n; RETURN n; END", ReasonDynamicFunction},
		{"volatile SQL", "v", "sql", "SELECT 1", ReasonVolatileFunction},
		{"immutable C", "i", "c", "sym", ""},
		{"stable C", "s", "c", "sym", ReasonVolatileFunction},
		{"volatile C", "v", "c", "sym", ReasonVolatileFunction},
		{"immutable Python", "i", "plpython3u", "return 1", ReasonDynamicFunction},
		{"broken SQL", "i", "sql", "SELECT 'x", ReasonDynamicFunction},
	} {
		t.Run(f.name, func(t *testing.T) {
			s := newSchema()
			s.builtins("count")
			s.table("t")
			s.function("vol", "v", "sql", "SELECT 2")
			s.function("f", f.volatility, f.language, f.body)
			c := s.resolve("SELECT f()")
			if c.Refusal != f.refusal {
				t.Errorf("refusal %q (%s), want %q", c.Refusal, c.Detail, f.refusal)
			}
			if f.refusal == "" && (c.WritesAll || c.Session) {
				t.Errorf("may be kept, and yet writes: %+v", c)
			}
		})
	}
}

// PostgreSQL lets no STABLE function write; one that would is still no reader.
func TestStableFunctionThatWrites(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.table("log")
	s.function("f", "s", "sql", "INSERT INTO log VALUES (1)")
	c := s.resolve("SELECT f()")
	wantWrites(t, c, "public.log")
	wantRefusal(t, c, ReasonWritingFunction, "")
}

func TestRecursiveFunctionsEnd(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.table("t")
	s.function("a", "s", "sql", "SELECT b()")
	s.function("b", "s", "sql", "SELECT a() FROM t")
	wantReads(t, s.resolve("SELECT a()"), "public.t")
}

func TestOverloadsAllCount(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.functionWith("f", "i", "sql", "SELECT 1", nil, nil, 1)
	s.functionWith("f", "v", "sql", "SELECT 1", nil, nil, 2)
	wantRefusal(t, s.resolve("SELECT f(1)"), ReasonVolatileFunction, "public.f")
}

func TestUserFunctionBesideBuiltin(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.builtins("lower")
	s.functionWith("lower", "v", "sql", "SELECT 'x'", nil, nil, 1)
	wantRefusal(t, s.resolve("SELECT lower('A')"), ReasonVolatileFunction, "public.lower")
	wantReads(t, s.resolve("SELECT pg_catalog.lower('A')"), "")
}

func TestAttributeNotation(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.builtins("lower")
	s.table("t")
	s.functionWith("one", "v", "sql", "SELECT 1", nil, nil, 1)
	s.functionWith("two", "v", "sql", "SELECT 1", nil, nil, 0)
	wantRefusal(t, s.resolve("SELECT t.one FROM t"), ReasonVolatileFunction, "public.one")
	wantRefusal(t, s.resolve("SELECT (t).one FROM t"), ReasonVolatileFunction, "public.one")
	wantReads(t, s.resolve("SELECT t.two, t.lower FROM t"), "public.t")
	if c := s.resolve("SELECT (1).pg_sleep"); c.Refusal == "" {
		t.Error("(1).pg_sleep may be kept")
	}
}

func TestAggregatesAndOperators(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.table("log")
	step := s.functionWith("step", "v", "sql", "INSERT INTO log VALUES (1); SELECT 1", nil, nil, 2)
	plus := s.functionWith("plus", "i", "sql", "SELECT 1", nil, nil, 2)
	agg := s.id()
	s.b.addFunction(row(agg, "public", "agg", "a", "i", "internal", nil, 1, 1, nil, nil, nil, nil))
	s.link("aggregate", agg, step)
	s.link("operator", s.id(), "public", "|+|", step, "v 0 0 step")
	s.link("operator", s.id(), "public", "|-|", plus, "i 0 0 plus")
	s.link("operator", s.id(), "public", "|?|", 1, "s 0 0 x")
	wantWrites(t, s.resolve("SELECT agg(1)"), "public.log")
	wantWrites(t, s.resolve("SELECT 1 |+| 2"), "public.log")
	wantRefusal(t, s.resolve("SELECT 1 |?| 2"), ReasonUserOperator, "|?|")
	wantReads(t, s.resolve("SELECT 1 |-| 2"), "")
}

func TestCastsAndDomains(t *testing.T) {
	t.Parallel()
	base := func() *schema {
		s := newSchema()
		s.table("t")
		return s
	}
	s := base()
	f := s.functionWith("f", "v", "sql", "SELECT 1", nil, nil, 1)
	s.link("cast", f, "pair", "true", "e", "int4")
	wantRefusal(t, s.resolve("SELECT a::pair FROM t"), ReasonUserCast, "public.f")
	wantReads(t, s.resolve("SELECT a::int FROM t"), "public.t")

	// To a built-in type, which has several names; and an implicit one, which none shows.
	s = base()
	s.link("cast", s.functionWith("f", "v", "sql", "SELECT 1", nil, nil, 1), "int4", "false", "e", "pair")
	wantRefusal(t, s.resolve("SELECT a::integer FROM t"), ReasonUserCast, "public.f")
	wantReads(t, s.resolve("SELECT a FROM t"), "public.t")
	s = base()
	s.link("cast", s.functionWith("f", "v", "sql", "SELECT 1", nil, nil, 1), "pair", "true", "i", "int4")
	wantRefusal(t, s.resolve("SELECT a FROM t"), ReasonUserCast, "public.f")
	s = base()
	s.link("cast", s.functionWith("f", "i", "sql", "SELECT 1", nil, nil, 1), "pair", "true", "i", "int4")
	wantReads(t, s.resolve("SELECT a::pair FROM t"), "public.t")

	s = base()
	inner, outer := s.id(), s.id()
	s.link("domain", inner, "public", "inner_d", 23)
	s.link("domain", outer, "public", "outer_d", inner)
	s.b.addDepend(row("domain", inner, "function", s.functionWith("f", "v", "sql", "SELECT true", nil, nil, 1)))
	wantRefusal(t, s.resolve("SELECT a::outer_d FROM t"), ReasonUserCast, "public.f")
}

func TestDefaultsChecksAndDomainsWrite(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.table("log")
	f := s.functionWith("f", "v", "sql", "INSERT INTO log VALUES (1); SELECT true", nil, nil, 1)
	byDefault, byDomain := s.table("by_default"), s.table("by_domain")
	s.b.addDepend(row("relation", byDefault, "function", f))
	d := s.id()
	s.link("domain", d, "public", "d", 23)
	s.link("domain column", byDomain, d)
	s.b.addDepend(row("domain", d, "function", f))
	wantWrites(t, s.resolve("INSERT INTO by_default VALUES (1)"), "public.by_default public.log")
	wantWrites(t, s.resolve("INSERT INTO by_domain VALUES (1)"), "public.by_domain public.log")
}

func TestPathOfFunctions(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.table("t")
	s.relationIn("tenant", "t", "r", "p", false)
	s.function("caller", "s", "sql", "SELECT 1 FROM t")
	s.functionWith("own", "s", "sql", "SELECT 1 FROM t", "tenant, pg_temp", nil, 0)
	s.functionWith("empty", "s", "sql", "SELECT 1 FROM t", `""`, nil, 0)
	s.functionWith("role", "s", "sql", "SELECT 1 FROM t", `"$user", public`, nil, 0)
	s.relationIn("pg_catalog", "thing", "r", "p", false)
	s.relationIn("tenant", "thing", "r", "p", false)
	s.functionWith("early", "s", "sql", "SELECT 1 FROM thing", "tenant", nil, 0)
	s.functionWith("late", "s", "sql", "SELECT 1 FROM thing", "tenant, pg_catalog, pg_catalog", nil, 0)
	s.functionWith("outer_f", "s", "sql", "SELECT public.caller()", "tenant", nil, 0)
	for call, reads := range map[string]string{
		"caller()": "public.t", "own()": "tenant.t", "empty()": "", "role()": "public.t tenant.t", "outer_f()": "tenant.t",
		"late()": "tenant.thing",
	} {
		wantReads(t, s.resolve("SELECT "+call), reads)
	}
	wantRefusal(t, s.resolve("SELECT early()"), sqlinfo.ReasonSystemCatalog, "pg_catalog.thing")
	wantRefusal(t, s.resolve("SELECT * FROM thing"), sqlinfo.ReasonSystemCatalog, "pg_catalog.thing")
}

// A function that sets the search path for what follows makes every name in the
// statement mean any relation that bears it.
func TestPathSetMidway(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.builtins()
	orders := s.table("orders")
	s.table("log")
	s.relationIn("audit", "log", "r", "p", false)
	s.function("pick", "v", "plpgsql", "BEGIN PERFORM set_config('search_path', 'audit', true); END")
	s.trigger("t", orders, s.function("f", "v", "plpgsql", "BEGIN PERFORM pick(); INSERT INTO log VALUES (1); RETURN NEW; END"), onInsert)
	c := s.resolve("INSERT INTO orders VALUES (1)")
	wantWrites(t, c, "audit.log public.log public.orders")
	if !c.Session {
		t.Error("the session is thought to be as before")
	}
	s.function("local", "v", "plpgsql", "BEGIN SET LOCAL search_path = audit; INSERT INTO log VALUES (1); END")
	wantWrites(t, s.resolve("SELECT local()"), "audit.log public.log")
	s.functionWith("own", "v", "plpgsql", "BEGIN PERFORM pick(); INSERT INTO log VALUES (1); END", "public", nil, 0)
	wantWrites(t, s.resolve("SELECT own()"), "audit.log public.log")
	wantWrites(t, s.resolve("SET search_path = audit; INSERT INTO log VALUES (1)"), "audit.log public.log")
	if c := s.resolve("SELECT set_config('search_path', 'x', false)"); !c.Session || c.Refusal == "" {
		t.Errorf("set_config: %+v", c)
	}
}

func TestTemporaryRelations(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.table("orders")
	s.function("f", "s", "sql", "SELECT 1 FROM scratch")
	snap := s.snapshot()
	temp := Session{SearchPath: []string{"pg_temp_3", "pg_catalog", "public"}}
	known := temp
	known.TempRelations, known.TempPlain = []string{"scratch", "busy"}, []string{"scratch"}
	for _, c := range []struct {
		sql       string
		sess      Session
		refused   bool
		writesAll bool
	}{
		{"SELECT * FROM orders", known, false, false},
		{"SELECT * FROM scratch", known, true, false},
		{"SELECT * FROM pg_temp.scratch", publicPath, true, true},
		{"SELECT f()", known, true, false},
		{"SELECT * FROM busy", known, true, true},
		{"INSERT INTO scratch VALUES (1)", known, true, false},
		{"INSERT INTO busy VALUES (1)", known, true, true},
		{"INSERT INTO pg_temp.scratch VALUES (1)", known, true, false},
		{"SELECT * FROM orders", temp, true, false},
		{"SELECT * FROM public.orders", temp, false, false},
		{"INSERT INTO orders VALUES (1)", temp, true, true},
		{"INSERT INTO public.orders VALUES (1)", temp, true, false},
	} {
		got := snap.Resolve(sqlinfo.Parse(c.sql), c.sess)
		if (got.Refusal != "") != c.refused || got.WritesAll != c.writesAll {
			t.Errorf("%s: %+v, want refused %v, everything written %v", c.sql, got, c.refused, c.writesAll)
		}
	}
}

// What the text of a body does not show, the server has recorded.
func TestParsedBodyByRecord(t *testing.T) {
	t.Parallel()
	s := newSchema()
	table := s.table("t")
	f := s.function("f", "s", "sql", "SELECT 1")
	s.b.addDepend(row("function", f, "relation", table))
	wantReads(t, s.resolve("SELECT f()"), "public.t")
}

// Deparsed texts qualify all names of the user, so a bare one is a column or an
// alias, whatever the path.
func TestDeparsedTextIgnoresThePath(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.table("t")
	s.table("alias")
	s.view("v", "WITH alias AS (SELECT 1) SELECT alias.* FROM alias, alias AS t")
	wantReads(t, s.resolve("SELECT * FROM v"), "")

	s.builtins("lower")
	s.functionWith("lower", "v", "sql", "SELECT 'x'", nil, nil, 1)
	s.view("low", "SELECT lower('X'::text) AS lower")
	wantReads(t, s.resolve("SELECT * FROM low"), "")
}

func TestBuiltinsOfTheServer(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.b.addBuiltin(row("made_in_19", true, false))
	s.b.addBuiltin(row("drifts_in_19", false, true))
	wantReads(t, s.resolve("SELECT made_in_19(1)"), "")
	wantRefusal(t, s.resolve("SELECT drifts_in_19(1)"), sqlinfo.ReasonUnsafeFunction, "drifts_in_19")
	wantRefusal(t, s.resolve("SELECT (1).drifts_in_19"), sqlinfo.ReasonUnsafeFunction, "drifts_in_19")
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.builtins()
	s.table("members")
	s.function("tenant", "s", "sql", "SELECT pg_catalog.Current_Setting('App.Tenant', true)")
	guard := func(name, policy string) {
		s.b.addPolicy(row(s.id(), s.relationIn("public", name, "r", "p", true), "SELECT "+policy))
	}
	guard("by_user", "(owner = CURRENT_USER)")
	guard("by_setting", "(tenant = current_setting('a.b'::text, true))")
	guard("by_function", "(tenant = public.tenant())")
	guard("by_table", "(EXISTS ( SELECT 1 FROM public.members m WHERE m.id = id))")
	guard("by_clock", "(until > CURRENT_DATE)")
	guard("by_both", "(owner = CURRENT_USER AND x = current_setting('a.b') AND until > CURRENT_DATE)")
	guard("by_any", "(tenant = current_setting(name))")
	for _, c := range []struct {
		table, reads string
		settings     []string
		refused      bool
	}{
		{"by_user", "public.by_user", nil, false},
		{"by_setting", "public.by_setting", []string{"a.b"}, false},
		{"by_function", "public.by_function", []string{"app.tenant"}, false},
		{"by_table", "public.by_table public.members", nil, false},
		{"by_clock", "public.by_clock", nil, true},
		{"by_both", "public.by_both", []string{"a.b"}, true},
		{"by_any", "public.by_any", nil, true},
	} {
		got := s.resolve("SELECT * FROM " + c.table)
		if scopesOf(got.Reads) != c.reads || !got.RLS || !slices.Equal(got.Settings, c.settings) || (got.Refusal != "") != c.refused {
			t.Errorf("%s: %+v, want %+v", c.table, got, c)
		}
	}
	// Outside of a policy the same function is not safe.
	if c := s.resolve("SELECT tenant()"); c.Refusal == "" {
		t.Error("a function of a setting may be kept where no policy asks for it")
	}
}

func TestDateCasts(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.b.addColumns(row(s.table("t"), "!spoken\x1fat"))
	wantRefusal(t, s.resolve("SELECT spoken::date FROM t"), sqlinfo.ReasonSpecialDate, "spoken")
	wantReads(t, s.resolve("SELECT at::date FROM t"), "public.t")
}
