package invalidation_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/invalidation"
)

// An answer is kept with the versions read before it was asked for, and is good while
// they are the same. A change is fenced before it can become visible.
func ExampleOpen() {
	v, err := invalidation.Open(invalidation.Config{}) // without Redis: this process alone
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	ctx := context.Background()
	orders := v.Cell("orders")

	// A read.
	if err := v.Ensure(ctx, []*invalidation.Cell{orders}); err != nil {
		log.Fatal(err)
	}
	epoch, version := v.Epoch().Load(), orders.Load()
	// … ask the origin, and keep the answer under epoch and version.
	good := func() bool {
		return version != 0 && v.Live(time.Second) && v.Epoch().Load() == epoch && orders.Load() == version
	}
	fmt.Println("good:", good())

	// Whether Redis has been asked since, and whether the answer holds by what Redis says now: with Redis, ErrStale
	// would leave its versions in nonces.
	nonces := []uint64{version}
	fmt.Println("asked since:", v.CurrentSince(time.Now()), v.Update(ctx, []*invalidation.Cell{orders}, nonces, nil))

	// A write.
	fence, err := v.Fence(ctx, []string{orders.Scope()}, invalidation.FenceOptions{})
	if err != nil {
		log.Fatal(err)
	}
	if err := fence.Add(ctx, "stock"); err != nil { // what is learnt of late
		log.Fatal(err)
	}
	fmt.Println("while it is written:", good(), orders.Load())
	if err := fence.Ensure(ctx); err != nil { // just before COMMIT
		log.Fatal(err)
	}
	fmt.Println("the fence stands:", fence.Valid())
	if err := fence.Release(ctx, invalidation.Committed); err != nil {
		log.Fatal(err)
	}
	fmt.Println("afterwards:", good(), orders.Load() != 0)
	fmt.Println(v.Stats().Fences, "fence,", v.Stats().OpenFences, "open,", v.Changes()["orders"], "change")
	// Output:
	// good: true
	// asked since: true <nil>
	// while it is written: false 0
	// the fence stands: true
	// afterwards: false true
	// 1 fence, 0 open, 1 change
}

// Without Redis, who has the cells at hand needs no fence.
func ExampleVersions_Hold() {
	v, err := invalidation.Open(invalidation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	cells := []*invalidation.Cell{v.Cell("orders"), v.Cell("stock")}
	before := cells[0].Load()
	v.Hold(cells)
	fmt.Println("while it is written:", cells[0].Load(), cells[1].Load())
	v.LetGo(cells, invalidation.Committed, invalidation.Assumption{}, "")
	fmt.Println("another version:", cells[0].Load() != 0 && cells[0].Load() != before)
	// Output:
	// while it is written: 0 0
	// another version: true
}

// For a change that was made elsewhere.
func ExampleVersions_Invalidate() {
	v, err := invalidation.Open(invalidation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	ctx := context.Background()
	v.OnChange("orders", func() { fmt.Println("orders has changed") })
	v.OnChangeApart("customers", func() { fmt.Println("customers has changed") }, func() { fmt.Println("everything has changed") })
	cells := []*invalidation.Cell{v.Epoch(), v.Cell("orders")}
	versions := []uint64{cells[0].Load(), cells[1].Load()}
	fmt.Println(v.Current(ctx, cells, versions, nil))
	if err := v.Invalidate(ctx, "orders"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.Current(ctx, cells, versions, nil))
	// Output:
	// <nil>
	// orders has changed
	// mlcache: invalidation: a version has changed
}

// The keys of a cache have versions in a fixed number of buckets.
func ExampleNewBuckets() {
	v, err := invalidation.Open(invalidation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	buckets := invalidation.NewBuckets(v, "keys", 0)
	l1 := cache.NewMemory(1 << 20)
	defer l1.Close()
	c, err := cache.New(cache.Config{L1: l1, Versions: buckets})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	_ = c.Set(ctx, "price:7", []byte("9.99"))
	_, _ = buckets.Change(ctx, []int{0, 1, 2}) // three of them: most keys are still good
	price, err := c.Get(ctx, "price:7")
	stamps, ok := buckets.Stamps(ctx, nil, []int{0, 1, 2})
	fmt.Println(buckets.Buckets(), string(price), err, len(stamps), ok)
	// Output: 4096 9.99 <nil> 4 true
}

// What an operator sees of a namespace: each change as it happens, and the state in
// Redis.
func ExampleWatch_redis() {
	opt, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	client := redis.NewClient(opt)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	v, err := invalidation.Open(invalidation.Config{Client: client, Namespace: "example-watch"})
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	if err := v.Ensure(ctx, nil); err != nil {
		log.Fatal(err)
	}

	write := func() {
		if err := v.Invalidate(ctx, "orders"); err != nil {
			log.Print(err)
		}
	}
	err = invalidation.Watch(ctx, client, "example-watch", func() { go write() }, func(e invalidation.Event) {
		fmt.Println(e.Kind, e.Scopes)
		cancel()
	})
	fmt.Println(err)
	state, err := invalidation.Inspect(context.Background(), client, "example-watch")
	fmt.Println(state.Exists, len(state.Fences), err)
	// Output:
	// release [orders]
	// <nil>
	// true 0 <nil>
}
