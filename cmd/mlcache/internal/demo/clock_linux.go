package demo

import (
	"time"

	"golang.org/x/sys/unix"
)

// clockBase is the reading of the machine's monotonic clock, which all processes
// share, at the moment of clockStart.
var clockStart, clockBase = func() (time.Time, int64) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return time.Unix(0, 0).Round(0), 0
	}
	return time.Now(), ts.Nano()
}()
