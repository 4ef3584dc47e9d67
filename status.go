package mlcache

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/mlcache/mlcache/internal/statuspage"
	"github.com/mlcache/mlcache/latency"
)

// Status is what an operator wants to see of a cache: what the page of [Handle.Handler]
// shows, and what it returns at ?format=json. Times are in nanoseconds, sizes in
// bytes; counts are as in [Stats].
type Status struct {
	// At is when the figures were read.
	At time.Time `json:"at"`
	// Namespace, Mode and Consistency are those of the Config.
	Namespace   string      `json:"namespace"`
	Mode        Mode        `json:"mode"`
	Consistency Consistency `json:"consistency"`

	// These are as in Stats, HitRate between 0 and 1.
	HitRate  float64 `json:"hit_rate"`
	L1Hits   uint64  `json:"l1_hits"`
	L2Hits   uint64  `json:"l2_hits"`
	Misses   uint64  `json:"misses"`
	Shared   uint64  `json:"shared"`
	Bypasses uint64  `json:"bypasses"`

	// Levels has l1, l2 and origin, in this order.
	Levels []LevelStatus `json:"levels"`
	// Reasons are those of bypasses, the most frequent first.
	Reasons []ReasonStatus `json:"reasons"`

	// These are as in Stats.
	L1Size      int64  `json:"l1_size"`
	L1Entries   int64  `json:"l1_entries"`
	L1Evictions uint64 `json:"l1_evictions"`

	// Redis is nil without one.
	Redis *RedisStatus `json:"redis,omitempty"`

	// The statements with the most calls, with the most time saved and with the most bypasses:
	// at most 15 each.
	ByCalls    []StatementStats `json:"by_calls"`
	BySaved    []StatementStats `json:"by_saved"`
	ByBypasses []StatementStats `json:"by_bypasses"`

	// Tables are those that cost most, at most 25.
	Tables []TableStats `json:"tables"`
	// SchemaChanges is as in Stats.
	SchemaChanges uint64 `json:"schema_changes"`

	// History is what Handle.History gives.
	History []Sample `json:"history"`
}

// The lengths of the lists of a Status.
const (
	statusStatements = 15
	statusTables     = 25
)

// LevelStatus are the answers of one level.
type LevelStatus struct {
	// Level is who answered, Count how often.
	Level Level  `json:"level"`
	Count uint64 `json:"count"`
	// Median, P95 and P99 are how long callers waited, 0 before anybody has.
	Median time.Duration `json:"median_ns"`
	P95    time.Duration `json:"p95_ns"`
	P99    time.Duration `json:"p99_ns"`
}

// ReasonStatus is how often the cache had no part in a query for one reason.
type ReasonStatus struct {
	// Reason is as in Stats.Reasons, Count how often, and Doc what ReasonDoc says of it.
	Reason Reason `json:"reason"`
	Count  uint64 `json:"count"`
	Doc    string `json:"doc"`
}

// RedisStatus is the state of what carries invalidations.
type RedisStatus struct {
	// Breaker and Live are as in Stats, and Bound is its MaxStaleness.
	Breaker string        `json:"breaker"`
	Live    bool          `json:"live"`
	Bound   time.Duration `json:"bound_ns"`
	// Age is how long ago Redis was last asked, with an answer; negative: never.
	Age time.Duration `json:"age_ns"`
	// Sent and Received are bytes.
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
	// Queued counts the tables of whose change Redis has yet to be told; -1 stands for everything.
	Queued int `json:"queued"`
	// These are as in Stats.Versions; Propagation is the median of it.
	OpenFences  int           `json:"open_fences"`
	Quarantine  time.Duration `json:"quarantine_ns"`
	Epochs      uint64        `json:"epochs"`
	Resyncs     uint64        `json:"resyncs"`
	Messages    uint64        `json:"messages"`
	Gaps        uint64        `json:"gaps"`
	Propagation time.Duration `json:"propagation_median_ns"`
	// LateReleases and FenceErrors are as in Stats.
	LateReleases uint64 `json:"late_releases"`
	FenceErrors  uint64 `json:"fence_errors"`
}

