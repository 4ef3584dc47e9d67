package sqlinfo

import (
	"fmt"
	"strings"
	"testing"
)

var kindLetters = map[TokenKind]string{
	TokenError: "ERROR", TokenJunk: "JUNK", TokenIdent: "id", TokenQuotedIdent: "qid", TokenUnicodeIdent: "uid",
	TokenString: "str", TokenEscapeString: "estr", TokenUnicodeString: "ustr", TokenDollarString: "dstr",
	TokenBitString: "bit", TokenHexString: "hex", TokenNational: "N", TokenInteger: "int", TokenFloat: "float",
	TokenParam: "param", TokenOperator: "op", TokenPunct: "p", TokenTypecast: "cast", TokenDotDot: "dotdot",
	TokenColonEquals: "assign", TokenEqualsGreater: "arrow",
}

func lexAll(lx *Lexer, text string) string {
	var out []string
	for {
		t := lx.Next()
		if t.Kind == TokenEOF {
			return strings.Join(out, " ")
		}
		out = append(out, fmt.Sprintf("%s<%s>", kindLetters[t.Kind], text[t.Start:t.End]))
	}
}

func TestLexer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"a B1$ _x éa \"Q\"\"q\"", `id<a> id<B1$> id<_x> id<éa> qid<"Q""q">`},
		{"/* a /* b */ c */ x -- y\nz", "id<x> id<z>"},
		{"/* open", "ERROR</* open>"},
		{"/**/x/***/", "id<x>"},
		{"'a''b' 'c'", "str<'a''b'> str<'c'>"},
		{"'a'\n 'b'", "str<'a'\n 'b'>"},
		{"'a' -- c\n'b'", "str<'a' -- c\n'b'>"},
		{"'a' /* c */\n'b'", "str<'a'> str<'b'>"},
		{"'a' 'b'", "str<'a'> str<'b'>"},
		{`'a\' b`, `str<'a\'> id<b>`},
		{`E'a\'b' e'c\\'`, `estr<E'a\'b'> estr<e'c\\'>`},
		{`E'a\`, `ERROR<E'a\>`},
		{"E'a\\''\n'\\'b'", "estr<E'a\\''\n'\\'b'>"},
		{`U&'a\' U&"d" u & x`, `ustr<U&'a\'> uid<U&"d"> id<u> op<&> id<x>`},
		{"b'01' X'f' n'x' b'1''", "bit<b'01'> hex<X'f'> N<n> str<'x'> bit<b'1'> ERROR<'>"},
		{"$$a$b$$ $a$b$$c$a$ $1 $12x", "dstr<$$a$b$$> dstr<$a$b$$c$a$> param<$1> JUNK<$12x>"},
		{"a$b$c $é$x$é$", "id<a$b$c> dstr<$é$x$é$>"},
		{"$a", "ERROR<$a>"},
		{"1 1.5 .5 5. 1e5 1.e-3 1..2 1.2.3", "int<1> float<1.5> float<.5> float<5.> float<1e5> float<1.e-3> int<1> dotdot<..> int<2> float<1.2> float<.3>"},
		{"0x1F 0o17 0b11 1_000 1_0.0_1 0x_1", "int<0x1F> int<0o17> int<0b11> int<1_000> float<1_0.0_1> int<0x_1>"},
		{"1e", "JUNK<1e>"}, {"1a", "JUNK<1a>"}, {"0x", "JUNK<0x>"}, {"0o8", "JUNK<0o8>"}, {"1_", "JUNK<1_>"}, {"1__0", "JUNK<1__0>"}, {"1e5$1", "JUNK<1e5$1>"},
		{"a+-b", "id<a> op<+> op<-> id<b>"},
		{"a@-b", "id<a> op<@-> id<b>"},
		{"a<-b", "id<a> op<<> op<-> id<b>"},
		{"a*--b\n+/*c*/-d", "id<a> op<*> op<+> op<-> id<d>"},
		{"a<=b>=c<>d!=e=>f:=g::h:i", "id<a> op<<=> id<b> op<>=> id<c> op<<>> id<d> op<!=> id<e> arrow<=>> id<f> assign<:=> id<g> cast<::> id<h> p<:> id<i>"},
		{"a->>'b'#>>$1?|c", "id<a> op<->>> str<'b'> op<#>>> param<$1> op<?|> id<c>"},
		{"(a,[b].c;)", "p<(> id<a> p<,> p<[> id<b> p<]> p<.> id<c> p<;> p<)>"},
		{strings.Repeat("@", 64), "ERROR<" + strings.Repeat("@", 64) + ">"},
		{`""`, `ERROR<"">`}, {"\"a\x00\"", "ERROR<\"a\x00\">"}, {"\x00", "ERROR<\x00>"}, {"a{b", "id<a> ERROR<{b>"},
	} {
		if got := lexAll(NewLexer(c.text), c.text); got != c.want {
			t.Errorf("%q\n got %s\nwant %s", c.text, got, c.want)
		}
	}
	lx := NewLexer(`'a\'b'`)
	lx.BackslashEscapes = true
	if got := lexAll(lx, `'a\'b'`); got != `estr<'a\'b'>` {
		t.Error(got)
	}
}

