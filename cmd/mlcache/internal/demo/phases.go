package demo

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mlcache/mlcache/cmd/mlcache/internal/shop"
)

// liveInterval is how often the live line changes.
const liveInterval = 200 * time.Millisecond

// figures are what was measured.
type figures struct {
	times        *times
	plainSpent   time.Duration
	cachedSpent  time.Duration
	writes       int
	delays       []time.Duration // from the return of a write to its first sight in the other process
	verified     Verified
	verification time.Duration
}

// drive calls a reading method on both processes and shows how it goes; between
// is called now and then meanwhile.
func (d *demo) drive(ctx context.Context, method string, length time.Duration, show func(Progress, time.Duration), between func() error) (time.Duration, error) {
	results := make([]Measured, len(d.fleet))
	done := make(chan error, 1)
	begun := time.Now()
	go func() {
		done <- d.fleet.each(ctx, method,
			func(i int) any { return Drive{Duration: length, Seed: uint64(i) + 1} },
			func(i int) any { return &results[i] })
	}()
	tick := time.NewTicker(liveInterval)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			spent := time.Since(begun)
			if err != nil {
				return 0, err
			}
			for _, m := range results {
				if err := d.figures.times.merge(m); err != nil {
					return 0, err
				}
			}
			return spent, nil
		case <-tick.C:
			p, err := d.fleet.progress(ctx)
			if err == nil {
				show(p, time.Since(begun))
				err = between()
			}
			if err != nil {
				return 0, err
			}
		}
	}
}

// readWithout measures the database alone.
func (d *demo) readWithout(ctx context.Context) (err error) {
	d.figures.times = newTimes()
	d.figures.plainSpent, err = d.drive(ctx, "Plain", d.Duration/5, func(p Progress, t time.Duration) {
		d.screen.livef("%4.1f s  %d reads without mlcache  %.0f/s", t.Seconds(), p.Plain, float64(p.Plain)/t.Seconds())
	}, func() error { return nil })
	return err
}

// priceEvery is how many writes of the load go to one new price; the others are
// orders.
const priceEvery = 5

// readThrough is the load: both processes read, and one of them writes now and
// then.
func (d *demo) readThrough(ctx context.Context) (err error) {
	source := d.shop.Source(d.random.Uint64())
	next := time.Now().Add(d.WriteEvery)
	d.figures.cachedSpent, err = d.drive(ctx, "Load", d.Duration, func(p Progress, t time.Duration) {
		total := max(1, p.L1+p.L2+p.Origin)
		share := func(n uint64) float64 { return 100 * float64(n) / float64(total) }
		d.screen.livef("%4.1f s  %d reads  L1 %.0f%%  L2 %.0f%%  database %.0f%%  %.0f/s  %d writes", t.Seconds(),
			total, share(p.L1), share(p.L2), share(p.Origin), float64(total)/t.Seconds(), d.figures.writes)
	}, func() error {
		if d.WriteEvery <= 0 || time.Now().Before(next) {
			return nil
		}
		next = time.Now().Add(d.WriteEvery)
		n := d.figures.writes
		d.figures.writes++
		c := shop.Change{Product: source.Product()}
		if n%priceEvery != priceEvery-1 {
			c.Customer = source.Customer()
		}
		_, err := d.change(ctx, n%len(d.fleet), c)
		return err
	})
	return err
}

// change has a process make a change.
func (d *demo) change(ctx context.Context, process int, c shop.Change) (Span, error) {
	return d.history.change(ctx, c, process, func(c shop.Change) (s Span, err error) {
		return s, d.fleet[process].call(ctx, "Change", c, &s)
	})
}

// spread measures how long after a write in one process the other one serves the
// new answer: the other holds the old one in its memory and asks all the time.
func (d *demo) spread(ctx context.Context) error {
	source := d.shop.Source(d.random.Uint64())
	for attempts := 0; len(d.figures.delays) < d.Rounds; attempts++ {
		if attempts == 3*d.Rounds {
			return fmt.Errorf("mlcache: of %d writes only %d were awaited in time", attempts, len(d.figures.delays))
		}
		writer := attempts % len(d.fleet)
		reader := (writer + 1) % len(d.fleet)
		delay, ok, err := d.round(ctx, d.fleet[reader], writer, source.Product())
		if err != nil {
			return err
		}
		if delay < 0 {
			return nil // verify will say that the old answer was given for too long
		}
		if ok {
			d.figures.delays = append(d.figures.delays, delay)
			d.screen.livef("A write in process %d: process %d serves it %s later (%d of %d)",
				writer+1, reader+1, short(delay), len(d.figures.delays), d.Rounds)
		}
	}
	slices.Sort(d.figures.delays)
	return nil
}

// awaitMargin is how long past the bound to wait for a new answer.
const awaitMargin = time.Second

// round is one write and one wait. It does not count, ok is false, when the
// reader had not begun to ask before the write was sent. A negative delay means
// that the reader never saw the write.
func (d *demo) round(ctx context.Context, reader *remote, writer int, product int64) (delay time.Duration, ok bool, err error) {
	q := shop.Question{Shape: shop.ProductByID, Key: product}
	var old shop.Answer
	if err := reader.call(ctx, "Warm", q, &old); err != nil {
		return 0, false, err
	}
	var seen Awaited
	done := make(chan error, 1)
	go func() {
		done <- reader.call(ctx, "Await", Await{Question: q, Old: old, Limit: d.Bound + awaitMargin}, &seen)
	}()
	// The write must not come at the same moment of the cache's own rhythm in
	// every round.
	select {
	case <-time.After(10*time.Millisecond + time.Duration(d.random.Int64N(int64(50*time.Millisecond)))):
	case <-ctx.Done():
		return 0, false, ctx.Err()
	}
	s, err := d.change(ctx, writer, shop.Change{Product: product})
	if err == nil {
		var own shop.Answer
		err = d.fleet[writer].call(ctx, "Ask", q, &own) // judged with all others: a process sees its own write
	}
	if err != nil {
		return 0, false, err
	}
	if err := <-done; err != nil {
		return 0, false, err
	}
	if seen.Seen == 0 {
		return -1, false, ctx.Err()
	}
	return max(0, time.Duration(seen.Seen-s.Acked)), seen.Started < s.Sent, nil
}

// verify compares every answer of both processes with the database's.
func (d *demo) verify(ctx context.Context) error {
	begun := time.Now()
	results := make([]Verified, len(d.fleet))
	done := make(chan error, 1)
	pasts := d.history.list()
	go func() {
		done <- d.fleet.each(ctx, "Verify", func(int) any { return Verify{Pasts: pasts} }, func(i int) any { return &results[i] })
	}()
	tick := time.NewTicker(liveInterval)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			for _, r := range results {
				d.figures.verified.add(r)
			}
			d.figures.verification = time.Since(begun)
			return err
		case <-tick.C:
			p, err := d.fleet.progress(ctx)
			if err != nil {
				return err
			}
			d.screen.livef("Comparing every answer with the database's: %d questions asked", p.Checked)
		}
	}
}

func (v *Verified) add(w Verified) {
	v.Answers += w.Answers
	v.Questions += w.Questions
	v.Wrong += w.Wrong
	v.Mistakes = append(v.Mistakes, w.Mistakes...)
	v.Oldest = max(v.Oldest, w.Oldest)
}
