// Package cache holds answers as bytes in two levels, process memory ([Memory])
// and Redis ([Redis]), and promises that what it hands out is either exactly
// what was stored under that key or nothing: a damaged, truncated, expired or
// outdated entry is a miss, never an error of the caller's query and never a
// wrong answer.
//
// The package knows no SQL and no invalidation. An entry ([AppendHeader],
// [FinishEntry], [Match], [ParseEntry]) carries stamps: opaque numbers that
// its owner read before it computed the answer. The entry is good only while
// all of them are unchanged, so nothing has to be deleted for an entry to
// become invalid.
//
// The other parts are what a cache in front of a database needs besides:
// exact keys ([AppendArg]), one load at a time per key ([Flights]), counters
// per level ([Stats]) and time-to-live spreading ([Jitter]).
package cache
