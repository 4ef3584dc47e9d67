package oracle

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/mlcache/mlcache/sqlinfo"
)

// scanned gives the parser's tokens without comments.
func scanned(sql string) ([]*pgquery.ScanToken, error) {
	r, err := pgquery.Scan(sql)
	if err != nil {
		return nil, err
	}
	var out []*pgquery.ScanToken
	for _, t := range r.GetTokens() {
		if t.GetToken() != pgquery.Token_SQL_COMMENT && t.GetToken() != pgquery.Token_C_COMMENT {
			out = append(out, t)
		}
	}
	return out, nil
}

// tokenKind translates the parser's kinds of tokens.
func tokenKind(t *pgquery.ScanToken) sqlinfo.TokenKind {
	switch t.GetToken() {
	case pgquery.Token_SCONST:
		return sqlinfo.TokenString
	case pgquery.Token_USCONST:
		return sqlinfo.TokenUnicodeString
	case pgquery.Token_UIDENT:
		return sqlinfo.TokenUnicodeIdent
	case pgquery.Token_BCONST:
		return sqlinfo.TokenBitString
	case pgquery.Token_XCONST:
		return sqlinfo.TokenHexString
	case pgquery.Token_ICONST:
		return sqlinfo.TokenInteger
	case pgquery.Token_FCONST:
		return sqlinfo.TokenFloat
	case pgquery.Token_PARAM:
		return sqlinfo.TokenParam
	case pgquery.Token_TYPECAST:
		return sqlinfo.TokenTypecast
	case pgquery.Token_DOT_DOT:
		return sqlinfo.TokenDotDot
	case pgquery.Token_COLON_EQUALS:
		return sqlinfo.TokenColonEquals
	case pgquery.Token_EQUALS_GREATER:
		return sqlinfo.TokenEqualsGreater
	case pgquery.Token_Op, pgquery.Token_LESS_EQUALS, pgquery.Token_GREATER_EQUALS, pgquery.Token_NOT_EQUALS,
		pgquery.Token_ASCII_37, pgquery.Token_ASCII_42, pgquery.Token_ASCII_43, pgquery.Token_ASCII_45,
		pgquery.Token_ASCII_47, pgquery.Token_ASCII_60, pgquery.Token_ASCII_61, pgquery.Token_ASCII_62,
		pgquery.Token_ASCII_94, pgquery.Token_ASCII_63:
		return sqlinfo.TokenOperator
	case pgquery.Token_ASCII_40, pgquery.Token_ASCII_41, pgquery.Token_ASCII_44, pgquery.Token_ASCII_46,
		pgquery.Token_ASCII_58, pgquery.Token_ASCII_59, pgquery.Token_ASCII_91, pgquery.Token_ASCII_93:
		return sqlinfo.TokenPunct
	}
	return sqlinfo.TokenIdent
}

// sameTokens compares both lexers on a text that the parser's lexes.
func sameTokens(sql string, want []*pgquery.ScanToken) error {
	lx := sqlinfo.NewLexer(sql)
	for i, w := range want {
		got := lx.Next()
		text := sql[got.Start:got.End]
		if got.Kind == sqlinfo.TokenError && w.GetToken() < 128 && tokenKind(w) == sqlinfo.TokenIdent {
			return nil // a character by itself, which the grammar has no use for
		}
		if got.Kind == sqlinfo.TokenJunk && text[0] == '$' {
			return nil // $1x: refused by PostgreSQL since 15, not by this build of its scanner
		}
		quoted := got.Kind == sqlinfo.TokenError || got.Kind >= sqlinfo.TokenString && got.Kind <= sqlinfo.TokenHexString
		if quoted && strings.Contains(text, "--") {
			return nil // pg_query's scanner, changed to report comments, does not continue a string past one
		}
		if int(w.GetStart()) != got.Start || int(w.GetEnd()) != got.End {
			return fmt.Errorf("token %d: want %s %q, got %q", i, w.GetToken(), sql[w.GetStart():w.GetEnd()], text)
		}
		kind := got.Kind
		if kind == sqlinfo.TokenInteger && w.GetToken() == pgquery.Token_FCONST {
			continue // too large for int4
		}
		switch kind {
		case sqlinfo.TokenQuotedIdent, sqlinfo.TokenNational:
			kind = sqlinfo.TokenIdent
		case sqlinfo.TokenEscapeString, sqlinfo.TokenDollarString:
			kind = sqlinfo.TokenString
		}
		if want := tokenKind(w); kind != want {
			return fmt.Errorf("token %d, %q: kind %d, not %d (%s)", i, text, kind, want, w.GetToken())
		}
		if kind == sqlinfo.TokenIdent && got.Kind != sqlinfo.TokenNational {
			if reserved := w.GetKeywordKind() == pgquery.KeywordKind_RESERVED_KEYWORD; reserved != got.Keyword.Reserved() && text != "system_user" {
				return fmt.Errorf("token %d, %q: reserved %v", i, text, got.Keyword.Reserved())
			}
			if kw := w.GetKeywordKind() != pgquery.KeywordKind_NO_KEYWORD; kw != (got.Keyword != 0) {
				return fmt.Errorf("token %d, %q: keyword %v", i, text, got.Keyword != 0)
			}
		}
	}
	if t := lx.Next(); t.Kind != sqlinfo.TokenEOF {
		return fmt.Errorf("one token more: %q", sql[t.Start:t.End])
	}
	return nil
}

