package cache

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/coocood/freecache"
)

// secondClock counts seconds for an arena. Asking the operating system for the time at
// every lookup costs a good part of a lookup, so a timer updates a number
// once a second. It counts from its own start by the monotonic clock: freecache sums
// differences of times without signs, which a clock set back would spoil.
type secondClock struct {
	now atomic.Uint32

	mu    sync.Mutex
	begun time.Time
	timer *time.Timer // nil before start and after stop
}

var _ freecache.Timer = (*secondClock)(nil)

// Now is the number of seconds since start, from 1 on: freecache takes an
// expiry at 0 for "never".
func (c *secondClock) Now() uint32 { return c.now.Load() }

func (c *secondClock) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun = time.Now()
	c.now.Store(1)
	c.timer = time.AfterFunc(time.Second, c.tick)
}

func (c *secondClock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

func (c *secondClock) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer == nil {
		return // stopped while this tick was on its way
	}
	c.now.Store(1 + uint32(time.Since(c.begun)/time.Second))
	c.timer.Reset(time.Second)
}
