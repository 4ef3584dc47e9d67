package mlcache

import (
	"time"
)

// second counts the seconds of a clock that is read at no cost where there are hits.
// It can jump, but does not stand still for longer than a second.
func (e *engine) second() uint32 {
	if s := e.l1.Seconds(); s > 0 {
		return s
	}
	return uint32(time.Since(e.started)/time.Second) + 1
}
