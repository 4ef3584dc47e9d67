package integration

import (
	"slices"
	"testing"

	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/sqlinfo"
)

const policySchema = `
CREATE TABLE plain (id int);
CREATE TABLE members (tenant int, member name);
CREATE FUNCTION tenant() RETURNS int LANGUAGE sql STABLE AS $$ SELECT nullif(Current_Setting('App.Tenant', true), '')::int $$;
CREATE FUNCTION setting_of(n text) RETURNS text LANGUAGE sql STABLE AS $$ SELECT current_setting(n, true) $$;
CREATE FUNCTION seen(i int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO plain VALUES (i); RETURN true; END $$;
CREATE TABLE by_user (id int, owner name); ALTER TABLE by_user ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON by_user USING (owner = current_user);
CREATE TABLE by_setting (id int, tenant text); ALTER TABLE by_setting ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON by_setting USING (tenant = current_setting('app.tenant'));
CREATE TABLE by_function (id int, tenant int); ALTER TABLE by_function ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON by_function USING (tenant = tenant());
CREATE TABLE by_table (id int, tenant int); ALTER TABLE by_table ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON by_table USING (tenant IN (SELECT m.tenant FROM members m WHERE m.member = current_user));
CREATE TABLE by_clock (id int, until timestamptz); ALTER TABLE by_clock ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON by_clock USING (until > now());
CREATE TABLE by_both (id int, owner name, until date); ALTER TABLE by_both ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON by_both USING (owner = current_user AND until > CURRENT_DATE);
CREATE TABLE by_spelt (id int, owner name, until timestamptz, spelt text); ALTER TABLE by_spelt ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON by_spelt USING (owner = current_user AND until > ('now'::text)::timestamptz);
CREATE TABLE by_column (LIKE by_spelt); ALTER TABLE by_column ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON by_column USING (owner = current_user AND until > spelt::timestamptz);
CREATE TABLE by_any_setting (id int, tenant text); ALTER TABLE by_any_setting ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON by_any_setting USING (tenant = setting_of('app.' || tenant));
CREATE TABLE by_writer (id int); ALTER TABLE by_writer ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON by_writer USING (seen(id));
CREATE TABLE closed (id int); ALTER TABLE closed ENABLE ROW LEVEL SECURITY;
CREATE TABLE off (id int, owner name);
CREATE POLICY p ON off USING (owner = current_user);
CREATE VIEW over_user AS SELECT * FROM by_user;
`

// TestCatalogPolicies checks what is said of tables with row level security.
func TestCatalogPolicies(t *testing.T) {
	dsn := harness.NewDatabase(t)
	c := catalogConnect(t, dsn)
	c.exec(t, policySchema)
	s, sess := c.load(t), c.session(t)
	for _, q := range []struct {
		table    string
		reads    string
		rls      bool
		settings []string
		reason   sqlinfo.Reason
	}{
		{"plain", "public.plain", false, nil, ""},
		{"off", "public.off", false, nil, ""},
		{"closed", "public.closed", true, nil, ""},
		{"by_user", "public.by_user", true, nil, ""},
		{"over_user", "public.by_user", true, nil, ""},
		{"by_setting", "public.by_setting", true, []string{"app.tenant"}, ""},
		{"by_function", "public.by_function", true, []string{"app.tenant"}, ""},
		{"by_table", "public.by_table public.members", true, nil, ""},
		{"by_clock", "public.by_clock", true, nil, sqlinfo.ReasonTimeFunction},
		{"by_both", "public.by_both", true, nil, sqlinfo.ReasonTimeFunction},
		{"by_spelt", "public.by_spelt", true, nil, sqlinfo.ReasonSpecialDate},
		{"by_column", "public.by_column", true, nil, sqlinfo.ReasonSpecialDate},
		{"by_any_setting", "public.by_any_setting", true, nil, catalog.ReasonPolicy},
		{"by_writer", "public.by_writer public.plain", true, nil, catalog.ReasonVolatileFunction},
	} {
		closure := s.Resolve(sqlinfo.Parse("SELECT * FROM "+q.table), sess)
		if got := scopes(closure.Reads); got != q.reads || closure.RLS != q.rls ||
			!slices.Equal(closure.Settings, q.settings) || closure.Refusal != q.reason {
			t.Errorf("%s: %+v, want %+v", q.table, closure, q)
		}
	}
	// A policy that writes makes a reader a writer.
	if w := s.Resolve(sqlinfo.Parse("SELECT * FROM by_writer"), sess).Writes; scopes(w) != "public.plain" {
		t.Errorf("a policy's function writes %v", w)
	}
	if w := s.Resolve(sqlinfo.Parse("UPDATE by_writer SET id = 2"), sess).Writes; scopes(w) != "public.by_writer public.plain" {
		t.Errorf("an UPDATE under a policy writes %v", w)
	}
}
