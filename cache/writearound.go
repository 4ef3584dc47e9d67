package cache

import "context"

// WriteAround is a repository whose reads go through a cache and whose writes go
// around it: Put and Remove change the origin and then make the key a miss, so that
// the next reader loads what is there. It is for values that are written more often
// than what is written is read at once. The methods are safe for concurrent use if
// the functions are.
type WriteAround[K comparable, V any] struct {
	// Cache holds what was read. It must not be nil.
	Cache *Cache
	// Name begins the keys of this repository.
	Name string
	// Codec is JSON if nil.
	Codec Codec[V]
	// Load reads a value from the origin.
	Load func(context.Context, K) (V, error)
	// Store writes one to the origin; Delete removes one. Either may be nil if
	// Put or Remove is not used.
	Store  func(context.Context, K, V) error
	Delete func(context.Context, K) error
	// Options are those of each Get.
	Options []Option
}

func (w *WriteAround[K, V]) key(k K) (string, error) {
	b, err := JSON[K]().Marshal(k)
	if err != nil {
		return "", errEncode(err)
	}
	return w.Name + string(Separator) + string(b), nil
}

// Get returns the value from the cache, or loads and keeps it. Errors are Load's own,
// which are not kept, or the codec's.
func (w *WriteAround[K, V]) Get(ctx context.Context, k K) (V, error) {
	key, err := w.key(k)
	if err != nil {
		var zero V
		return zero, err
	}
	codec := w.Codec
	if codec == nil {
		codec = JSON[V]()
	}
	return loadAs(ctx, w.Cache, key, codec, func(ctx context.Context) (V, error) { return w.Load(ctx, k) }, w.Options)
}

// Put stores the value in the origin. Its error is Store's: also then the key
// becomes a miss, since the origin may have changed all the same. That other
// processes could not be told is no error of the write; see Set.
func (w *WriteAround[K, V]) Put(ctx context.Context, k K, v V) error {
	return w.change(ctx, k, func() error { return w.Store(ctx, k, v) })
}

// Remove deletes the value from the origin, as Put stores it.
func (w *WriteAround[K, V]) Remove(ctx context.Context, k K) error {
	return w.change(ctx, k, func() error { return w.Delete(ctx, k) })
}

func (w *WriteAround[K, V]) change(ctx context.Context, k K, change func() error) error {
	key, err := w.key(k)
	if err != nil {
		return err
	}
	// The caller's context may end while the origin answers; the key must go all
	// the same.
	// That others could not be told is no error of the write.
	defer func() { _ = w.Cache.Delete(context.WithoutCancel(ctx), key) }()
	return change()
}
