package statuspage

import "time"

// View is what the page shows. Counts are of one process, since it began.
type View struct {
	At                           time.Time
	Namespace, Mode, Consistency string

	HitRate                           float64 // between 0 and 1
	Queries, Misses, Shared, Bypasses uint64
	Saved                             time.Duration // by hits, estimated

	Levels []Level // l1, l2 and origin
	Redis  *Redis  // nil without one

	L1Size, L1Entries int64
	L1Evictions       uint64

	ByCalls, BySaved, ByBypasses []Statement
	Tables                       []Table
	SchemaChanges                uint64
	History                      []Sample // in the order of time
}

// Level are the answers of one level: who it is, how many, and how long they took.
type Level struct {
	Level       string
	Count       uint64
	Median, P99 time.Duration
}

// Redis is the state of what carries invalidations. Age is negative if it was never asked.
type Redis struct {
	Breaker        string
	Live           bool
	Bound, Age     time.Duration
	Sent, Received uint64 // bytes
	Queued         int    // tables of whose change Redis has yet to be told; -1 for everything
	OpenFences     int
	Quarantine     time.Duration
	Epochs         uint64
	Resyncs        uint64
	Messages, Gaps uint64
	Propagation    time.Duration
	LateReleases   uint64
	FenceErrors    uint64
}

// Statement is a text without values, and what became of its calls.
type Statement struct {
	Text                          string
	Calls, Hits, Misses, Bypasses uint64
	Reasons                       []Reason // the most frequent first
	Origin, Saved                 time.Duration
}

// Reason is why the cache had no part in so many queries.
type Reason struct {
	Reason string
	Count  uint64
	Doc    string
}

// Table is what writes to a table cost.
type Table struct {
	Table                   string
	Invalidations, LostHits uint64
}

// Sample is how many queries there had been at one time.
type Sample struct {
	At                               time.Time
	L1Hits, L2Hits, Misses, Bypasses uint64
}

// Explanation says what is made of a statement. Reason is empty if it is cacheable, and Why says it in a line.
type Explanation struct {
	Kind                 string
	Reads, Writes, Funcs []string
	WritesAll, Cacheable bool
	Reason, Why          string
	Detail, Advice       string
	Via                  map[string]string
}
