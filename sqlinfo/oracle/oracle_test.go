package oracle

import (
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/mlcache/mlcache/sqlinfo"
)

// corpusSeed makes the corpus the same in every run.
const corpusSeed = 1

// corpusSize counts generated statements that the parser accepts.
const corpusSize = 6000

type parsed struct {
	sql  string
	tree *pgquery.ParseResult
}

// corpus gives the hand-written statements and the generated ones.
func corpus(t testing.TB) (all []parsed, made int) {
	odd, err := os.ReadFile("testdata/odd.sql")
	if err != nil {
		t.Fatal(err)
	}
	for text := range strings.SplitSeq(string(odd), "\n\n") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		tree, err := pgquery.Parse(text)
		if err != nil {
			t.Errorf("hand-written statement does not parse: %v\n%s", err, text)
			continue
		}
		all = append(all, parsed{text, tree})
	}
	hand := len(all)
	g := newGenerator(corpusSeed)
	for len(all)-hand < corpusSize {
		made++
		text := g.text()
		if tree, err := pgquery.Parse(text); err == nil {
			all = append(all, parsed{text, tree})
		}
	}
	return all, made
}

func TestCorpus(t *testing.T) {
	all, made := corpus(t)
	t.Logf("%d statements, of %d made", len(all), made)
	failed := 0
	for _, p := range all {
		if err := compare(p.sql, p.tree); err != nil {
			if failed++; failed <= 20 {
				t.Errorf("%v\n%s", err, p.sql)
			}
		}
	}
	if failed > 0 {
		t.Errorf("%d statements of %d failed", failed, len(all))
	}
}

// TestCanonical checks that the canonical text of a statement means the same.
func TestCanonical(t *testing.T) {
	all, _ := corpus(t)
	compared := 0
	for _, p := range all {
		want, err := pgquery.Deparse(p.tree)
		if err != nil {
			continue // newer than the deparser
		}
		canonical := string(sqlinfo.Canonical(nil, p.sql))
		tree, err := pgquery.Parse(canonical)
		if err != nil {
			t.Errorf("%v\n%s\n%s", err, p.sql, canonical)
			continue
		}
		if got, err := pgquery.Deparse(tree); err != nil || got != want {
			t.Errorf("%v\n%s\nis not\n%s", err, got, want)
		}
		compared++
	}
	if compared < len(all)/2 {
		t.Errorf("only %d of %d compared", compared, len(all))
	}
}

// mutants is how many texts TestMutants makes; MLCACHE_MUTANTS changes it.
const mutants = 200_000

// perStream is how many of them one stream of chance makes. Streams, not workers, are
// seeded: a seed gives the same texts however many processors there are.
const perStream = 1000

// TestMutants makes texts out of the corpus and compares those that the parser
// accepts; sqlinfo must get through the others as well. MLCACHE_SEED sets the seed, see
// seedOf.
func TestMutants(t *testing.T) {
	count, seed := envInt("MLCACHE_MUTANTS", mutants), seedOf(t)
	all, _ := corpus(t)
	texts := make([]string, len(all))
	for i := range all {
		texts[i] = all[i].sql
	}
	first := newMutator(texts)
	streams := int64((count + perStream - 1) / perStream)
	var next, accepted, failed atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for stream := next.Add(1) - 1; stream < streams; stream = next.Add(1) - 1 {
				m := first.seeded(seed, uint64(stream))
				for range perStream {
					text := m.text()
					tree, err := pgquery.Parse(text)
					if err != nil {
						sqlinfo.Parse(text)
						continue
					}
					accepted.Add(1)
					if err := compare(text, tree); err != nil && failed.Add(1) <= 20 {
						t.Errorf("%v\n%s\nin short\n%s", err, text, shrink(text, err))
					}
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d mutants, %d accepted by the parser, %d failed", streams*perStream, accepted.Load(), failed.Load())
	if accepted.Load() < streams*perStream/5 {
		t.Errorf("too few mutants were accepted to prove anything")
	}
}

// fixedSeed is the seed of a run that names no other.
const fixedSeed = 1

// seedOf gives the seed of a run and prints it: the number in MLCACHE_SEED, or a new
// one where that says "random", as make fuzz does. Without it the seed is always the same,
// so that a test turns red only by what a change has touched.
func seedOf(t *testing.T) uint64 {
	seed := uint64(fixedSeed)
	switch value := os.Getenv("MLCACHE_SEED"); value {
	case "":
	case "random":
		seed = rand.Uint64() >> 32
	default:
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			t.Fatalf(`MLCACHE_SEED: neither a number nor "random": %q`, value)
		}
		seed = n
	}
	t.Logf("MLCACHE_SEED=%d", seed)
	return seed
}

func envInt(name string, value int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return value
}

// FuzzOracle compares whatever the fuzzer comes up with, if the parser takes it.
func FuzzOracle(f *testing.F) {
	all, _ := corpus(f)
	for i, p := range all {
		if i < 400 {
			f.Add(p.sql)
		}
	}
	f.Fuzz(func(t *testing.T, sql string) {
		if len(sql) > maxText || nesting(sql) > maxNesting {
			t.Skip("the parser might overrun its stack")
		}
		if strings.IndexByte(sql, 0) >= 0 {
			t.Skip("to the parser the text ends at the NUL byte")
		}
		if err := compareLexers(sql); err != nil {
			t.Fatalf("%v\n%q", err, sql)
		}
		tree, err := pgquery.Parse(sql)
		if err != nil {
			sqlinfo.Parse(sql)
			return
		}
		if err := compare(sql, tree); err != nil {
			t.Fatalf("%v\n%s", err, sql)
		}
	})
}
