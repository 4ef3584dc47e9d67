package invalidation

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"
)

// Buckets divide what has no scopes of its own, such as the keys of a cache, into a fixed number of scopes, so that the
// versions of any number of keys take bounded memory. They have the methods of cache.Versions. All methods are safe for
// concurrent use.
type Buckets struct {
	v     *Versions
	name  string
	cells []atomic.Pointer[Cell]
}

// DefaultBuckets is how many buckets there are unless told otherwise.
const DefaultBuckets = 4096

// NewBuckets gives n buckets, DefaultBuckets if n is not positive, whose scopes are the name, a NUL and a number. Every
// process must give the same name and n. They live as long as v.
func NewBuckets(v *Versions, name string, n int) *Buckets {
	if n <= 0 {
		n = DefaultBuckets
	}
	return &Buckets{v: v, name: name, cells: make([]atomic.Pointer[Cell], n)}
}

// Buckets is how many there are.
func (b *Buckets) Buckets() int { return len(b.cells) }

func (b *Buckets) scope(i int) string { return b.name + "\x00" + strconv.Itoa(i) }

func (b *Buckets) cell(i int) *Cell {
	if c := b.cells[i].Load(); c != nil {
		return c
	}
	// The same scope gives the same cell, so it does not matter who comes first.
	c := b.v.Cell(b.scope(i))
	b.cells[i].Store(c)
	return c
}

// Stamps appends the versions of the buckets, in their order, and then that of everything; ok is false while one of
// them is unknown or being changed, and while the lease of [Versions.Live] has run out. It asks Redis only for what is not known
// yet. What was read while ok was false must not be stored.
func (b *Buckets) Stamps(ctx context.Context, dst []uint64, buckets []int) (stamps []uint64, ok bool) {
	start := len(dst)
	if stamps, ok = b.read(dst, buckets); ok {
		return stamps, true
	}
	cells := make([]*Cell, len(buckets))
	for i, n := range buckets {
		cells[i] = b.cell(n)
	}
	if err := b.v.Ensure(ctx, cells); err != nil {
		return dst[:start], false
	}
	return b.read(dst[:start], buckets)
}

func (b *Buckets) read(dst []uint64, buckets []int) ([]uint64, bool) {
	// After a loss of versions, changes may be under way that nobody here knows of.
	ok := b.v.Live(time.Duration(b.v.bound.Load())) && b.v.Quarantine() == 0
	// The version of everything is read first: when it is the same at a later comparison, the others were read under
	// it.
	all := b.v.Epoch().Load()
	ok = ok && all != 0
	for _, n := range buckets {
		nonce := b.cell(n).Load()
		ok = ok && nonce != 0
		dst = append(dst, nonce)
	}
	return append(dst, all), ok
}

// Change gives the buckets new versions and returns them, in their order: those that this call has made. Errors are
// those of [Versions.Invalidate]; the change is then delivered as soon as Redis answers.
func (b *Buckets) Change(ctx context.Context, buckets []int) ([]uint64, error) {
	scopes := make([]string, len(buckets))
	for i, n := range buckets {
		scopes[i] = b.scope(n)
	}
	made, err := b.v.change(ctx, scopes)
	if err != nil {
		return nil, err
	}
	stamps := make([]uint64, len(buckets))
	for i, s := range scopes {
		stamps[i] = made[s]
	}
	return stamps, nil
}
