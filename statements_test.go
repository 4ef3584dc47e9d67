package mlcache

import (
	"fmt"
	"testing"

	"github.com/mlcache/mlcache/sqlinfo"
)

// Whoever sends ever new statements costs no more memory than the limit, and those
// that are called often stay.
func TestStatementsAreBounded(t *testing.T) {
	var s statements
	often := &plan{info: sqlinfo.Parse("SELECT often")}
	s.of(often, "SELECT often").misses.Add(100)
	for i := range 3 * maxStatements {
		s.of(&plan{}, fmt.Sprintf("SELECT c%d", i)).misses.Add(1)
	}
	if n := len(s.byText); n > maxStatements {
		t.Errorf("%d statements are kept", n)
	}
	if s.byText["SELECT often"] == nil {
		t.Error("the one with the most calls was forgotten")
	}
	// A plan whose statement was forgotten is counted again.
	gone := &plan{}
	first := s.of(gone, "SELECT gone")
	for i := range 2 * maxStatements {
		s.of(&plan{}, fmt.Sprintf("SELECT d%d", i)).misses.Add(1)
	}
	if !first.gone.Load() {
		t.Fatal("a statement without calls was not forgotten")
	}
	if again := s.of(gone, "SELECT gone"); again == first || s.byText["SELECT gone"] != again {
		t.Error("its plan still counts where nobody looks")
	}
}

func TestLostHitsAreBounded(t *testing.T) {
	var l lostHits
	for i := range 3 * maxCountedTables {
		l.add(fmt.Sprint("public.t", i))
	}
	if len(l.by) > maxCountedTables+1 || l.by[OtherTables] != 2*maxCountedTables {
		t.Errorf("%d tables, %d under %s", len(l.by), l.by[OtherTables], OtherTables)
	}
}
