package cache

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// lostVersions are those of a process that cannot be told what has changed, nor tell.
type lostVersions struct{}

var errLost = errors.New("lost")

func (lostVersions) Buckets() int { return 64 }
func (lostVersions) Stamps(_ context.Context, dst []uint64, _ []int) ([]uint64, bool) {
	return dst, false
}
func (lostVersions) Change(context.Context, []int) ([]uint64, error) { return nil, errLost }

// Who begins after a change has returned never gets what a load reads that had begun before
// it, whatever made the change, and whether or not it could be made known.
func TestALoadFromBeforeAChangeIsNotJoinedAfterIt(t *testing.T) {
	t.Parallel()
	const key = "user:1:name"
	around := func(c *Cache) *WriteAround[string, string] {
		return &WriteAround[string, string]{
			Cache: c, Name: "user:1",
			Store:  func(context.Context, string, string) error { return nil },
			Delete: func(context.Context, string) error { return errors.New("the outcome is not known") },
		}
	}
	for name, change := range map[string]func(ctx context.Context, c *Cache) error{
		"Delete":        func(ctx context.Context, c *Cache) error { return c.Delete(ctx, "other", key) },
		"Clear":         func(ctx context.Context, c *Cache) error { return c.Clear(ctx) },
		"DeletePrefix":  func(ctx context.Context, c *Cache) error { _, err := c.DeletePrefix(ctx, "user:"); return err },
		"a deep prefix": func(ctx context.Context, c *Cache) error { _, err := c.DeletePrefix(ctx, "user:1:"); return err },
		"Set, and ended": func(ctx context.Context, c *Cache) error {
			return c.Set(ctx, key, []byte("new"), WithTTL(time.Millisecond, 0))
		},
	} {
		for versions, v := range map[string]Versions{"known": nil, "lost": lostVersions{}} {
			t.Run(name+" with versions "+versions, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c, err := New(Config{Versions: v})
					if err != nil {
						t.Fatal(err)
					}
					first := make(chan struct{})
					go func() {
						_, _ = c.GetOrLoad(t.Context(), key, func(context.Context) ([]byte, error) {
							<-first
							return []byte("old"), nil
						})
					}()
					synctest.Wait()
					if err := change(t.Context(), c); err != nil && !errors.Is(err, errLost) {
						t.Fatal(err)
					}
					time.Sleep(2 * time.Millisecond)
					done := make(chan string, 1)
					go func() {
						b, err := c.GetOrLoad(t.Context(), key, func(context.Context) ([]byte, error) { return []byte("new"), nil })
						if err != nil {
							t.Error(err)
						}
						done <- string(b)
					}()
					synctest.Wait()
					close(first)
					if got := <-done; got != "new" {
						t.Errorf("begun after the change: %q", got)
					}
				})
			})
		}
	}
	for name, write := range map[string]func(ctx context.Context, w *WriteAround[string, string]) error{
		"Put":                  func(ctx context.Context, w *WriteAround[string, string]) error { return w.Put(ctx, "k", "new") },
		"a Remove that failed": func(ctx context.Context, w *WriteAround[string, string]) error { _ = w.Remove(ctx, "k"); return nil },
		"a Put that was left": func(ctx context.Context, w *WriteAround[string, string]) error {
			ctx, end := context.WithCancel(ctx)
			end()
			return w.Put(ctx, "k", "new")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, err := New(Config{})
				if err != nil {
					t.Fatal(err)
				}
				w, first, loads := around(c), make(chan struct{}), 0
				w.Load = func(context.Context, string) (string, error) {
					if loads++; loads > 1 {
						return "new", nil
					}
					<-first
					return "old", nil
				}
				go func() { _, _ = w.Get(t.Context(), "k") }()
				synctest.Wait()
				if err := write(t.Context(), w); err != nil {
					t.Fatal(err)
				}
				done := make(chan string, 1)
				go func() {
					v, err := w.Get(t.Context(), "k")
					if err != nil {
						t.Error(err)
					}
					done <- v
				}()
				synctest.Wait()
				close(first)
				if got := <-done; got != "new" {
					t.Errorf("begun after the write: %q", got)
				}
			})
		})
	}
}

// A change of one key takes nothing from those who wait for another's.
func TestAChangeOfAnotherKeyLeavesALoadShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		first, loads := make(chan struct{}), 0
		load := func(context.Context) ([]byte, error) {
			loads++
			<-first
			return []byte("value"), nil
		}
		for range 10 {
			go func() { _, _ = c.GetOrLoad(t.Context(), "key", load) }()
			synctest.Wait()
			if err := c.Delete(t.Context(), "other"); err != nil {
				t.Error(err)
			}
		}
		close(first)
		synctest.Wait()
		if loads != 1 {
			t.Errorf("%d loads", loads)
		}
	})
}

// While the versions are not known a crowd still makes few loads.
func TestACrowdWithoutVersionsMakesFewLoads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Config{Versions: lostVersions{}})
		if err != nil {
			t.Fatal(err)
		}
		loads := 0
		for range 1000 {
			go func() {
				_, _ = c.GetOrLoad(t.Context(), "key", func(context.Context) ([]byte, error) {
					loads++
					time.Sleep(time.Second)
					return []byte("value"), nil
				})
			}()
		}
		synctest.Wait()
		time.Sleep(2 * time.Second)
		if loads != 1 {
			t.Errorf("%d loads", loads)
		}
	})
}
