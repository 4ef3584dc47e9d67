package integration

import (
	"context"
	"testing"
	"time"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/integration/harness"
)

// What another process has changed is loaded anew by who begins when the change is known here, though a load from before it
// is still under way; and so it is at once in the process that has made the change.
func TestALoadFromBeforeAChangeElsewhereIsNotJoined(t *testing.T) {
	t.Parallel()
	namespace := harness.NewNamespace(t)
	a, _ := cacheOf(t, namespace, nil)
	b, _ := cacheOf(t, namespace, nil)
	first, begun := make(chan struct{}), make(chan struct{}, 2)
	ended := make(chan struct{}, 2)
	defer func() {
		close(first)
		<-ended
		<-ended
	}()
	for _, c := range []*cache.Cache{a, b} {
		go func() {
			_, _ = c.GetOrLoad(t.Context(), "key", func(context.Context) ([]byte, error) {
				begun <- struct{}{}
				<-first
				return []byte("old"), nil
			})
			ended <- struct{}{}
		}()
		<-begun
	}
	if err := a.Delete(t.Context(), "key"); err != nil {
		t.Fatal(err)
	}
	load := func(context.Context) ([]byte, error) { return []byte("new"), nil }
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if got, err := a.GetOrLoad(ctx, "key", load); err != nil || string(got) != "new" {
		t.Errorf("in the process that has changed it: %q, %v", got, err)
	}
	harness.Eventually(t, 10*time.Second, "the change is known", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		got, err := b.GetOrLoad(ctx, "key", load)
		return err == nil && string(got) == "new"
	})
}
