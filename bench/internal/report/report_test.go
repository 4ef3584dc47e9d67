package report

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mlcache/mlcache/bench/internal/duel"
	"github.com/mlcache/mlcache/bench/internal/suite"
)

func example() Result {
	return Result{
		Case: suite.Case{
			Name: "L1 hit, 1 row", Against: "pgx direct", Unit: suite.Ratio,
			Limit: suite.Bound{Value: 1.0 / 15, Allocs: -1}, Aim: suite.Bound{Value: 1.0 / 25, Allocs: -1},
		},
		Outcome: suite.Outcome{
			Min: 0.03, Median: 0.05, Max: 0.9, Values: []float64{0.03, 0.05, 0.9},
			Subject:   duel.Cost{Time: 2500 * time.Nanosecond, Allocs: 12},
			Reference: duel.Cost{Time: 50 * time.Microsecond, Allocs: 10},
		},
		Verdict: suite.LimitMet,
	}
}

func TestLineSaysWhatWasMeasured(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	Line(&b, example())
	for _, want := range []string{"L1 hit, 1 row", "pgx direct", "1/33.3", "1/20", "0.90", "1/15", "1/25", "limit", "2500 ns : 50.0 us", "+2 allocs"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in %q", want, b.String())
		}
	}
	b.Reset()
	r := example()
	r.Err = errors.New("no server")
	Line(&b, r)
	if !strings.Contains(b.String(), "failed: no server") {
		t.Errorf("no failure in %q", b.String())
	}
}

func TestFileKeepsResults(t *testing.T) {
	t.Parallel()
	f := NewFile("15", "7", true)
	f.Add(example())
	failed := example()
	failed.Err = errors.New("no server")
	f.Add(failed)
	path := filepath.Join(t.TempDir(), "made", "latest.json")
	if err := f.WriteJSON(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got File
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Cases) != 2 || got.Cases[0].Verdict != suite.LimitMet || got.Cases[0].Outcome.Median != 0.05 {
		t.Errorf("read back %+v", got.Cases)
	}
	if got.Cases[1].Error != "no server" || got.Cases[1].Outcome != nil || got.Cases[1].Verdict != "" {
		t.Errorf("read back %+v of a failed case", got.Cases[1])
	}

	var text strings.Builder
	if err := f.WriteBenchmarks(&text); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	if len(lines) != 3 || lines[1] != "BenchmarkL1-hit-1-row/pgx-direct 1 0.05 times-the-reference-s-time" {
		t.Errorf("benchmarks: %q", lines)
	}
}
