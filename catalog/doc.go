// Package catalog knows what a PostgreSQL database knows and the text of a
// statement does not: which tables stand behind a view, which tables a write
// changes besides the one it names (cascades, triggers, rules, partitions), what
// the functions that a statement calls do, and which rows a policy hides.
//
// Its promise: for every statement that package sqlinfo has read, the closure
// that [Snapshot.Resolve] returns names at least every table that the answer can
// depend on and at least every table that the statement can change; where that
// cannot be known, it refuses the answer and declares that the write changes
// everything. It names tables in vain rather than leave one out.
//
// A [Snapshot] is loaded with a handful of queries, is never changed afterwards
// and is shared by all connections. It is true of the schema that its
// [Snapshot.Fingerprint] stands for; [Fingerprint] asks the server cheaply
// whether that is still the schema. Where no snapshot can be had, [NoCatalog]
// gives the rules that need none.
package catalog
