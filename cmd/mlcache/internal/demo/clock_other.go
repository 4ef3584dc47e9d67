//go:build !linux

package demo

import "time"

// clockBase counts from 1970: on this system the processes share only the wall
// clock, and the demo counts on nobody setting it meanwhile.
var clockStart, clockBase = func() (time.Time, int64) {
	now := time.Now()
	return now, now.UnixNano()
}()
