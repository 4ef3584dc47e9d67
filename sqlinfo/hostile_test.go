package sqlinfo

import (
	"strings"
	"testing"
	"time"
)

// TestHostile reads texts made to cost much; each must cost little.
func TestHostile(t *testing.T) {
	t.Parallel()
	for _, piece := range []string{
		"(", "[", ")", "((", "f(", "(SELECT ", "'", "''", "\"", "$", "$$", "$a$b", "/*", "--", "E'\\", "a.", ".", ",", "+-", "-", "@",
		"a ", "a,", "'now'", "1", "1e", "0x", "::", "::a", "WITH a AS (", "CASE ", "JOIN ", "FROM ", "FROM a,", "U&\"\\", "\xff", "é", "\x00", ";", "a;",
		"SELECT ", "INSERT INTO ", "OPERATOR(", "$1 ", "x AS ", "BEGIN ATOMIC ", "EXPLAIN ", "a b ",
	} {
		for _, head := range []string{"", "SELECT * FROM ", "CREATE FUNCTION ", "WITH x AS (SELECT 1), "} {
			n := 1_000_000
			if head != "" {
				n = 100_000
			}
			sql := head + strings.Repeat(piece, n/len(piece))
			start := time.Now()
			info := Parse(sql)
			// A few milliseconds on an idle machine; what is quadratic takes minutes.
			if d := time.Since(start); d > 3*time.Second {
				t.Errorf("%s for %q after %q", d, piece, head)
			}
			if info.Refusal == "" && len(sql) > defaultMaxBytes {
				t.Errorf("%q is not refused", piece)
			}
			Canonical(nil, sql)
			ParseBody("plpgsql", sql)
		}
	}
}
