package history

import (
	"time"

	"golang.org/x/sys/unix"
)

// Now is the machine's monotonic clock in nanoseconds. Its zero is the same in
// every process (the kernel's boot, with CLOCK_MONOTONIC), which is not so for
// the monotonic part of a time.Time: that can be compared, but not sent to
// another process. The wall clock can be sent, but may be set while a run lasts.
func Now() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("history: no monotonic clock: " + err.Error())
	}
	return ts.Nano()
}

// ms shows nanoseconds of the clock as a rounded duration.
func ms(ns int64) time.Duration { return time.Duration(ns).Round(10 * time.Microsecond) }
