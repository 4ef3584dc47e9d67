package trial

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/HdrHistogram/hdrhistogram-go"
)

func TestReadStatements(t *testing.T) {
	list, err := ReadStatements(strings.NewReader("-- first\nSELECT 1; SELECT ';' || $$;$$ -- ;\n;;\n /* ; */ SELECT 1;\nSELECT 'open ;"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"SELECT 1", "SELECT ';' || $$;$$", "SELECT 'open ;"}
	if len(list) != len(want) {
		t.Fatalf("%+v", list)
	}
	for i, s := range list {
		if s.Text != want[i] {
			t.Errorf("%d: %q, want %q", i, s.Text, want[i])
		}
	}
	if _, err := ReadStatements(strings.NewReader(strings.Repeat(" ", MaxFile+1))); err == nil {
		t.Error("any size is read")
	}
	var many strings.Builder
	for i := range MaxStatements + 1 {
		many.WriteString("SELECT ")
		many.WriteString(strings.Repeat("1", 1+i%7))
		many.WriteString(strings.Repeat("2", i/7))
		many.WriteString(";")
		if many.Len() > MaxFile {
			t.Fatal("the test makes too much")
		}
	}
	if _, err := ReadStatements(strings.NewReader(many.String())); err == nil {
		t.Error("any number is read")
	}
}

func TestBucketsAndBars(t *testing.T) {
	h := newHistogram()
	for _, d := range []time.Duration{1500, 1600, 30_000, 40_000, 41_000, 3_000_000} { // nanoseconds
		if err := h.RecordValue(int64(d)); err != nil {
			t.Fatal(err)
		}
	}
	counts := map[float64]int64{1: 2, 20: 3, 2000: 1} // by the lower end
	var sum int64
	for _, b := range buckets(h) {
		if b.Count != counts[b.From] {
			t.Errorf("%+v, want %d", b, counts[b.From])
		}
		sum += b.Count
	}
	if sum != h.TotalCount() {
		t.Errorf("%d of %d are in buckets", sum, h.TotalCount())
	}
	for share, want := range map[float64]int{0: 0, 1e-9: 1, 0.5: 25, 1: 50} {
		if got := utf8.RuneCountInString(bar(share)); got != want {
			t.Errorf("bar(%v) has %d columns, want %d", share, got, want)
		}
	}
}

// A hit that takes a tenth and a miss that takes one and a half times as long save time
// from 0.5/1.4 hits on.
func TestPaysFrom(t *testing.T) {
	took := make(map[Level]*hdrhistogram.Histogram)
	for level, us := range map[Level]int64{Origin: 1000, L1: 100, Miss: 1500} {
		took[level] = newHistogram()
		_ = took[level].RecordValue(us * 1000)
	}
	var s StatementReport
	s.measured(took)
	if s.PaysFrom == nil || *s.PaysFrom < 0.35 || *s.PaysFrom > 0.36 {
		t.Errorf("pays from %v", s.PaysFrom)
	}
	delete(took, L1)
	took[L2] = newHistogram()
	_ = took[L2].RecordValue(1_100_000)
	s = StatementReport{}
	s.measured(took)
	if s.PaysFrom != nil {
		t.Errorf("a hit that is slower pays from %v", *s.PaysFrom)
	}
}

func TestTextsCannotPlayWithTheTerminal(t *testing.T) {
	if got := oneLine("SELECT\n '\x1b[2J\u202e' -- c"); got != "SELECT '?[2J?'" {
		t.Errorf("%q", got)
	}
	if got := oneLine(strings.Repeat("é", 100)); utf8.RuneCountInString(got) != 60 {
		t.Errorf("%q", got)
	}
}