func TestKeywords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		word  string
		class Keyword
	}{
		{"SELECT", classReserved}, {"Left", classTypeFunc}, {"coalesce", classColName}, {"update", classUnreserved},
		{"users", classNone}, {"system_user", classUnreserved}, {"current_timestamp", classReserved}, {"é", classNone},
	} {
		if got := lookupKeyword(c.word).class(); got != c.class {
			t.Errorf("%s: class %d", c.word, got>>12)
		}
	}
	// The list of words must be in the order of their constants.
	for word, k := range map[string]Keyword{"abort": kwAbort, "select": kwSelect, "zone": kwZone, "materialized": kwMaterialized} {
		if lookupKeyword(word).word() != k {
			t.Errorf("%s is not itself", word)
		}
	}
}

func TestStringValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tok, want string
		ok        bool
	}{
		{`'a''b'`, `a'b`, true}, {"'a'\n\t'b''c'", `ab'c`, true}, {`'a\n'`, `a\n`, true}, {`''`, ``, true}, {`''''`, `'`, true},
		{`E'\a\n\t\\\'\x41\101\u0042\U00000043'`, "a\n\t\\'AABC", true}, {`E'\xg'`, `xg`, true}, {"E'a\\''\n'b'", `a'b`, true},
		{`E'\ud83d\ude00'`, "😀", true}, {`E'\ud83d'`, "", false}, {`E'\u12'`, "", false}, {`E'\udead'`, "", false},
		{`U&'\0041\+000042\\''x'`, `AB\'x`, true}, {`U&'\00'`, "", false}, {`U&'\d83d\de00'`, "😀", true}, {`U&'\d83d'`, "", false},
		{`$$a'b$$`, `a'b`, true}, {`$x$$$$x$`, `$$`, true},
	} {
		tok := NewLexer(c.tok).Next()
		if tok.End != len(c.tok) {
			t.Fatalf("%s is not one token", c.tok)
		}
		got, ok := stringValue(tok.Kind, c.tok)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%s: %q %v", c.tok, got, ok)
		}
	}
}

func TestSpecialDate(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"now": true, " NOW ": true, "today 10:00": true, "{2020-01-01,Tomorrow}": true, "[yesterday,)": true, `{"at":"now"}`: true, "1now2": true,
		"%now%": true, "know": false, "nowhere": false, "": false, "epoch": false, "infinity": false, "allballs": false, "2020-01-01": false, "to day": false,
	} {
		if SpecialDate(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

func TestNameString(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name Name
		want string
	}{
		{Name{Name: "a"}, `a`}, {Name{Schema: "S", Name: "a.b"}, `"S"."a.b"`}, {Name{Catalog: "c", Schema: "s", Name: `x"y`}, `c.s."x""y"`}, {Name{Name: "1"}, `"1"`},
	} {
		if got := c.name.String(); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// TestFunctionLists checks that no function stands among the safe and among the
// unsafe ones.
func TestFunctionLists(t *testing.T) {
	t.Parallel()
	for name := range safeFunctions {
		if r := unsafeReasons[name]; r != "" {
			t.Errorf("%s is safe and %s", name, r)
		}
		if !WritesNothing(name) {
			t.Errorf("%s is safe and writes", name)
		}
	}
	for name, want := range map[string]bool{"now": true, "nextval": true, "pg_sleep": true, "query_to_xml": false, "ts_stat": false, "f": false} {
		if WritesNothing(name) != want {
			t.Errorf("WritesNothing(%s) = %v", name, !want)
		}
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	seen := map[Reason]bool{}
	for _, r := range Reasons() {
		if r == "" || ReasonDoc(r) == "" || seen[r] {
			t.Errorf("reason %q: doc %q, twice %v", r, ReasonDoc(r), seen[r])
		}
		seen[r] = true
	}
	if ReasonDoc("other") != "" {
		t.Error("a reason that is not of this package has a doc")
	}
}
