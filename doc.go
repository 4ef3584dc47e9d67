// Package mlcache is a query cache for PostgreSQL in the form of a database/sql
// driver over pgx. An application changes the driver name and keeps its DSN, its
// SQL and its ORM:
//
//	db, err := sql.Open("mlcache", "postgres://app@db/shop?mlcache_redis=redis://cache:6379")
//
// From then on a SELECT whose answer cannot have changed is answered from memory
// (L1), or from Redis (L2). Everything else goes to the database as with pgx.
//
// # What a reader may rely on
//
//   - Never wrong, only old, and old within a stated bound. A cached answer is
//     what pgx would have returned for the same session at some moment no further
//     back than the bound: same columns, same types, same values, same errors.
//   - A process sees its own writes: once Exec or Commit has returned, no read
//     that starts later in the process, through any *sql.DB of the same namespace,
//     returns an older answer.
//   - Bounded (the default): a read in another process is at most
//     mlcache_max_staleness behind, usually a few milliseconds.
//   - Strict: a read that starts anywhere after a write has returned sees it. A
//     hit then costs one round trip to Redis.
//   - No process goes back: once a question was answered, no later read of the same
//     question in this process gives an older answer, while Redis answers and keeps
//     its data.
//   - Nothing uncommitted is ever cached, and an answer that was read before a
//     write cannot be stored as if it had been read after it.
//   - A version that is missing (an evicted key, an empty Redis) means "unknown",
//     never "unchanged".
//   - The cache never fails a query. What it cannot understand it does not cache,
//     and a write that it cannot understand drops everything.
//
// All of this holds for writes that pass through mlcache. For others there are
// Handle.Invalidate and the time to live. docs/consistency.md has the promise with
// its exceptions, and how it is tested.
//
// # DSN
//
// Any DSN that pgx takes, as a URL or as keywords and values, with these keys
// beside pgx's own. An unknown key that starts with mlcache_ is an error.
//
//	mlcache_redis          ""         URL of the Redis for L2 and for invalidation between processes
//	mlcache_redis_mode     single     single, cluster or sentinel
//	mlcache_namespace      mlcache    prefix of each Redis key; one per logical database
//	mlcache_mode           auto       auto, optin (only with a hint) or off
//	mlcache_consistency    bounded    bounded or strict
//	mlcache_on_redis_down  late-invalidation  or fail-writes: refuse a write of which Redis cannot be told
//	mlcache_max_staleness  1s         the bound of bounded
//	mlcache_l1_size        64MiB      memory of L1; 0 turns it off
//	mlcache_l1_ttl         30s        longest life in L1
//	mlcache_l1_max_ttl     -          that of what is asked for often; none: the same
//	mlcache_l2_ttl         5m         longest life in L2
//	mlcache_max_rows       10000      larger results stream through
//	mlcache_max_bytes      1MiB       larger results stream through
//	mlcache_tables         ""         cache only these tables
//	mlcache_skip_tables    ""         never cache these
//	mlcache_rules          ""         rules by table: orders:ttl=5s;audit_log:off, see [ParseRules]
//	mlcache_rules_file     ""         a file of rules, which is watched
//	mlcache_written_often  pass       or cache: also what is seldom used again before a write
//	mlcache_warm_keys      0          so many of the most asked answers are remembered for a warm start
//	mlcache_key_file       ""         a file of keys that encrypt the answers in Redis, see [ParseEntryKeys]
//
// One query can say otherwise by its context ([WithBypass], [WithRefresh],
// [WithTTL], [WithStale], [WithStaleIfError], [WithEarlyRefresh]) or by a comment
// before or after it: /* mlcache: off */, /* mlcache: on, ttl=30s */,
// /* mlcache: swr=2s, sie=1m, early=10s */. Rules say the same for tables:
// [Rule], [Handle.SetRules]. [Handle.WarmUp] fills the cache before it is asked.
package mlcache
