// Package metrics names the figures of a cache as a monitoring system wants them:
// counters, gauges and histograms with labels. It knows no such system. Modules
// metrics/prometheus and metrics/otel hand on what it says.
package metrics

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/latency"
)

// Type is what a metric's value means.
type Type string

const (
	// Counter only grows, until the program or the Connector begins anew.
	Counter Type = "counter"
	// Gauge goes up and down.
	Gauge Type = "gauge"
	// Histogram counts durations in buckets, in seconds.
	Histogram Type = "histogram"
)

// Metric describes one metric.
type Metric struct {
	Name   string   // as Prometheus wants it: with its unit at the end
	Type   Type     // what its figure means
	Labels []string // the names of its labels, in the order of Sample.Labels
	Help   string   // one line

	read func(*mlcache.Stats, func(Sample))
}

// Sample is one value of a metric.
type Sample struct {
	Labels []string // the values of the labels
	Value  float64
	// Durations is the value of a histogram.
	Durations latency.Snapshot
}

// Read returns the metric's values in s, none if it has none there: without Redis the
// metrics of Redis are missing.
func (m *Metric) Read(s *mlcache.Stats) []Sample {
	var out []Sample
	m.read(s, func(x Sample) { out = append(out, x) })
	return out
}

// All lists every metric, in a fixed order.
func All() []*Metric { return slices.Clone(all) }

type labels = []string

