// Package policy says whether an answer is kept, for how long, and how stale it may be.
package policy

import "time"

// Staleness says how long answers may be used beyond their bound, while they are renewed and where the database cannot be
// reached, and how long before their end they are renewed. In options and hints zero stands for "not said", and negative for
// "none".
type Staleness struct{ Stale, OnError, Early time.Duration }

// Merge fills in what is not said.
func (s Staleness) Merge(other Staleness) Staleness {
	for _, d := range []struct{ to, from *time.Duration }{
		{&s.Stale, &other.Stale}, {&s.OnError, &other.OnError}, {&s.Early, &other.Early},
	} {
		if *d.to == 0 {
			*d.to = *d.from
		}
	}
	return s
}

// Least is the smaller of each: what one of two tables does not allow both do not.
func (s Staleness) Least(other Staleness) Staleness {
	return Staleness{min(s.Stale, other.Stale), min(s.OnError, other.OnError), min(s.Early, other.Early)}
}

// OrZero is without "none".
func (s Staleness) OrZero() Staleness {
	return Staleness{max(s.Stale, 0), max(s.OnError, 0), max(s.Early, 0)}
}

// Keep is how much longer than until its end an entry is of use in memory.
func (s Staleness) Keep() time.Duration { return max(s.Stale, s.OnError) }

// Shorter is the smaller of two times to live, of which zero is none.
func Shorter(a, b time.Duration) time.Duration {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}
