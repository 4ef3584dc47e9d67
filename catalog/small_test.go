package catalog

import (
	"slices"
	"strings"
	"testing"

	"github.com/mlcache/mlcache/sqlinfo"
)

func TestSettingNames(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"SELECT current_setting('app.tenant'::text, true)":                {"app.tenant"},
		"pg_catalog.current_setting('A.B') || Current_Setting( 'c.d' )":   {"a.b", "c.d"},
		`"current_setting"('a.b')`:                                        {"a.b"},
		"/* current_setting(x) */ current_setting /* x */ ('a.b', false)": {"a.b"},
		"current_setting(x)":                                              nil,
		"current_setting('a.b') + current_setting($1)":                    nil,
		"current_setting('c' || 'd')":                                     nil,
		"current_setting('c'::text || d)":                                 nil,
		"current_setting('c'":                                             nil,
		"current_setting(E'a.b')":                                         nil,
		`U&"current_setting"('a.b')`:                                      nil,
		"'current_setting(''a.b'')'":                                      nil,
		"":                                                                nil,
	} {
		if got, ok := settingNames(text); ok != (want != nil) || ok && !slices.Equal(got, want) {
			t.Errorf("%s: %q %v, want %q", text, got, ok, want)
		}
	}
}

func TestOpsIn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]op{
		"INSERT INTO t VALUES ('update')":                             opInsert,
		"insert into t values (1) on conflict do update set a = 1":    opInsert | opUpdate,
		"WITH x AS (DELETE FROM t RETURNING *) INSERT INTO u TABLE x": opInsert | opDelete,
		"MERGE INTO t USING u ON true WHEN MATCHED THEN DO NOTHING":   opInsert | opUpdate | opDelete,
		"TRUNCATE t":                  opTruncate,
		"COPY t FROM STDIN":           opInsert,
		`SELECT "delete"`:             opAll,
		"REFRESH MATERIALIZED VIEW v": opInsert,
		"INSERT INTO t VALUES (1); DO 'BEGIN DELETE FROM t; END'": opAll,
		"INSERT INTO t VALUES (1); DO LANGUAGE plpgsql $$ $$":     opAll,
		"INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING":         opInsert,
		"SELECT 'x": opAll,
	} {
		if got := opsIn(text); got != want {
			t.Errorf("%s: %b, want %b", text, got, want)
		}
	}
}

func TestSplitPath(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"public":              {"public"},
		`"$user", public`:     {"$user", "public"},
		`"a""b",  c ,pg_temp`: {`a"b`, "c", "pg_temp"},
		`""`:                  {},
		"":                    {},
	} {
		if got, ok := splitPath(text); !ok || got == nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	long := strings.Repeat("é", 40)
	for text, want := range map[string][]string{
		`"a,b"`: {"a,b"}, `"a,b", "c "" d" ,Foo`: {"a,b", `c " d`, "foo"}, `$user`: {"$user"}, `a-b`: {"a-b"},
		`"Ä", Ä`: {"Ä", "Ä"}, long: {strings.Repeat("é", 31)}, " \t\n": {}, `"", a`: {"a"},
	} {
		if got, ok := splitPath(text); !ok || !slices.Equal(got, want) {
			t.Errorf("%s: %q %v, want %q", text, got, ok, want)
		}
	}
	for _, text := range []string{"a b", "a,", ",a", `"a`, `"a"b`, "a,,b"} {
		if got, ok := splitPath(text); ok {
			t.Errorf("%s: %q, want nothing", text, got)
		}
	}
}

func TestReasonsHaveWords(t *testing.T) {
	t.Parallel()
	for _, r := range Reasons() {
		if ReasonDoc(r) == "" || sqlinfo.ReasonDoc(r) != "" {
			t.Errorf("%s: %q here, %q in sqlinfo", r, ReasonDoc(r), sqlinfo.ReasonDoc(r))
		}
	}
}
