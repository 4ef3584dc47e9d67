package sqlinfo_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mlcache/mlcache/sqlinfo"
)

func TestNormalize(t *testing.T) {
	for sql, want := range map[string]string{
		"SELECT 'secret', -1.5e3, B'01', X'ff', $q$secret$q$":  "SELECT ?, -?, …", // a sign stands between the first two
		"SELECT name FROM t WHERE id = 42":                     "SELECT name FROM t WHERE id = ?",
		"SELECT E'sec\\'ret' FROM t":                           "SELECT ? FROM t",
		"SELECT N'secret'":                                     "SELECT ?",
		"SELECT U&'secret' FROM t":                             "SELECT ? FROM t",
		"/* secret */ SELECT\n\t1 -- secret\n + 2":             "SELECT ? + ?",
		"SELECT * FROM t WHERE id IN (1, 2, 3,4)":              "SELECT * FROM t WHERE id IN (?, …)",
		"SELECT * FROM t WHERE id IN ($1, $2, $3)":             "SELECT * FROM t WHERE id IN ($1, …)",
		"SELECT * FROM t WHERE id IN ($1,$2) AND a = 1":        "SELECT * FROM t WHERE id IN ($1, …) AND a = ?",
		`SELECT "Col" FROM "T"`:                                `SELECT "Col" FROM "T"`,
		"SELECT 'open secret":                                  "SELECT…",
		"SELECT 1secret":                                       "SELECT…",
		"":                                                     "",
		"SELECT 'a\\' FROM t WHERE x = ' secret ' ":            "SELECT …",
		"SELECT 'part'\n 'secret' FROM t":                      "SELECT ? FROM t",
		"SELECT * FROM t LIMIT 10 OFFSET 20":                   "SELECT * FROM t LIMIT ? OFFSET ?",
		"SELECT date '2024-01-01', a FROM t WHERE b::text='x'": "SELECT date ?, a FROM t WHERE b::text=?",
	} {
		if got := sqlinfo.Normalize(sql, 1000); got != want {
			t.Errorf("%q: %q, want %q", sql, got, want)
		}
	}
}

func TestNormalizeIsCut(t *testing.T) {
	long := "SELECT " + strings.Repeat("ä, ", 1000) + "1"
	n := sqlinfo.Normalize(long, 100)
	if len(n) > 100+len("…") || !strings.HasSuffix(n, "…") || !utf8.ValidString(n) {
		t.Errorf("%d bytes: %q", len(n), n)
	}
}

func FuzzNormalize(f *testing.F) {
	f.Add("SELECT 'x', $1, 2")
	f.Add("SELECT E'\\'' || U&\"a\"")
	f.Fuzz(func(t *testing.T, sql string) {
		n := sqlinfo.Normalize(sql, 200)
		if len(n) > 200+len("…") {
			t.Errorf("%d bytes", len(n))
		}
	})
}
