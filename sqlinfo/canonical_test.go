package sqlinfo

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestCanonical(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sql, want string }{
		{"", ""},
		{"  SELECT\n\t1  ", "SELECT 1"},
		{"/* mlcache: off */ SELECT/* x */1 -- y", "SELECT 1"},
		{"SELECT 'a  b', \"c  d\", $$ e  f $$, E'g \\' h'", "SELECT 'a  b', \"c  d\", $$ e  f $$, E'g \\' h'"},
		{"SELECT 'a'\n   'b'", "SELECT 'a'\n   'b'"},
		{"SELECT 'a' /* x */\n 'b'", "SELECT 'a' 'b'"},
		{"SELECT a+ -b, a +-b, a - -b", "SELECT a+ -b, a +-b, a - -b"},
		{"SELECT a -/**/- b", "SELECT a - - b"},
		{"SELECT a--b\n", "SELECT a"},
		{"select X As \"Y\"", "select X As \"Y\""},
		{"SELECT 'open  ", "SELECT 'open  "},
		{"SELECT  1  abc", "SELECT 1 abc"},
		{"SELECT  1abc", "SELECT  1abc"},
	} {
		if got := string(Canonical(nil, c.sql)); got != c.want {
			t.Errorf("%q\n got %q\nwant %q", c.sql, got, c.want)
		}
	}
	if got := string(Canonical([]byte("key:"), " SELECT 'x")); got != "key: SELECT 'x" {
		t.Errorf("%q", got)
	}
	if got := string(CanonicalOptions(nil, `SELECT 'a\'  b'`, Options{BackslashEscapes: true})); got != `SELECT 'a\'  b'` {
		t.Errorf("%q", got)
	}
}

// seeds adds the statements of the tests to a fuzz target.
func seeds(f *testing.F) {
	data, err := os.ReadFile("testdata/ordinary.sql")
	if err != nil {
		f.Fatal(err)
	}
	for sql := range strings.SplitSeq(string(data), "\n\n") {
		f.Add(sql)
	}
	for _, sql := range []string{
		"SELECT 'a'\n'b' -- x", "E'\\''", "U&\"d!0061t\" UESCAPE '!'", "$a$ $b$ $a$", "/* /* */", "a+-b@-c--d\n*/", "1e5$1", "0x1F..2", "'\x00'", "\xff\xfe",
		"WITH a AS (DELETE FROM b RETURNING *) SELECT * FROM a", "CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN x THEN y END; END; SELECT 1",
		"BEGIN; SET LOCAL x TO y; COMMIT AND CHAIN", "DO $$ BEGIN EXECUTE 'x'; END $$", "SELECT * FROM ((((a JOIN b USING (c)))), ROWS FROM (f(x) AS (y int)) z",
		"/* mlcache: on, ttl=1s */ SELECT 1", "SELECT f(1), date(2) 'x'; SELECT (x).f(1) 'a'; ) 'a'; y[1].date(z)", "COPY (SELECT 1) TO STDOUT; TRUNCATE ONLY (a) CASCADE", "EXPLAIN (ANALYZE) MERGE INTO a USING b ON c WHEN MATCHED THEN DELETE",
	} {
		f.Add(sql)
	}
}

// FuzzCanonical: the canonical text has the same tokens, is its own canonical text,
// and is read as the same statement.
func FuzzCanonical(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, sql string) {
		canonical := string(Canonical(nil, sql))
		a, b := NewLexer(sql), NewLexer(canonical)
		for {
			x, y := a.Next(), b.Next()
			if x.Kind != y.Kind || x.Keyword != y.Keyword || sql[x.Start:x.End] != canonical[y.Start:y.End] {
				t.Fatalf("token %q became %q", sql[x.Start:x.End], canonical[y.Start:y.End])
			}
			if x.Kind == TokenEOF {
				break
			}
		}
		if again := string(Canonical(nil, canonical)); again != canonical {
			t.Fatalf("canonical of %q is %q", canonical, again)
		}
		if len(sql) > defaultMaxBytes {
			return
		}
		x, y := Parse(sql), Parse(canonical)
		x.Hint, y.Hint = Hint{}, Hint{}
		for _, p := range append(x.Parts, y.Parts...) {
			p.Hint = Hint{}
		}
		if !reflect.DeepEqual(x, y) {
			t.Fatalf("%q reads %+v\n%q reads %+v", sql, x, canonical, y)
		}
	})
}

// FuzzParse: nothing panics, what is said hangs together, and it is the same each time.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, sql string) {
		info := Parse(sql)
		if again := Parse(sql); !reflect.DeepEqual(info, again) {
			t.Fatalf("%+v\nthen %+v", info, again)
		}
		if info.Refusal == "" && (info.Kind != Read || info.Statements != 1 || info.WritesAll || len(info.Writes) > 0 || info.DDL) {
			t.Fatalf("may be kept: %+v", info)
		}
		if info.Refusal != "" && ReasonDoc(info.Refusal) == "" {
			t.Fatalf("unknown reason %q", info.Refusal)
		}
		if (info.Kind == Tx) != (info.TxOp != TxNone) && info.Statements == 1 {
			t.Fatalf("kind %s, transaction %q", info.Kind, info.TxOp)
		}
		for _, n := range info.Reads {
			if len(n.Name) > maxName || len(n.Schema) > maxName {
				t.Fatalf("name %q is not cut", n)
			}
		}
		ParseOptions(sql, Options{BackslashEscapes: true, MaxDepth: 3, MaxBytes: 10})
		for _, lang := range []string{"sql", "plpgsql", "c"} {
			if b := ParseBody(lang, sql); b == nil || b.Unknown && !b.WritesAll {
				t.Fatalf("body %+v", b)
			}
		}
	})
}
