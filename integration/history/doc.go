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
//   - Without faults no process goes back to an older answer to the same question,
//     through whatever pool; reads that overlap have no order.
//   - A name without a schema stands for the tables that the session's search_path
//     and role say, whatever has set them: the same text is asked for both sets.
//   - The server's configuration is loaded again: every process takes the new search_path
//     and TimeZone within a limit, then sees its own writes to the tables that a name
//     stands for now, and one that has both by its DSN is never given another's answer.
//   - While Redis refuses writes: another process may miss such a write for the usual
//     bound at most. [History.Refusal] says what it takes to notice.
//   - Most answers came from the cache, else the run has shown nothing.
//
// Registers are written by statements, transactions, procedures that commit and then fail, and
// code in DO; in sessions that change their search_path and role, inside savepoints and
// for good; through two pools in turn. Some changes are made when the fence
// of their writer may have ended: they have waited for a row lock, or in the network, and
// their writer was killed or stopped meanwhile, or has given up.
//
// MLCACHE_TEST_SEED repeats the choices of a run, MLCACHE_TEST_FAULTS is a regular expression
// for the names of the faults that it takes, out of all there are, and
// MLCACHE_TEST_WITHOUT=sessions,calls leaves out operations, to look at the rest.
//
// # What the judges have found
//
// Histories that find nothing show something only if they would find what is
// wrong. So each rule of the protocol was taken out of the code once, and the tests
// were run; without the change they pass.
//
//	taken out                              the change                                    found by
//	the fence                              Fence and its renewal send nothing            TestHistory/bounded, when a writer dies after its commit; /strict, when the database is far away
//	the lease on L1                        Live is true once Redis has ever answered     TestHistory/bounded, when one process is cut off
//	the nonce                              versions are the sequence number              TestLostVersionsBringNoEntryBack (package integration)
//	versions are read before the query     they are read again when an answer is stored  TestHistory/bounded and /strict, when the database is far away
//	the release after the change           it is sent before the change                  TestHistory/bounded, without any fault
//	own cells change with the release      they change when the message arrives          TestHistory/bounded, without any fault
//
// Faults that were in the code, and what found them:
//
//	a session that code had changed kept its key                    TestHistory: answers of the other tables, on all hands
//	a change that is made after its fence's lease                   TestHistory/bounded and /strict: killed while it waits for a lock; a statement in the network
//	a reload that nobody notices                                    TestHistory/reloads: a setting of long before, own writes missed, another session's rows
//	two pools of a process with a first level each                  TestHistory/bounded: the process had seen a newer version
//
// What made the difference to earlier histories, which missed the first two: after
// each fault nobody writes for longer than the bound, since a new write drives out
// what a fault has left behind; the writer that dies is killed when the database
// has its change and it has no answer yet; and one write often follows another
// while somebody reads.
package history
