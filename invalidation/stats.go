package invalidation

import (
	"sync/atomic"
	"time"

	"github.com/mlcache/mlcache/latency"
)

type counters struct {
	calls, callErrors       atomic.Uint64
	polls, pollErrors       atomic.Uint64
	resyncs, epochs         atomic.Uint64
	messages, badMessages   atomic.Uint64
	gaps, subscriptions     atomic.Uint64
	fences, fenceErrors     atomic.Uint64
	releases, releaseErrors atomic.Uint64
	orphans, settled        atomic.Uint64
}

// Stats is a snapshot of what happened since Open. Counts never go down.
type Stats struct {
	Calls, CallErrors       uint64        // commands sent to Redis
	Polls, PollErrors       uint64        // questions for what has changed
	Resyncs                 uint64        // polls that could not tell what had changed, so that scopes were read again or forgotten
	Epochs                  uint64        // times that everything was invalidated, the first one included
	Messages, BadMessages   uint64        // received; BadMessages could not be read
	Gaps                    uint64        // messages that told of lost ones
	Subscriptions           uint64        // times that the channel was subscribed to: more than 1 means reconnected
	Fences, FenceErrors     uint64        // FenceErrors are fences that Redis was not told of
	Releases, ReleaseErrors uint64        // ReleaseErrors were queued, unless rolled back
	Orphans, Settled        uint64        // fences of which this process was to find out what became of them, and those of which it has
	Doubts                  int           // of changes that may be made still, now
	Queued                  int           // scopes that wait to be told to Redis now; -1 stands for everything
	Cells                   int           // scopes known now
	OpenFences              int           // of this process, now
	BytesSent, BytesGot     uint64        // over the connections of Client that were opened since Open, by whomever
	Quarantine              time.Duration // what is left of it
	Age                     time.Duration // since the moment for which Live vouches; negative when there is none

	// Propagation is how long the end of a change took from here to Redis and back as a message, which is what
	// others wait for, too. Not every change is measured.
	Propagation latency.Snapshot
}

// Stats returns a snapshot.
func (v *Versions) Stats() Stats {
	c := &v.counters
	s := Stats{
		Calls: c.calls.Load(), CallErrors: c.callErrors.Load(),
		Polls: c.polls.Load(), PollErrors: c.pollErrors.Load(),
		Resyncs: c.resyncs.Load(), Epochs: c.epochs.Load(),
		Messages: c.messages.Load(), BadMessages: c.badMessages.Load(),
		Gaps: c.gaps.Load(), Subscriptions: c.subscriptions.Load(),
		Fences: c.fences.Load(), FenceErrors: c.fenceErrors.Load(),
		Releases: c.releases.Load(), ReleaseErrors: c.releaseErrors.Load(),
		Orphans: c.orphans.Load(), Settled: c.settled.Load(),
		BytesSent: v.writes.sent.Load(), BytesGot: v.writes.got.Load(),
		Propagation: v.echoes.times.Snapshot(),
		Age:         -1,
	}
	if at := v.validated.Load(); at != nil {
		s.Age = time.Since(*at)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	s.Quarantine = max(0, time.Until(v.quarantined))
	s.Cells = len(v.cells)
	s.Doubts = len(v.doubts)
	for f := range v.fences {
		s.OpenFences += f.users
		if f.burst {
			s.OpenFences--
		}
	}
	s.Queued = len(v.queue.cells)
	if v.queue.all.holds > 0 {
		s.Queued = -1
	}
	return s
}
