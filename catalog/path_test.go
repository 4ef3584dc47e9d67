package catalog

import (
	"testing"

	"github.com/mlcache/mlcache/sqlinfo"
)

// definer makes a function that runs as its owner; path is as in functionWith.
func (s *schema) definer(name, owner, body string, path any) int {
	id := s.id()
	s.b.addFunction(row(id, "public", name, "f", "s", "sql", nil, 0, 0, path, nil, body, nil, owner, false))
	return id
}

func TestNamesUnderAnotherRole(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.table("t")
	s.relationIn("tenant", "t", "r", "p", false)
	s.relationIn("locked", "t", "r", "p", false)
	s.table("columns")
	s.relationIn(informationSchema, "columns", "v", "p", false)
	s.link("closed schema", "locked")
	s.definer("own", "me", "SELECT 1 FROM t", nil)
	s.definer("lent", "you", "SELECT 1 FROM t", nil)
	s.definer("sure", "you", "SELECT 1 FROM t", "=tenant, public, pg_temp")
	s.definer("unsure", "you", "SELECT 1 FROM t", "=locked, tenant, public")
	s.definer("named", "tenant", "SELECT 1 FROM t", `="$user", public`)
	s.definer("wide", "you", "SELECT 1 FROM columns", nil)
	s.function("plain", "s", "sql", "SELECT 1 FROM t")
	s.definer("inner", "you", "SELECT public.plain()", "=tenant")
	s.definer("asks", "you", "SELECT public.own()", "=tenant")
	snap := s.snapshot()
	sess := publicPath
	sess.Role = "me"
	for call, reads := range map[string]string{
		"own()": "public.t", "lent()": "locked.t public.t tenant.t", "sure()": "tenant.t", "unsure()": "locked.t tenant.t",
		"named()": "tenant.t", "wide()": "public.columns", "inner()": "tenant.t", "asks()": "tenant.t",
	} {
		wantReads(t, snap.Resolve(sqlinfo.Parse("SELECT "+call), sess), reads)
	}
	// Who does not know the role does not know either whether it changes.
	wantReads(t, snap.Resolve(sqlinfo.Parse("SELECT own()"), publicPath), "locked.t public.t tenant.t")

	any := Session{SearchPath: []string{"pg_catalog", "public"}, AnyPath: true}
	wantReads(t, snap.Resolve(sqlinfo.Parse("SELECT * FROM t"), any), "locked.t public.t tenant.t")
	wantReads(t, snap.Resolve(sqlinfo.Parse("SELECT * FROM public.t"), any), "public.t")
	wantReads(t, snap.Resolve(sqlinfo.Parse("SELECT plain()"), any), "locked.t public.t tenant.t")
	wantWrites(t, snap.Resolve(sqlinfo.Parse("DELETE FROM t"), any), "locked.t public.t tenant.t")
	if c := snap.Resolve(sqlinfo.Parse("SELECT sure()"), any); scopesOf(c.Reads) != "tenant.t" {
		t.Errorf("a function that sets its path: %+v", c)
	}
	any.SearchPath = append(any.SearchPath, "pg_temp_3")
	if c := snap.Resolve(sqlinfo.Parse("DELETE FROM t"), any); !c.WritesAll {
		t.Errorf("a table that may be a temporary one: %+v", c)
	}
}

// A temporary view that hides a table may run whatever it likes.
func TestTemporaryViewOverATable(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.table("t")
	sess := Session{SearchPath: []string{"pg_temp_3", "pg_catalog", "public"}, TempRelations: []string{"t"}}
	if c := s.snapshot().Resolve(sqlinfo.Parse("SELECT * FROM t"), sess); !c.WritesAll || c.Refusal == "" {
		t.Errorf("%+v", c)
	}
}

// A cascade runs as the owner of the child, and with it the child's triggers.
func TestTriggersBehindACascadeOfAnotherOwner(t *testing.T) {
	t.Parallel()
	s := newSchema()
	parent, child := s.table("parent"), s.table("child") // both of "owner"
	s.table("log")
	s.relationIn("tenant", "log", "r", "p", false)
	s.key("fk", child, parent, "c", "a")
	s.trigger("tr", child, s.function("f", "v", "sql", "INSERT INTO log VALUES (1)"), onDelete)
	snap := s.snapshot()
	sess := publicPath
	sess.Role = "owner"
	const write = "DELETE FROM parent"
	wantWrites(t, snap.ResolveText(write, sqlinfo.Parse(write), sess), "public.child public.log public.parent")
	sess.Role = "writer"
	wantWrites(t, snap.ResolveText(write, sqlinfo.Parse(write), sess), "public.child public.log public.parent tenant.log")
	wantWrites(t, snap.ResolveText("DELETE FROM child", sqlinfo.Parse("DELETE FROM child"), sess), "public.child public.log")
}
