package cache_test

import (
	"context"
	"fmt"
	"time"

	"github.com/mlcache/mlcache/cache"
)

// An answer is stored with the versions of what it depends on, and is no answer
// any more once one of them has changed.
func ExampleMatch() {
	ctx := context.Background()
	level := cache.NewMemory(1 << 20)
	defer level.Close()

	key, _ := cache.AppendArg([]byte("price of product "), int64(7))
	products, prices := uint64(11), uint64(22) // versions, read before the answer was computed
	now := time.Now()
	entry, err := cache.AppendEntry(nil, &cache.Header{
		Stamps:   []uint64{products, prices},
		StoredAt: now.UnixMilli(),
		Deadline: now.Add(time.Minute).UnixMilli(),
	}, []byte("9.99"))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := level.Set(ctx, key, entry, time.Minute); err != nil {
		fmt.Println(err)
		return
	}

	ask := func() {
		stored, ok := level.Lookup(key, nil)
		if !ok {
			fmt.Println("miss")
			return
		}
		if answer, ok := cache.Match(stored, []uint64{products, prices}, now.UnixMilli()); ok {
			fmt.Printf("%s\n", answer)
		} else {
			fmt.Println("outdated")
		}
	}
	ask()
	prices++ // somebody has written
	ask()
	// Output:
	// 9.99
	// outdated
}
