package sqlinfo

import "testing"

func TestConstant(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"select 1", "SELECT 1", " Select\n1 ; ", "SELECT 1, 2.5, null, TRUE,false", "/* ping */ SELECT 1 -- now", "SELECT 1e3",
	} {
		if !Constant(text) {
			t.Errorf("%q is not constant", text)
		}
		info := Parse(text)
		if info.Kind != Read || info.Refusal != "" || len(info.Reads)+len(info.Writes)+len(info.Funcs)+len(info.Types)+len(info.Operators) != 0 {
			t.Errorf("%q: %+v", text, info)
		}
	}
	for _, text := range []string{
		"", ";", "SELECT", "SELECT 1,", "SELECT 1;;", "SELECT 1; SELECT 2", "SELECT 1 2", "SELECT a", "SELECT f()", "SELECT 1 + 1", "SELECT -1",
		"SELECT 'now'", "SELECT $1", "SELECT 1::t", "SELECT 1 AS a", "SELECT 1 a", "SELECT 1 FROM t", "SELECT (1)", "SELECT 1 UNION SELECT true",
		"SELECT 1 LIMIT 1", "SELECT CASE WHEN 1 THEN 2 END", "SELECT now", "SELECT current_date", `SELECT "true"`, "SELECT ARRAY[1]", "VALUES (1)",
		"DELETE FROM t", "SELECT 1\x00", "SELECT 1 /*", "SELECT 1 INTO t", "selects 1", "SELECT 1.a", "SELECT 1abc",
	} {
		if Constant(text) {
			t.Errorf("%q is constant", text)
		}
	}
}
