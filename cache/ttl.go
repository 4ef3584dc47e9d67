package cache

import (
	"math/rand/v2"
	"time"
)

// Jitter shortens ttl by a random part of it, at most fraction, so that
// entries stored together do not expire together. It never lengthens: what was
// promised to end after ttl has ended by then. The result is uniform in
// (ttl*(1-fraction), ttl] and always positive when ttl is.
//
// A fraction of zero, less, or not a number returns ttl as it is; one above 1
// counts as 1. A ttl of zero or less is returned as it is.
func Jitter(ttl time.Duration, fraction float64) time.Duration {
	if ttl <= 0 || !(fraction > 0) {
		return ttl
	}
	most := ttl - 1
	// Compared as floats, since the product may not fit an int64.
	if cut := float64(ttl) * fraction; cut < float64(most) {
		most = time.Duration(cut)
	}
	if most <= 0 {
		return ttl
	}
	return ttl - rand.N(most)
}