// ours gives the first kind of trouble that sqlinfo's lexer has with a text.
func ours(sql string) sqlinfo.TokenKind {
	for lx := sqlinfo.NewLexer(sql); ; {
		switch t := lx.Next(); t.Kind {
		case sqlinfo.TokenEOF, sqlinfo.TokenError, sqlinfo.TokenJunk:
			return t.Kind
		}
	}
}

// compareLexers holds both lexers to the same tokens and the same refusals.
func compareLexers(sql string) error {
	want, err := scanned(sql)
	if err == nil {
		return sameTokens(sql, want)
	}
	if ours(sql) == sqlinfo.TokenEOF && !strings.Contains(err.Error(), "invalid Unicode") &&
		!strings.Contains(err.Error(), "invalid byte sequence") && !strings.Contains(err.Error(), "out of range") {
		return fmt.Errorf("PostgreSQL does not lex it: %w", err)
	}
	return nil
}

func TestLexerOnCorpus(t *testing.T) {
	all, _ := corpus(t)
	for _, p := range all {
		if err := compareLexers(p.sql); err != nil {
			t.Errorf("%v\n%s", err, p.sql)
		}
	}
}

// Pieces that lexers get wrong when they meet.
var pieces = []string{
	"'", "''", "\"", "\"\"", "a", "A$1", "é", "e'", "E'\\", "b'", "X'", "n'", "N'x'", "u&'", "U&\"", "u&", "$", "$$", "$a$", "$1", "$12",
	"--", "-- x\n", "/*", "*/", "/*/", "/* a */", "\n", " ", "\t", "\r", "\f", "+", "-", "*", "/", "<", ">", "=", "~", "!", "@", "#", "%", "^", "&", "|", "`",
	"?", "<=", ">=", "<>", "!=", "=>", ":=", "::", ":", "..", ".", ",", ";", "(", ")", "[", "]", "1", "0", "00", "1.", ".5", "1e", "1e5", "1E-3", "0x", "0xF", "0o7",
	"0b1", "0o8", "1_0", "_", "1__0", "123abc", "select", "Select", "\\", "\\'", "x\\", "uescape", "\n'", "'\n'", "' \n -- c\n 'b'", "{", "=-", "+@", "@-", "*-", "<-", "-@-",
}

// TestLexerOnPieces compares the lexers on texts made of such pieces. MLCACHE_SEED sets
// the seed, see seedOf.
func TestLexerOnPieces(t *testing.T) {
	seed := seedOf(t)
	r := rand.New(rand.NewPCG(seed, 1))
	lexed := 0
	for range envInt("MLCACHE_MUTANTS", mutants) {
		var b strings.Builder
		for range 1 + r.IntN(8) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		sql := b.String()
		if err := compareLexers(sql); err != nil {
			t.Fatalf("%v\n%q", err, sql)
		}
		if ours(sql) == sqlinfo.TokenEOF {
			lexed++
		}
	}
	t.Logf("%d lexed", lexed)
}
