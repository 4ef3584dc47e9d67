package suite

import (
	"testing"

	"github.com/mlcache/mlcache/bench/internal/duel"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	ratio := Case{Unit: Ratio, Limit: Bound{2, 6}, Aim: Bound{1.5, 3}}
	through := Case{Unit: Throughput, Limit: bound(3.5), Aim: bound(6)}
	for _, c := range []struct {
		name    string
		of      Case
		median  float64
		allocs  float64
		verdict Verdict
	}{
		{"at the aim", ratio, 1.5, 3, AimMet},
		{"time over the aim", ratio, 1.51, 3, LimitMet},
		{"allocations over the aim", ratio, 1, 4, LimitMet},
		{"time over the limit", ratio, 2.01, 0, Over},
		{"allocations over the limit", ratio, 1, 7, Over},
		{"throughput at the aim", through, 6, 99, AimMet},
		{"throughput at the limit", through, 3.5, 0, LimitMet},
		{"throughput under the limit", through, 3.4, 0, Over},
	} {
		o := Outcome{Median: c.median, Subject: duel.Cost{Allocs: 10.2 + c.allocs}, Reference: duel.Cost{Allocs: 9.9}}
		if got := c.of.Judge(o); got != c.verdict {
			t.Errorf("%s: %s, want %s", c.name, got, c.verdict)
		}
	}
}

// Every case needs a limit that its aim is within.
func TestCasesHaveBounds(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range Cases() {
		if key := c.Name + ": " + c.Against; seen[key] {
			t.Errorf("%s: twice", key)
		} else {
			seen[key] = true
		}
		at := func(b Bound) Outcome { return Outcome{Median: b.Value} }
		if c.Judge(at(c.Aim)) != AimMet || !c.keeps(c.Limit, at(c.Aim)) {
			t.Errorf("%s: the aim is not within the limit", c.Name)
		}
		if c.Judge(at(c.Limit)) != LimitMet {
			t.Errorf("%s: the limit is not worse than the aim", c.Name)
		}
		if c.Measure == nil {
			t.Errorf("%s: no measure", c.Name)
		}
	}
}
