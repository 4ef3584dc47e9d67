package catalog

import (
	"fmt"
	"testing"
	"time"
)

// The bounds hold for schemas of any size and shape, and within seconds.
func bounded(t *testing.T, s *Snapshot, sql string) Closure {
	t.Helper()
	start := time.Now()
	c := resolveIn(s, sql)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("%s took %s", sql, took)
	}
	if len(c.Reads) > maxDeps || len(c.Writes) > maxDeps {
		t.Errorf("%s: %d reads, %d writes", sql, len(c.Reads), len(c.Writes))
	}
	return c
}

func TestBoundOfTables(t *testing.T) {
	t.Parallel()
	s := newSchema()
	hub := s.table("hub")
	uses := make([]int, 0, maxDeps+1)
	for i := range maxDeps + 1 {
		child := s.table(fmt.Sprintf("t%d", i))
		uses = append(uses, child)
		s.key("k", child, hub, "c", "a")
	}
	s.view("few", "SELECT 1", uses[:maxDeps]...)
	s.view("many", "SELECT 1", uses...)
	snap := s.snapshot()
	if c := bounded(t, snap, "SELECT * FROM few"); c.Refusal != "" || len(c.Reads) != maxDeps {
		t.Errorf("%d tables are refused: %q", maxDeps, c.Refusal)
	}
	if c := bounded(t, snap, "SELECT * FROM many"); c.Refusal != ReasonClosure {
		t.Errorf("%d tables: refusal %q", maxDeps+1, c.Refusal)
	}
	if c := bounded(t, snap, "DELETE FROM hub"); !c.WritesAll {
		t.Error("a cascade to more tables than are kept track of does not count as a write to everything")
	}
}

func TestBoundOfDepth(t *testing.T) {
	t.Parallel()
	s := newSchema()
	last := s.table("base")
	for i := range 2 * maxVisits {
		last = s.view(fmt.Sprintf("v%d", i), "SELECT 1", last)
	}
	snap := s.snapshot()
	if c := bounded(t, snap, "SELECT * FROM v100"); c.Refusal != "" || len(c.Reads) != 1 || len(c.Reads[0].Via) != 101 {
		t.Errorf("100 views deep: %q, %d reads", c.Refusal, len(c.Reads))
	}
	if c := bounded(t, snap, fmt.Sprintf("SELECT * FROM v%d", 2*maxVisits-1)); c.Refusal != ReasonClosure || !c.WritesAll {
		t.Errorf("beyond the bound: %+v", c)
	}
}

// A partitioned table of any width is one scope to read and one to write.
func TestManyPartitions(t *testing.T) {
	t.Parallel()
	s := newSchema()
	root := s.relation("root", "p")
	s.table("fired")
	for i := range 2 * maxVisits {
		s.inherits(s.table(fmt.Sprintf("p%d", i)), root)
	}
	last := s.b.relations[oid(s.next)]
	s.trigger("t", int(last.oid), s.function("f", "v", "plpgsql", "BEGIN INSERT INTO fired VALUES (1); RETURN NULL; END"), onInsert)
	snap := s.snapshot()
	if c := bounded(t, snap, "SELECT * FROM root"); c.Refusal != "" || scopesOf(c.Reads) != "public.root" {
		t.Errorf("reading: %+v", c)
	}
	if c := bounded(t, snap, "SELECT * FROM p77"); c.Refusal != "" || scopesOf(c.Reads) != "public.p77 public.root" {
		t.Errorf("reading a partition: %+v", c)
	}
	if c := bounded(t, snap, "INSERT INTO root VALUES (1)"); c.WritesAll || scopesOf(c.Writes) != "public.fired public.root" {
		t.Errorf("writing: %+v", c)
	}
}
