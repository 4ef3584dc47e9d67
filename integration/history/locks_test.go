package history_test

import (
	"context"
	"database/sql"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
)

// fenceLease is how long a fence stands that nobody renews.
const fenceLease = 5 * time.Second

// Writers whose change is made when their fence may long have ended.
var (
	lockedAlive = fault{"a writer waits for a lock", func(f *fleet) {
		f.lateChange(func(l *lateChange) { l.lock(); l.write(); f.wait(pastLease(f)) })
	}, 0, true}

	lockedKilled = fault{"killed while it waits for a lock", func(f *fleet) {
		f.lateChange(func(l *lateChange) {
			l.lock()
			l.write()
			f.processes[l.writer].Kill()
			f.wait(pastLease(f))
		})
	}, 0, true}

	lockedStopped = fault{"stopped while it waits for a lock", func(f *fleet) {
		f.lateChange(func(l *lateChange) {
			l.lock()
			l.write()
			f.processes[l.writer].Suspend()
			// Its change is made while it is stopped, before its fence ends or after that.
			d := fenceLease + time.Second
			if f.random.IntN(2) == 0 {
				d = time.Duration(f.random.Int64N(int64(d)))
			}
			f.wait(d)
			l.unlock()
			f.wait(max(rest, fenceLease+3*time.Second-d))
		})
	}, 0, true}

	heldAbandoned = fault{"a statement in the network, given up", func(f *fleet) {
		f.lateChange(func(l *lateChange) {
			l.writeHeld(500 * time.Millisecond)
			f.wait(time.Until(f.gate.until))
		})
	}, 0, true}

	heldKilled = fault{"a statement in the network, its writer killed", func(f *fleet) {
		f.lateChange(func(l *lateChange) {
			l.writeHeld(0)
			f.processes[l.writer].Kill()
			f.wait(time.Until(f.gate.until))
		})
	}, 0, true}

	// A transaction holds its row for longer than a fence's lease; others wait for it. Its process may be killed, or stopped,
	// before it commits.
	kept = fault{"a long transaction", func(f *fleet) {
		f.lateChange(func(l *lateChange) {
			f.processes[l.writer].WriteAndKeep(l.register, 3*time.Second, fenceLease+time.Second)
			l.second = (l.writer + 1) % fleetSize
			harness.Eventually(f.t, 20*time.Second, "the row is held", func() bool { return f.sessions("state = 'idle in transaction' AND backend_xid IS NOT NULL") > 0 })
			l.waits(func() { f.processes[l.second].WriteOnce(l.register, 3*time.Second) })
			switch f.random.IntN(3) {
			case 0:
				f.processes[l.writer].Kill()
			case 1:
				f.processes[l.writer].Suspend()
			}
			if f.random.IntN(2) == 0 {
				f.processes[l.second].Kill()
			}
			f.wait(fenceLease + 2*time.Second)
		})
	}, 0, true}
)

// pastLease is longer than a fence stands by itself, and than it takes the others to cache what they find then.
func pastLease(f *fleet) time.Duration {
	return fenceLease + time.Second + time.Duration(f.random.IntN(2000))*time.Millisecond
}

const heldMark = "held."

// lateChange is a change of one register that waits for something while nobody else writes.
type lateChange struct {
	*fleet
	writer, second int // processes; second is 0 if there is none besides
	register       int
	lockTx         *sql.Tx
}

func (f *fleet) lateChange(run func(*lateChange)) {
	f.t.Helper()
	l := &lateChange{fleet: f, writer: 1 + f.random.IntN(fleetSize-2), register: f.anyRegister()}
	l.second = l.writer
	for _, p := range f.processes {
		p.Hold()
	}
	f.wait(time.Second) // for the writes under way to end, and for the others to cache what they have made
	before := f.versions()
	run(l)
	l.unlock()
	for _, i := range []int{l.writer, l.second} {
		f.processes[i].Continue()
	}
	harness.Eventually(f.t, 20*time.Second, "the change is made, or undone", func() bool {
		return f.versions() > before || f.sessions("query LIKE '%writer = $1%' AND state <> 'idle'") == 0
	})
	// Who has an old answer now gives it for longer than the bound.
	f.wait(2 * rest)
	for i, p := range f.processes {
		if p.Ended() {
			f.kill(i)
			f.processes[i].Hold()
		}
	}
	for _, p := range f.processes {
		p.Write()
	}
}

// lock holds the row until unlock.
func (l *lateChange) lock() {
	l.t.Helper()
	table, row := l.recorder.Shape.Place(l.register)
	tx, err := l.direct.BeginTx(context.WithoutCancel(l.t.Context()), nil)
	l.must(err)
	l.t.Cleanup(func() { _ = tx.Rollback() })
	_, err = tx.ExecContext(l.t.Context(), "SELECT FROM "+l.recorder.Shape.Name(table)+" WHERE id = $1 FOR UPDATE", row)
	l.must(err)
	l.lockTx = tx
}

func (l *lateChange) unlock() {
	l.t.Helper()
	if l.lockTx != nil {
		l.must(l.lockTx.Rollback())
		l.lockTx = nil
	}
}

// write makes the writer change the register, and returns when the change waits for the lock.
func (l *lateChange) write() {
	l.t.Helper()
	l.waits(func() { l.processes[l.writer].WriteOnce(l.register, 3*time.Second) })
}

func (l *lateChange) waits(write func()) {
	l.t.Helper()
	before := l.sessions(waiting)
	write()
	harness.Eventually(l.t, 20*time.Second, "a statement waits for the lock", func() bool { return l.sessions(waiting) > before })
}

const waiting = "wait_event_type = 'Lock'"

// writeHeld makes the writer change the register by a statement that the gate holds, and give up after d; 0 for not.
func (l *lateChange) writeHeld(d time.Duration) {
	l.t.Helper()
	var asked time.Time
	harness.Eventually(l.t, 30*time.Second, "the statement is held", func() bool {
		if time.Since(asked) > 3*time.Second { // the first may have been given up before it was sent
			l.gate.hold(heldMark, time.Now().Add(pastLease(l.fleet)))
			l.processes[l.writer].WriteMarked(l.register, 3*time.Second, heldMark, d)
			asked = time.Now()
		}
		return l.gate.holding() > 0
	})
}

// sessions is how many sessions of the fleet's database are as the condition says.
func (f *fleet) sessions(condition string) (n int) {
	f.t.Helper()
	f.must(f.direct.QueryRowContext(f.t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND "+condition).Scan(&n))
	return n
}

// allFaults are what MLCACHE_TEST_FAULTS, a regular expression for their names, chooses from.
var allFaults = []fault{
	cut, farDatabase, latency, verySlow, deafAndMute, slicer, reset, deafen, stall, shortStalls, restart, flush, loseVersions, evict, full, noReplicas, failover, flipFlop, suspend, suspendLong,
	kill, killUnanswered, lockedAlive, lockedKilled, lockedStopped, heldAbandoned, heldKilled, kept,
}
