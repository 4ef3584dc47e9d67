package demo

import "golang.org/x/sys/unix"

// machineClock reads the machine's monotonic clock, which all processes share. It
// is asked each time: an offset to Go's own clock, taken once, is off by as long as
// the process had to wait for a processor between the two readings.
func machineClock() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("mlcache: no monotonic clock: " + err.Error()) // PostgreSQL could not run without one either
	}
	return ts.Nano()
}
