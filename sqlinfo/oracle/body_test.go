package oracle

import (
	"slices"
	"strings"
	"testing"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/mlcache/mlcache/sqlinfo"
)

// bodyMaker writes the bodies of PL/pgSQL functions out of statements and
// expressions, and remembers those.
type bodyMaker struct {
	g      *generator
	pieces []string
}

// piece makes statements until the parser accepts one.
func (b *bodyMaker) piece(make func() string) string {
	for {
		b.g.depth = 2
		if s := make(); len(s) < 400 {
			if _, err := pgquery.Parse(s); err == nil {
				b.pieces = append(b.pieces, s)
				return s
			}
		}
	}
}

func (b *bodyMaker) query() string { return b.piece(b.g.query) }
func (b *bodyMaker) dml() string   { return b.piece(b.g.dml) }

func (b *bodyMaker) expr() string {
	return strings.TrimPrefix(b.piece(func() string { return "SELECT " + b.g.expr() }), "SELECT ")
}

func (b *bodyMaker) statement(depth int) string {
	n := 11
	if depth > 2 {
		n = 6
	}
	switch b.g.r.IntN(n) {
	case 0:
		return "v := " + b.expr() + ";"
	case 1:
		return b.dml() + ";"
	case 2:
		return "RETURN QUERY " + b.query() + ";"
	case 3:
		return "PERFORM " + b.expr() + ";"
	case 4:
		return "RAISE NOTICE 'DELETE FROM %', " + b.expr() + ";"
	case 5:
		return "NEW.update = " + b.expr() + ";"
	case 6:
		return "IF " + b.expr() + " THEN " + b.block(depth+1) + " ELSIF " + b.expr() + " THEN " + b.block(depth+1) + " ELSE " + b.block(depth+1) + " END IF;"
	case 7:
		return "<<loop>> FOR r IN " + b.query() + " LOOP " + b.block(depth+1) + " EXIT WHEN " + b.expr() + "; END LOOP;"
	case 8:
		return "WHILE " + b.expr() + " LOOP " + b.block(depth+1) + " END LOOP;"
	case 9:
		return "BEGIN " + b.block(depth+1) + " EXCEPTION WHEN unique_violation THEN " + b.block(depth+1) + " END;"
	}
	return "CASE WHEN " + b.expr() + " THEN " + b.block(depth+1) + " ELSE " + b.block(depth+1) + " END CASE;"
}

func (b *bodyMaker) block(depth int) string {
	var parts []string
	for range 1 + b.g.r.IntN(3) {
		parts = append(parts, b.statement(depth))
	}
	return strings.Join(parts, b.g.pick(" ", "\n", " -- EXECUTE\n", " /* EXECUTE */ "))
}

// TestBodies checks that what the pieces of a body read, write and call is found in
// the body.
func TestBodies(t *testing.T) {
	seed := seedOf(t)
	b := &bodyMaker{g: newGenerator(seed)}
	for range envInt("MLCACHE_MUTANTS", mutants) / 100 {
		b.pieces = nil
		text := "DECLARE v int := " + b.expr() + "; r t%ROWTYPE; c CURSOR FOR " + b.query() + "; BEGIN " + b.block(0) + " RETURN " + b.expr() + "; END"
		body := sqlinfo.ParseBody("plpgsql", text)
		if body.Unknown {
			if !body.WritesAll {
				t.Fatalf("unknown, and does not write everything\n%s", text)
			}
			if !strings.Contains(text, "execute") {
				t.Fatalf("not understood\n%s", text)
			}
			continue
		}
		for _, p := range b.pieces {
			tree, err := pgquery.Parse(p)
			if err != nil {
				t.Fatal(err)
			}
			want := find(p, tree)
			for _, n := range want.reads {
				if !holds(body.Reads, n) {
					t.Fatalf("missed read of %s\n%s\n%s", n, p, text)
				}
			}
			for _, n := range want.writes {
				if !holds(body.Writes, n) && !body.WritesAll {
					t.Fatalf("missed write of %s\n%s\n%s", n, p, text)
				}
			}
			for _, n := range want.funcs {
				if !holdsFunction(body.Funcs, n) {
					t.Fatalf("missed call of %s\n%s\n%s", n, p, text)
				}
			}
			for _, a := range want.attrs {
				if !slices.ContainsFunc(body.Attrs, func(n sqlinfo.Name) bool { return n.Name == a }) {
					t.Fatalf("missed attribute %s\n%s\n%s", a, p, text)
				}
			}
		}
	}
}
