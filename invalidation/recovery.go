package invalidation

import (
	"context"
	"errors"
	"time"
)

const (
	// retryPause is the longest pause after a question that failed, whatever the bound.
	retryPause = 250 * time.Millisecond

	// tellWithin is how long after Redis answers again every process that runs has told it of the changes that it could
	// not be told of before: a pause, and as long as a breaker in front of Redis may take to let a question through.
	tellWithin = time.Second
)

// errRecovering is why the cache is not served right after Redis has answered again.
var errRecovering = errors.New("mlcache: invalidation: other processes may have yet to tell Redis of their changes")

// broken notes that a question was not answered. What others could not tell Redis meanwhile shows when it answers again. Called
// with v.mu held.
func (v *Versions) broken(sent time.Time) {
	if v.brokenAt.IsZero() {
		v.brokenAt = sent
	}
}

// mended notes that Redis has answered a question: from now on everybody tells it what they could not tell. Who fails for a
// time doubles the pause between tries, so all have told within about as long as Redis was away, and at most tellWithin.
// Called with v.mu held.
func (v *Versions) mended(now time.Time) {
	if v.brokenAt.IsZero() {
		return
	}
	wait := min(2*now.Sub(v.brokenAt)+retryPause/2, tellWithin)
	if at := now.Add(wait); at.After(v.trustAt) {
		v.trustAt = at
	}
	v.brokenAt = time.Time{}
}

// recovering reports whether Redis does not answer, or does again but may not know yet what has changed meanwhile. Called with
// v.mu held.
func (v *Versions) recovering(now time.Time) bool {
	return !v.brokenAt.IsZero() || now.Before(v.trustAt)
}

// unanswered notes that Redis has not answered a question, if it was not the caller who gave up.
func (v *Versions) unanswered(ctx context.Context, sent time.Time) {
	if ctx.Err() != nil {
		return
	}
	v.mu.Lock()
	v.broken(sent)
	v.mu.Unlock()
	v.kick()
}
