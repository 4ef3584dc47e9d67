// Package history runs several processes that read and write registers through
// mlcache, records what each of them saw and when, and judges the record.
//
// A register is a row (id, n, writer) of one of a few tables. Each write makes n one
// larger and leaves its own name in writer, so the versions of a register are 1, 2,
// 3, … in the order in which the database committed them. A trigger notes which
// write made which version; at the end that is the truth against which every
// answer is held.
//
// All times are of one clock that the processes of a machine share, see [Now]. An
// operation lies between its Call and its Return.
//
// What can be judged:
//
//   - An answer is one that was committed: its n and writer belong together.
//   - A process sees its own writes.
//   - Bounded: an answer misses no version that was known for longer than the
//     bound when the read began. [History.Bounded] says when a version counts as
//     known.
//   - Strict: the operations on each register are linearizable, by porcupine.
//   - Without faults no pool goes back to an older answer to the same question.
//   - Most answers came from the cache, else the run has shown nothing.
package history
