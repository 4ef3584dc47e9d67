package redisclient

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// However often it is tried while Redis is away, the log says so once, and once
// that it is back.
func TestBreakerSaysOnceThatRedisIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := newBreaker(Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
		try := func(result error) {
			if _, done, err := b.allow(t.Context()); err == nil {
				done(result)
			}
		}
		away := errors.New("connection refused")
		for range 5 * breakerFailures {
			try(away)
			time.Sleep(breakerOpenFor + time.Millisecond)
		}
		try(nil)
		if warn, info := strings.Count(out.String(), "level=WARN"), strings.Count(out.String(), "level=INFO"); warn != 1 || info != 1 {
			t.Errorf("%d warnings and %d infos:\n%s", warn, info, &out)
		}
	})
}
