// Package invalidation knows, for each scope (a table, or any other string), whether an answer read earlier may still
// be given. It promises:
//
//   - An entry that carries the versions of its scopes as they were before it was read, and is used only while those
//     versions are current, is never used after a change of those scopes that passed through a [Fence] has been
//     released: at once in the releasing process, within the bound of [Versions.Live] in the others, and at once
//     everywhere for who asks [Versions.Current].
//   - A version that was lost is unknown and never unchanged. Eviction, FLUSHALL, a restart or a failover of Redis
//     empty the cache; they do not revive anything.
//   - Without an answer from Redis [Versions.Live] becomes false by itself.
//
// A version is a random number (a nonce), made anew by every change, so that a version never comes back. Versions live
// in one Redis hash per namespace, or in memory only when there is no Redis. The order in which a cache must work is
//
//	read the versions (Epoch, then each Cell) -> ask the origin -> store the answer under those versions
//
// and the order for a change is
//
//	Fence -> make the change visible -> Release
//
// A scope reads as 0 while it is fenced or unknown: then go to the origin and store nothing.
//
// Redis commands in use, for an access control list: EVALSHA, EVAL, SUBSCRIBE, UNSUBSCRIBE, PING, MULTI,
// EXEC, and inside the script and the transaction TIME, HMGET, HSET, PUBLISH, INFO, PUBSUB|NUMSUB, on the one key {namespace}:v and the one channel
// {namespace}:bus.
package invalidation
