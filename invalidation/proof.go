package invalidation

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// Redis may answer every question and take no change: its memory is full, a snapshot has failed, it misses its replicas, or
// somebody has paused writes. What others change is then not made known, whatever the answers say. So the lease of Live rests
// on a write: the script makes one in the poll, as it would for a fence, unless there was one a moment ago, by whomever. A
// Redis that refuses it is away for everybody alike: for those who change something, and for those who read.

// errUnproven is why the cache is not served where this process may not write, and no other one has for longer than the bound.
var errUnproven = errors.New("mlcache: invalidation: it is not known whether Redis takes changes")

// proofAge is how old another process's write may be that a poll takes for its own: with many processes not each poll
// writes, and the lease is shorter by no more than half of the time between two polls.
func (v *Versions) proofAge() time.Duration { return v.every() / 2 }

// proven makes sure that the lease of Live has not run out, which costs a round trip where it has.
func (v *Versions) proven(ctx context.Context, now time.Time) error {
	bound := time.Duration(v.bound.Load())
	if v.LiveAt(bound, now) {
		return nil
	}
	if err := v.Ensure(ctx, nil); err != nil {
		return err
	}
	if !v.Live(bound) {
		return errUnproven
	}
	return nil
}

// pollFailure is what an operator is told.
func pollFailure(err error) string {
	var refusal redis.Error
	if errors.As(err, &refusal) || errors.Is(err, errUnproven) {
		return "mlcache: Redis answers with a refusal; the cache stops at the end of its lease"
	}
	return "mlcache: Redis does not answer; the cache stops at the end of its lease"
}
