//go:build !linux

package demo

import "time"

// machineClock counts from 1970: on this system the processes share only the wall
// clock, and the demo counts on nobody setting it meanwhile.
func machineClock() int64 { return time.Now().UnixNano() }
