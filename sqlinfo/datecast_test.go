package sqlinfo

import (
	"slices"
	"testing"
)

// An expression that is cast to a date shows the names in it, among which the
// catalog finds columns of text, and none of the rest of the statement.
func TestDateCastsOfExpressions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sql     string
		names   []string
		not     []string
		refused bool
	}{
		{sql: `SELECT name, date_trunc('day', at)::date FROM t`, names: []string{"at"}, not: []string{"name"}},
		{sql: `SELECT max(txt)::timestamptz, other FROM t`, names: []string{"txt"}, not: []string{"other"}},
		{sql: `SELECT CAST(coalesce(a, "B") AS date), c FROM t`, names: []string{"a", "B"}, not: []string{"c"}},
		{sql: `SELECT date(lower(a)), c FROM t`, names: []string{"a"}, not: []string{"c"}},
		{sql: `SELECT (j->>'at')::timestamptz FROM t`, refused: true},
		{sql: `SELECT CAST(j #>> '{a}' AS date) FROM t`, refused: true},
		{sql: `SELECT ('to' || 'day')::date`, refused: true},
		{sql: `SELECT (j->>'at')::int FROM t`},
		{sql: `SELECT a || b FROM t`},
		{sql: `SELECT x::date FROM t`, names: []string{"x"}},
	} {
		i := Parse(tt.sql)
		if (i.Refusal == ReasonSpecialDate) != tt.refused {
			t.Errorf("%s: refusal %q", tt.sql, i.Refusal)
		}
		var got []string
		for _, n := range i.DateCasts {
			got = append(got, n.Name)
		}
		for _, n := range tt.names {
			if !slices.Contains(got, n) {
				t.Errorf("%s: %q lacks %q", tt.sql, got, n)
			}
		}
		for _, n := range tt.not {
			if slices.Contains(got, n) {
				t.Errorf("%s: %q has %q", tt.sql, got, n)
			}
		}
	}
}
