package trial

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report is what a trial has found. Times are in microseconds.
type Report struct {
	Seconds float64 `json:"seconds"`
	// Run, Refused, Parameters, Failed and Late count the statements: those measured;
	// those that the cache does not keep; those with parameters; those that the
	// database refused; those for which there was no time. Hidden are those whose text
	// the user may not see.
	Run        int `json:"run"`
	Refused    int `json:"refused"`
	Parameters int `json:"parameters"`
	Failed     int `json:"failed"`
	Late       int `json:"late"`
	Hidden     int `json:"hidden"`
	// L1Hits, L2Hits and Misses are those of the cache as it is configured, while the
	// statements were repeated.
	L1Hits   uint64  `json:"l1_hits"`
	L2Hits   uint64  `json:"l2_hits"`
	Misses   uint64  `json:"misses"`
	HitRatio float64 `json:"hit_ratio"`
	// Levels are the latencies of all statements, by where the answer came from.
	Levels []LevelReport `json:"levels"`
	// Statements are in the order in which they were given.
	Statements []StatementReport `json:"statements"`
}

// LevelReport is a distribution of latencies.
type LevelReport struct {
	Level   Level    `json:"level"`
	Count   int64    `json:"count"`
	P50     float64  `json:"p50_us"`
	P90     float64  `json:"p90_us"`
	P99     float64  `json:"p99_us"`
	Max     float64  `json:"max_us"`
	Buckets []Bucket `json:"buckets,omitempty"`
}

// Bucket counts the latencies from From up to below To.
type Bucket struct {
	From  float64 `json:"from_us"`
	To    float64 `json:"to_us"`
	Count int64   `json:"count"`
}

// StatementReport is what was found of one statement.
type StatementReport struct {
	Text    string  `json:"text"`
	Calls   int64   `json:"calls,omitempty"`
	TotalMS float64 `json:"total_ms,omitempty"`
	Rows    int     `json:"rows"`
	// Skipped is nil for a statement that was measured.
	Skipped *Skipped      `json:"skipped,omitempty"`
	Levels  []LevelReport `json:"levels,omitempty"`
	// Ratio is the median at a level divided by that over pgx: below 1 is faster.
	Ratio map[Level]float64 `json:"ratio,omitempty"`
	// PaysFrom is the share of hits in memory from which on the cache saves time, 0 if a
	// miss costs nothing, and nil where a hit is no faster than the query.
	PaysFrom *float64 `json:"pays_from,omitempty"`
}

func (t *trial) report(l1, l2, misses uint64) *Report {
	r := &Report{Seconds: time.Since(t.began).Seconds(), L1Hits: l1, L2Hits: l2, Misses: misses}
	if n := l1 + l2 + misses; n > 0 {
		r.HitRatio = float64(l1+l2) / float64(n)
	}
	all := make(map[Level]*hdrhistogram.Histogram)
	for _, run := range t.runs {
		if run.skipped == nil && run.took[Origin] == nil {
			run.skipped = &Skipped{Reason: "time", Detail: "its turn did not come", Advice: "give --for more time"}
		}
		s := StatementReport{Text: run.Text, Calls: run.Calls, TotalMS: run.TotalMS, Rows: run.rows, Skipped: run.skipped}
		switch {
		case run.skipped == nil:
			r.Run++
			s.measured(run.took)
			for level, h := range run.took {
				if all[level] == nil {
					all[level] = newHistogram()
				}
				all[level].Merge(h)
			}
		case run.skipped.Reason == "parameters":
			r.Parameters++
		case run.skipped.Reason == "failed":
			r.Failed++
		case run.skipped.Reason == "time":
			r.Late++
		default:
			r.Refused++
		}
		r.Statements = append(r.Statements, s)
	}
	for _, level := range Levels {
		if h := all[level]; h != nil {
			l := levelReport(level, h)
			l.Buckets = buckets(h)
			r.Levels = append(r.Levels, l)
		}
	}
	return r
}

func (s *StatementReport) measured(took map[Level]*hdrhistogram.Histogram) {
	s.Ratio = make(map[Level]float64)
	median := make(map[Level]float64)
	for _, level := range Levels {
		h := took[level]
		if h == nil {
			continue
		}
		l := levelReport(level, h)
		s.Levels = append(s.Levels, l)
		median[level] = l.P50
		if level != Origin {
			s.Ratio[level] = l.P50 / median[Origin]
		}
	}
	hit, miss, origin := median[L1], median[Miss], median[Origin]
	if hit == 0 { // L1 is off
		hit = median[L2]
	}
	if hit > 0 && miss > 0 && hit < origin {
		// h hits of one in h·hit + (1-h)·miss = origin.
		share := max(0, (miss-origin)/(miss-hit))
		s.PaysFrom = &share
	}
}

func levelReport(level Level, h *hdrhistogram.Histogram) LevelReport {
	us := func(ns int64) float64 { return float64(ns) / 1000 }
	return LevelReport{
		Level: level, Count: h.TotalCount(), Max: us(h.Max()),
		P50: us(h.ValueAtQuantile(50)), P90: us(h.ValueAtQuantile(90)), P99: us(h.ValueAtQuantile(99)),
	}
}

// buckets divides by 1, 2, 5, 10, 20, 50 … microseconds; those at the ends that are
// empty are left out.
func buckets(h *hdrhistogram.Histogram) []Bucket {
	var out []Bucket
	from := 0.0
	bars := h.Distribution()
	i := 0
	for decade := 1.0; i < len(bars); decade *= 10 {
		for _, step := range []float64{1, 2, 5} {
			b := Bucket{From: from, To: step * decade}
			for ; i < len(bars) && float64(bars[i].To)/1000 < b.To; i++ {
				b.Count += bars[i].Count
			}
			from = b.To
			if b.Count > 0 || len(out) > 0 {
				out = append(out, b)
			}
		}
	}
	for len(out) > 0 && out[len(out)-1].Count == 0 {
		out = out[:len(out)-1]
	}
	return out
}