var all = []*Metric{
	{"multilevel_cache_operations_total", Counter, labels{"level", "operation", "result"},
		"Operations by level: of l1 and l2 get (hit, miss, stale, corrupt, error) and set (stored, too_large, error); of origin get (fetched, shared, bypass).", operations},
	{"multilevel_cache_latency_seconds", Histogram, labels{"level"},
		"Time from asking the cache to having the rows at hand, by the level that answered; of l1 a sample of one in 64 hits.", latencies},
	{"multilevel_cache_l1_size", Gauge, nil, "Memory that L1 has taken, in bytes; 0 until something is stored.",
		gauge(func(s *mlcache.Stats) float64 { return float64(s.L1Size) })},
	{"multilevel_cache_l1_entries", Gauge, nil, "Entries in L1, those that are no longer good included.",
		gauge(func(s *mlcache.Stats) float64 { return float64(s.L1Entries) })},
	{"multilevel_cache_l1_evictions_total", Counter, nil, "Times that an entry of L1 had to move for a new one.",
		counter(func(s *mlcache.Stats) uint64 { return s.L1Evictions })},
	{"multilevel_cache_bypasses_total", Counter, labels{"reason"},
		"Queries that the cache has no part in, and answers that it could not keep (result_too_large, not_storable), by reason.", reasons},
	{"multilevel_cache_flights_shared_total", Counter, nil, "Misses that were answered by another caller's query.",
		counter(func(s *mlcache.Stats) uint64 { return s.Shared })},
	{"multilevel_cache_invalidations_total", Counter, labels{"table"},
		"Changes of a table that this process has made or has seen.", invalidations},
	{"multilevel_cache_lost_hits_total", Counter, labels{"table"},
		"Queries that would have been hits but for a change of the table.", lostHits},
	{"multilevel_cache_late_answers_total", Counter, labels{"cause"},
		"Answers beyond their bound that were asked for: stale (while they are renewed), error (the database could not be reached).",
		func(s *mlcache.Stats, put func(Sample)) {
			put(Sample{Labels: labels{"stale"}, Value: float64(s.Stale)})
			put(Sample{Labels: labels{"error"}, Value: float64(s.StaleOnError)})
		}},
	{"multilevel_cache_renewals_total", Counter, labels{"result"}, "Queries made in the background for answers that end soon, or have ended: ok, error.",
		func(s *mlcache.Stats, put func(Sample)) {
			put(Sample{Labels: labels{"ok"}, Value: float64(s.Renewals)})
			put(Sample{Labels: labels{"error"}, Value: float64(s.RenewErrors)})
		}},
	{"multilevel_cache_schema_changes_total", Counter, nil, "Changes of the schema that the cache was told of.",
		counter(func(s *mlcache.Stats) uint64 { return s.SchemaChanges })},
	{"multilevel_cache_fence_errors_total", Counter, nil, "Writes of which Redis was not told before they were made.",
		counter(func(s *mlcache.Stats) uint64 { return s.FenceErrors })},
	{"multilevel_cache_late_invalidations_total", Counter, nil, "Writes whose invalidation Redis did not take at once.",
		counter(func(s *mlcache.Stats) uint64 { return s.LateReleases })},

	// The rest is there with Redis only.
	{"multilevel_cache_fills_dropped_total", Counter, nil, "Answers that were not put into Redis, because too many waited for that already.",
		redis(func(s *mlcache.Stats) float64 { return float64(s.FillsDropped) })},
	{"multilevel_cache_redis_sent_bytes_total", Counter, nil, "Bytes sent to Redis.",
		redis(func(s *mlcache.Stats) float64 { return float64(s.Versions.BytesSent) })},
	{"multilevel_cache_redis_received_bytes_total", Counter, nil, "Bytes received from Redis.",
		redis(func(s *mlcache.Stats) float64 { return float64(s.Versions.BytesGot) })},
	{"multilevel_cache_breaker_state", Gauge, labels{"state"}, "1 for the state of the circuit breaker in front of Redis: closed (it answers), half-open, open.", breaker},
	{"multilevel_cache_lease_live", Gauge, nil, "1 while answers may be given from the cache under the bound; 0 also while nobody has read for a minute.",
		redis(func(s *mlcache.Stats) float64 { return number(s.Live) })},
	{"multilevel_cache_staleness_seconds", Gauge, nil, "Time since the last question to Redis that found this process up to date; -1 before there was one.",
		redis(func(s *mlcache.Stats) float64 {
			if s.Versions.Age < 0 {
				return -1
			}
			return s.Versions.Age.Seconds()
		})},
	{"multilevel_cache_max_staleness_seconds", Gauge, nil, "The bound, mlcache_max_staleness.",
		redis(func(s *mlcache.Stats) float64 { return s.MaxStaleness.Seconds() })},
	{"multilevel_cache_propagation_seconds", Histogram, nil, "Time from telling Redis of a change to getting the message of it back.",
		func(s *mlcache.Stats, put func(Sample)) {
			if s.Breaker != "" {
				put(Sample{Durations: s.Versions.Propagation})
			}
		}},
	{"multilevel_cache_queue_scopes", Gauge, nil, "Tables of whose change Redis has yet to be told.",
		redis(func(s *mlcache.Stats) float64 { return float64(max(s.Versions.Queued, 0)) })},
	{"multilevel_cache_queue_everything", Gauge, nil, "1 while Redis has yet to be told that everything changed.",
		redis(func(s *mlcache.Stats) float64 { return number(s.Versions.Queued < 0) })},
	{"multilevel_cache_open_fences", Gauge, nil, "Writes of this process that are under way.",
		redis(func(s *mlcache.Stats) float64 { return float64(s.Versions.OpenFences) })},
	{"multilevel_cache_quarantine_seconds", Gauge, nil, "Time left in which answers are kept for no longer than the bound, after Redis has lost the versions.",
		redis(func(s *mlcache.Stats) float64 { return s.Versions.Quarantine.Seconds() })},
	{"multilevel_cache_epochs_total", Counter, nil, "Times that everything was invalidated, the start included.",
		redis(func(s *mlcache.Stats) float64 { return float64(s.Versions.Epochs) })},
	{"multilevel_cache_resyncs_total", Counter, nil, "Times that it could not be told what had changed, so that versions were read again.",
		redis(func(s *mlcache.Stats) float64 { return float64(s.Versions.Resyncs) })},
	{"multilevel_cache_messages_total", Counter, labels{"result"}, "Messages of changes: received, gap (those that told of lost ones, also received), bad (could not be read, also received).", messages},
	{"multilevel_cache_polls_total", Counter, labels{"result"}, "Questions to Redis for what has changed: ok, error.", polls},
	{"multilevel_cache_subscriptions_total", Counter, nil, "Times that the channel of changes was subscribed to: more than 1 means reconnected.",
		redis(func(s *mlcache.Stats) float64 { return float64(s.Versions.Subscriptions) })},
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func gauge(f func(*mlcache.Stats) float64) func(*mlcache.Stats, func(Sample)) {
	return func(s *mlcache.Stats, put func(Sample)) { put(Sample{Value: f(s)}) }
}

func counter(f func(*mlcache.Stats) uint64) func(*mlcache.Stats, func(Sample)) {
	return gauge(func(s *mlcache.Stats) float64 { return float64(f(s)) })
}

func redis(f func(*mlcache.Stats) float64) func(*mlcache.Stats, func(Sample)) {
	return func(s *mlcache.Stats, put func(Sample)) {
		if s.Breaker != "" {
			put(Sample{Value: f(s)})
		}
	}
}

func operations(s *mlcache.Stats, put func(Sample)) {
	op := func(level, operation, result string, n uint64) {
		put(Sample{Labels: labels{level, operation, result}, Value: float64(n)})
	}
	for _, level := range []mlcache.Level{mlcache.LevelL1, mlcache.LevelL2} {
		n := s.L1
		if level == mlcache.LevelL2 {
			n = s.L2
		}
		name := string(level)
		op(name, "get", "hit", n.Hits)
		op(name, "get", "miss", n.Misses)
		op(name, "get", "stale", n.Stale)
		op(name, "get", "corrupt", n.Corrupt)
		op(name, "get", "error", n.Errors)
		op(name, "set", "stored", n.Sets)
		op(name, "set", "too_large", n.TooLarge)
		op(name, "set", "error", n.SetErrors)
	}
	origin := string(mlcache.LevelOrigin)
	// They are read one after the other, so that the second can be ahead.
	op(origin, "get", "fetched", s.Misses-min(s.Shared, s.Misses))
	op(origin, "get", "shared", s.Shared)
	op(origin, "get", "bypass", s.Bypasses)
}

func latencies(s *mlcache.Stats, put func(Sample)) {
	put(Sample{Labels: labels{string(mlcache.LevelL1)}, Durations: s.Latency.L1})
	put(Sample{Labels: labels{string(mlcache.LevelL2)}, Durations: s.Latency.L2})
	put(Sample{Labels: labels{string(mlcache.LevelOrigin)}, Durations: s.Latency.Origin})
}

func reasons(s *mlcache.Stats, put func(Sample)) {
	for _, r := range slices.SortedFunc(maps.Keys(s.Reasons), cmp.Compare[mlcache.Reason]) {
		put(Sample{Labels: labels{string(r)}, Value: float64(s.Reasons[r])})
	}
}

func invalidations(s *mlcache.Stats, put func(Sample)) {
	for _, t := range s.Tables {
		put(Sample{Labels: labels{label(t.Table)}, Value: float64(t.Invalidations)})
	}
}

// label quotes a name that is no label's value: statements can name tables in any
// bytes. No two names become the same.
func label(name string) string {
	if !utf8.ValidString(name) || strings.HasPrefix(name, `"`) {
		return strconv.Quote(name)
	}
	return name
}

func lostHits(s *mlcache.Stats, put func(Sample)) {
	for _, t := range s.Tables {
		put(Sample{Labels: labels{label(t.Table)}, Value: float64(t.LostHits)})
	}
}

func breaker(s *mlcache.Stats, put func(Sample)) {
	if s.Breaker == "" {
		return
	}
	for _, state := range []string{"closed", "half-open", "open"} {
		put(Sample{Labels: labels{state}, Value: number(s.Breaker == state)})
	}
}

func messages(s *mlcache.Stats, put func(Sample)) {
	if s.Breaker == "" {
		return
	}
	put(Sample{Labels: labels{"received"}, Value: float64(s.Versions.Messages)})
	put(Sample{Labels: labels{"gap"}, Value: float64(s.Versions.Gaps)})
	put(Sample{Labels: labels{"bad"}, Value: float64(s.Versions.BadMessages)})
}

func polls(s *mlcache.Stats, put func(Sample)) {
	if s.Breaker == "" {
		return
	}
	put(Sample{Labels: labels{"ok"}, Value: float64(s.Versions.Polls - min(s.Versions.PollErrors, s.Versions.Polls))})
	put(Sample{Labels: labels{"error"}, Value: float64(s.Versions.PollErrors)})
}
