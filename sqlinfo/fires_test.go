package sqlinfo

import "testing"

// Which statements fire event triggers: the PostgreSQL manual's chapter 40.
func TestFires(t *testing.T) {
	t.Parallel()
	for text, fires := range map[string]bool{
		"REFRESH MATERIALIZED VIEW m":                 true,
		"REINDEX (VERBOSE) TABLE t":                   true,
		"COMMENT ON TABLE t IS 'x'":                   true,
		"SELECT a INTO TEMP x FROM t":                 true,
		"CREATE TEMP TABLE x AS SELECT 1":             true,
		"EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1":  true,
		"EXPLAIN CREATE TABLE x AS SELECT 1":          false,
		"SELECT 1; DROP TABLE t":                      true,
		"DO 'BEGIN REFRESH MATERIALIZED VIEW m; END'": true,
		"DO 'BEGIN REINDEX TABLE t; END'":             true,
		"DO 'BEGIN CREATE TEMP TABLE x (a int); END'": true,
		"DO 'BEGIN UPDATE t SET a = 1; END'":          false,
		"DO 'BEGIN ANALYZE t; END'":                   false,
		"TRUNCATE t":                                  false,
		"VACUUM t":                                    false,
		"CLUSTER t":                                   false,
		"INSERT INTO t SELECT 1":                      false,
		"SELECT reindex FROM refresh":                 false,
	} {
		if got := Parse(text).Fires; got != fires {
			t.Errorf("%s: %v", text, got)
		}
	}
	for _, body := range []struct{ lang, text string }{
		{"sql", "REFRESH MATERIALIZED VIEW m"}, {"sql", "SELECT 1; CREATE TABLE x (a int)"},
		{"plpgsql", "BEGIN REFRESH MATERIALIZED VIEW m; END"}, {"plpgsql", "BEGIN IF true THEN DROP TABLE x; END IF; END"},
	} {
		if !ParseBody(body.lang, body.text).Fires {
			t.Errorf("%s: %s", body.lang, body.text)
		}
	}
}
