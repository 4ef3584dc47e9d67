package sqlinfo

import (
	"math/rand/v2"
	"os"
	"reflect"
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

// TestSplices reads texts made of pieces of statements, several in one text; it
// fails by a panic, or where reading twice gives two answers. The seed is printed.
func TestSplices(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	data, err := os.ReadFile("testdata/ordinary.sql")
	if err != nil {
		t.Fatal(err)
	}
	pieces := strings.FieldsFunc(string(data), func(c rune) bool { return c == ' ' || c == '\n' })
	joints := []string{";", "(", ")", "f(1)", "age(x)", "date(2)", "'a'", ").f(1)", "WITH a AS (", "DELETE FROM t", "INSERT INTO t", "$1", "OVER", "::date", "CAST(x AS"}
	for range 20_000 {
		var b strings.Builder
		for range 1 + r.IntN(24) {
			if r.IntN(2) == 0 {
				b.WriteString(joints[r.IntN(len(joints))])
			} else {
				b.WriteString(pieces[r.IntN(len(pieces))])
			}
			b.WriteByte(' ')
		}
		sql := b.String()
		if first, second := Parse(sql), Parse(sql); !reflect.DeepEqual(first, second) {
			t.Fatalf("%s\n%+v\n%+v", sql, first, second)
		}
		ParseBody("sql", sql)
		ParseBody("plpgsql", sql)
	}
}
