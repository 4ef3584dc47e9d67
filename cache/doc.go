// Package cache is a cache of two levels, this process's memory and Redis.
//
// [Cache] is the whole of it, for whatever a program computes or fetches: Get, Set,
// Delete, prefixes and namespaces, [Cache.GetOrLoad] with one load at a time,
// [Memoize] for functions, [WriteAround] for repositories. What one process changes no
// other serves any more, in the way that its [Versions] tell.
//
// The rest are its parts, which the driver is made of as well. The levels hold
// answers as bytes in process memory ([Memory])
// and in Redis ([Redis]), and promise that what they hand out is either exactly
// what was stored under that key or nothing: a damaged, truncated, expired or
// outdated entry is a miss, never an error of the caller's query and never a
// wrong answer.
//
// The package knows no SQL, and of invalidation only what [Versions] says. An entry ([AppendHeader],
// [FinishEntry], [Match], [ParseEntry]) carries stamps: opaque numbers that
// its owner read before it computed the answer. The entry is good only while
// all of them are unchanged, so nothing has to be deleted for an entry to
// become invalid.
//
// The other parts are what a cache in front of a database needs besides:
// exact keys ([AppendArg]), one load at a time per key ([Flights]), counters
// per level ([Stats]) and time-to-live spreading ([Jitter]).
package cache
