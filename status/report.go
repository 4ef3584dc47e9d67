package status

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/latency"
)

// Report is what the page shows, and what ?format=json returns. Times are in
// nanoseconds, sizes in bytes; counts are since the start.
type Report struct {
	At          time.Time           `json:"at"`
	Namespace   string              `json:"namespace"`
	Mode        mlcache.Mode        `json:"mode"`
	Consistency mlcache.Consistency `json:"consistency"`

	HitRate  float64 `json:"hit_rate"`
	L1Hits   uint64  `json:"l1_hits"`
	L2Hits   uint64  `json:"l2_hits"`
	Misses   uint64  `json:"misses"`
	Shared   uint64  `json:"shared"`
	Bypasses uint64  `json:"bypasses"`

	// Levels has l1, l2 and origin, in this order.
	Levels []LevelReport `json:"levels"`
	// Reasons are those of bypasses, the most frequent first.
	Reasons []ReasonReport `json:"reasons"`

	L1Size      int64  `json:"l1_size"`
	L1Entries   int64  `json:"l1_entries"`
	L1Evictions uint64 `json:"l1_evictions"`

	// Redis is nil without one.
	Redis *RedisReport `json:"redis,omitempty"`

	// The statements with the most calls, with the most time saved and with the most bypasses:
	// at most MaxStatements each.
	ByCalls    []mlcache.StatementStats `json:"by_calls"`
	BySaved    []mlcache.StatementStats `json:"by_saved"`
	ByBypasses []mlcache.StatementStats `json:"by_bypasses"`

	// Tables are those that cost most, at most MaxTables.
	Tables        []mlcache.TableStats `json:"tables"`
	SchemaChanges uint64               `json:"schema_changes"`

	History []mlcache.Sample `json:"history"`
}

// The lengths of the lists of a Report.
const (
	MaxStatements = 15
	MaxTables     = 25
)

// LevelReport are the answers of one level.
type LevelReport struct {
	Level  mlcache.Level `json:"level"`
	Count  uint64        `json:"count"`
	Median time.Duration `json:"median_ns"`
	P95    time.Duration `json:"p95_ns"`
	P99    time.Duration `json:"p99_ns"`
}

// ReasonReport is how often the cache had no part in a query for one reason.
type ReasonReport struct {
	Reason mlcache.Reason `json:"reason"`
	Count  uint64         `json:"count"`
	Doc    string         `json:"doc"`
}

// RedisReport is the state of what carries invalidations.
type RedisReport struct {
	Breaker  string        `json:"breaker"`
	Live     bool          `json:"live"`
	Age      time.Duration `json:"age_ns"` // negative: never asked
	Bound    time.Duration `json:"bound_ns"`
	Sent     uint64        `json:"sent"`
	Received uint64        `json:"received"`
	// Queued counts the tables of whose change Redis has yet to be told; -1 stands for everything.
	Queued      int           `json:"queued"`
	OpenFences  int           `json:"open_fences"`
	Quarantine  time.Duration `json:"quarantine_ns"`
	Epochs      uint64        `json:"epochs"`
	Resyncs     uint64        `json:"resyncs"`
	Messages    uint64        `json:"messages"`
	Gaps        uint64        `json:"gaps"`
	Propagation time.Duration `json:"propagation_median_ns"`
	// LateReleases and FenceErrors are as in mlcache.Stats.
	LateReleases uint64 `json:"late_releases"`
	FenceErrors  uint64 `json:"fence_errors"`
}

// NewReport reads the figures of a cache.
func NewReport(handle *mlcache.Handle) *Report {
	s := handle.Stats()
	r := &Report{
		At: time.Now(), Namespace: s.Namespace, Mode: s.Mode, Consistency: s.Consistency,
		HitRate: s.HitRate(), L1Hits: s.L1Hits, L2Hits: s.L2Hits, Misses: s.Misses, Shared: s.Shared, Bypasses: s.Bypasses,
		L1Size: s.L1Size, L1Entries: s.L1Entries, L1Evictions: s.L1Evictions,
		Levels: []LevelReport{
			level(mlcache.LevelL1, s.L1Hits, s.Latency.L1),
			level(mlcache.LevelL2, s.L2Hits, s.Latency.L2),
			level(mlcache.LevelOrigin, s.Misses, s.Latency.Origin),
		},
		Reasons: sortedReasons(s.Reasons), SchemaChanges: s.SchemaChanges,
		Tables: head(append([]mlcache.TableStats{}, s.Tables...), MaxTables), History: handle.History(),
	}
	if s.Breaker != "" {
		v := s.Versions
		r.Redis = &RedisReport{
			Breaker: s.Breaker, Live: s.Live, Age: v.Age, Bound: s.MaxStaleness, Sent: v.BytesSent, Received: v.BytesGot,
			Queued: v.Queued, OpenFences: v.OpenFences, Quarantine: v.Quarantine, Epochs: v.Epochs, Resyncs: v.Resyncs,
			Messages: v.Messages, Gaps: v.Gaps, Propagation: v.Propagation.Quantile(0.5),
			LateReleases: s.LateReleases, FenceErrors: s.FenceErrors,
		}
	}
	all := handle.Statements()
	r.ByCalls = head(slices.Clone(all), MaxStatements)
	r.BySaved = top(all, func(s mlcache.StatementStats) int64 { return int64(s.Saved) })
	r.ByBypasses = top(all, func(s mlcache.StatementStats) int64 { return int64(s.Bypasses) })
	return r
}

// sortedReasons puts the most frequent first.
func sortedReasons(counts map[mlcache.Reason]uint64) []ReasonReport {
	out := []ReasonReport{}
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, ReasonReport{reason, counts[reason], mlcache.ReasonDoc(reason)})
	}
	slices.SortStableFunc(out, func(a, b ReasonReport) int { return cmp.Compare(b.Count, a.Count) })
	return out
}

func level(name mlcache.Level, count uint64, s latency.Snapshot) LevelReport {
	return LevelReport{name, count, s.Quantile(0.5), s.Quantile(0.95), s.Quantile(0.99)}
}

// top returns the statements with the largest figure, none whose figure is 0.
func top(all []mlcache.StatementStats, figure func(mlcache.StatementStats) int64) []mlcache.StatementStats {
	out := []mlcache.StatementStats{}
	for _, s := range all {
		if figure(s) > 0 {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b mlcache.StatementStats) int { return cmp.Compare(figure(b), figure(a)) })
	return head(out, MaxStatements)
}

func head[T any](list []T, n int) []T { return list[:min(n, len(list))] }