// Status reads what an operator wants to see. It sorts the statements, so it takes
// longer than Stats: it is for a look every second or so. Lists without
// anything in them are empty, not nil.
func (h *Handle) Status() *Status {
	s := h.Stats()
	r := &Status{
		At: time.Now(), Namespace: s.Namespace, Mode: s.Mode, Consistency: s.Consistency,
		HitRate: s.HitRate(), L1Hits: s.L1Hits, L2Hits: s.L2Hits, Misses: s.Misses, Shared: s.Shared, Bypasses: s.Bypasses,
		L1Size: s.L1Size, L1Entries: s.L1Entries, L1Evictions: s.L1Evictions,
		Levels: []LevelStatus{
			levelStatus(LevelL1, s.L1Hits, s.Latency.L1),
			levelStatus(LevelL2, s.L2Hits, s.Latency.L2),
			levelStatus(LevelOrigin, s.Misses, s.Latency.Origin),
		},
		Reasons: sortedReasons(s.Reasons), SchemaChanges: s.SchemaChanges,
		Tables: firstOf(append([]TableStats{}, s.Tables...), statusTables), History: h.History(),
	}
	if s.Breaker != "" {
		v := s.Versions
		r.Redis = &RedisStatus{
			Breaker: s.Breaker, Live: s.Live, Age: v.Age, Bound: s.MaxStaleness, Sent: v.BytesSent, Received: v.BytesGot,
			Queued: v.Queued, OpenFences: v.OpenFences, Quarantine: v.Quarantine, Epochs: v.Epochs, Resyncs: v.Resyncs,
			Messages: v.Messages, Gaps: v.Gaps, Propagation: v.Propagation.Quantile(0.5),
			LateReleases: s.LateReleases, FenceErrors: s.FenceErrors,
		}
	}
	all := h.Statements()
	r.ByCalls = firstOf(slices.Clone(all), statusStatements)
	r.BySaved = topStatements(all, func(s StatementStats) int64 { return int64(s.Saved) })
	r.ByBypasses = topStatements(all, func(s StatementStats) int64 { return int64(s.Bypasses) })
	return r
}

// sortedReasons puts the most frequent first.
func sortedReasons(counts map[Reason]uint64) []ReasonStatus {
	out := []ReasonStatus{}
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, ReasonStatus{reason, counts[reason], ReasonDoc(reason)})
	}
	slices.SortStableFunc(out, func(a, b ReasonStatus) int { return cmp.Compare(b.Count, a.Count) })
	return out
}

func levelStatus(name Level, count uint64, s latency.Snapshot) LevelStatus {
	return LevelStatus{name, count, s.Quantile(0.5), s.Quantile(0.95), s.Quantile(0.99)}
}

// topStatements returns the statements with the largest figure, none whose figure is 0.
func topStatements(all []StatementStats, figure func(StatementStats) int64) []StatementStats {
	out := []StatementStats{}
	for _, s := range all {
		if figure(s) > 0 {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b StatementStats) int { return cmp.Compare(figure(b), figure(a)) })
	return firstOf(out, statusStatements)
}

func firstOf[T any](list []T, n int) []T { return list[:min(n, len(list))] }

// Rate is the number of queries in a second, over the newest part of the history; -1 while it is not
// known.
func (r *Status) Rate() float64 {
	for i := len(r.History) - 1; i > 0; i-- {
		a, b := r.History[i-1], r.History[len(r.History)-1]
		if d := b.At.Sub(a.At).Seconds(); d >= 2 {
			return (statuspage.Grown(queriesOf(a), queriesOf(b))) / d
		}
	}
	return -1
}

func queriesOf(s Sample) uint64 { return s.L1Hits + s.L2Hits + s.Misses + s.Bypasses }

// Queries is how many queries there were.
func (r *Status) Queries() uint64 { return r.L1Hits + r.L2Hits + r.Misses + r.Bypasses }

// Saved estimates the time that callers were spared by the hits of the statements that
// are known.
func (r *Status) Saved() time.Duration {
	var d time.Duration
	for _, s := range r.BySaved {
		d += s.Saved
	}
	return d
}
