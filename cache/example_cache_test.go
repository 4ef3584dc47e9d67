package cache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/mlcache/mlcache/cache"
)

func newCache() (*cache.Cache, func()) {
	l1 := cache.NewMemory(1 << 20)
	c, err := cache.New(cache.Config{L1: l1})
	if err != nil {
		log.Fatal(err)
	}
	return c, func() { l1.Close() }
}

func ExampleNew() {
	l1 := cache.NewMemory(1 << 20)
	defer l1.Close()
	c, err := cache.New(cache.Config{L1: l1, L1TTL: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := c.Set(ctx, "greeting", []byte("hello")); err != nil {
		log.Fatal(err)
	}
	value, err := c.Get(ctx, "greeting")
	fmt.Println(string(value), err)
	_, err = c.Get(ctx, "farewell")
	fmt.Println(errors.Is(err, cache.ErrMiss))
	// Output:
	// hello <nil>
	// true
}

// Get or set: the value comes from the cache or, once, from the origin.
func ExampleCache_GetOrLoad() {
	c, end := newCache()
	defer end()
	load := func(context.Context) ([]byte, error) {
		fmt.Println("asking the origin")
		return []byte("9.99"), nil
	}
	for range 2 {
		price, err := c.GetOrLoad(context.Background(), "price:7", load)
		fmt.Println(string(price), err)
	}
	// Output:
	// asking the origin
	// 9.99 <nil>
	// 9.99 <nil>
}

// Delete makes a key a miss in both levels and in every process.
func ExampleCache_Delete() {
	c, end := newCache()
	defer end()
	ctx := context.Background()
	_ = c.Set(ctx, "price:7", []byte("9.99"))
	fmt.Println(c.Delete(ctx, "price:7"))
	_, err := c.Get(ctx, "price:7")
	fmt.Println(err)
	// Output:
	// <nil>
	// mlcache: cache miss
}

// DeletePrefix makes all keys under a prefix misses.
func ExampleCache_DeletePrefix() {
	c, end := newCache()
	defer end()
	ctx := context.Background()
	_ = c.Set(ctx, "user:1:name", []byte("Ada"))
	_ = c.Set(ctx, "user:1:mail", []byte("ada@example.org"))
	_ = c.Set(ctx, "user:2:name", []byte("Grace"))
	_, _ = c.DeletePrefix(ctx, "user:1:")
	for _, key := range []string{"user:1:name", "user:1:mail", "user:2:name"} {
		value, _ := c.Get(ctx, key)
		fmt.Printf("%s %q\n", key, value)
	}
	// Output:
	// user:1:name ""
	// user:1:mail ""
	// user:2:name "Grace"
}

// A namespace has a version: Clear makes all its keys misses at once.
func ExampleCache_Clear() {
	c, end := newCache()
	defer end()
	ctx := context.Background()
	prices := c.Namespace("prices")
	_ = prices.Set(ctx, "7", []byte("9.99"))
	_ = c.Namespace("stock").Set(ctx, "7", []byte("3 left"))
	_ = prices.Clear(ctx)
	_, err := prices.Get(ctx, "7")
	stock, _ := c.Namespace("stock").Get(ctx, "7")
	fmt.Println(errors.Is(err, cache.ErrMiss), string(stock))
	// Output: true 3 left
}

func ExampleCache_GetMany() {
	c, end := newCache()
	defer end()
	ctx := context.Background()
	_ = c.Set(ctx, "a", []byte("1"))
	_ = c.Set(ctx, "b", []byte("2"))
	found, err := c.GetMany(ctx, []string{"a", "b", "c"})
	fmt.Println(len(found), string(found["a"]), string(found["b"]), err)
	// Output: 2 1 2 <nil>
}

// A decorator: the function stays the same for who calls it.
func ExampleMemoize() {
	c, end := newCache()
	defer end()
	type product struct {
		Name  string
		Price float64
	}
	find := func(_ context.Context, id int) (product, error) {
		fmt.Println("asking for", id)
		return product{"tea", 9.99}, nil
	}
	find = cache.Memoize(c, "product", cache.JSON[product](), find)
	for range 2 {
		p, err := find(context.Background(), 7)
		fmt.Println(p.Name, p.Price, err)
	}
	// Output:
	// asking for 7
	// tea 9.99 <nil>
	// tea 9.99 <nil>
}

// Reads go through the cache; writes go around it, to the origin, and make the key a
// miss.
func ExampleWriteAround() {
	c, end := newCache()
	defer end()
	table := map[int]string{7: "tea"}
	products := &cache.WriteAround[int, string]{
		Cache: c, Name: "product",
		Load:   func(_ context.Context, id int) (string, error) { return table[id], nil },
		Store:  func(_ context.Context, id int, name string) error { table[id] = name; return nil },
		Delete: func(_ context.Context, id int) error { delete(table, id); return nil },
	}
	ctx := context.Background()
	name, _ := products.Get(ctx, 7)
	fmt.Println(name)
	fmt.Println(products.Put(ctx, 7, "coffee"))
	name, _ = products.Get(ctx, 7)
	fmt.Println(name)
	fmt.Println(products.Remove(ctx, 7))
	// Output:
	// tea
	// <nil>
	// coffee
	// <nil>
}

// An entry that is asked for often stays in L1 for longer than others, up to Max.
func ExampleAdaptive() {
	l1 := cache.NewMemory(1 << 20)
	defer l1.Close()
	c, err := cache.New(cache.Config{
		L1: l1, L1TTL: time.Second,
		Adaptive: &cache.Adaptive{Max: time.Minute},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for range 100 { // front is asked for all the time
		_ = c.Set(ctx, "front", []byte("page"))
		_, _ = c.Get(ctx, "front")
	}
	_ = c.Set(ctx, "imprint", []byte("page"))
	time.Sleep(1100 * time.Millisecond)
	for _, key := range []string{"front", "imprint"} {
		_, err := c.Get(ctx, key)
		fmt.Println(key, err)
	}
	// Output:
	// front <nil>
	// imprint mlcache: cache miss
}

// Memory keeps what it holds for a shorter time than Redis does, by Config and by call:
// it is the level that hears of changes last.
func ExampleWithTTL() {
	c, end := newCache()
	defer end()
	ctx := context.Background()
	_ = c.Set(ctx, "price:7", []byte("9.99"), cache.WithTTL(10*time.Millisecond, time.Hour))
	_ = c.Set(ctx, "price:8", []byte("19.99")) // 30 seconds in memory, 5 minutes in Redis
	time.Sleep(20 * time.Millisecond)
	for _, key := range []string{"price:7", "price:8"} {
		price, err := c.Get(ctx, key)
		fmt.Printf("%q %v\n", price, err)
	}
	// Output:
	// "" mlcache: cache miss
	// "19.99" <nil>
}

// How large must L1 be for a million entries of 300 bytes?
func ExampleL1Size() {
	size := cache.L1Size(300, 1_000_000)
	fmt.Printf("%d MiB\n", size>>20)
	fmt.Println(cache.L1Entries(300, size))
	// Output:
	// 329 MiB
	// 1000000
}

func ExampleNewSealer() {
	key, old := bytes.Repeat([]byte("n"), cache.SealKeySize), bytes.Repeat([]byte("o"), cache.SealKeySize)
	sealer, err := cache.NewSealer(key, old) // opens what old has sealed, seals with key
	fmt.Println(sealer != nil, err)
	_, err = cache.NewSealer([]byte("too short"))
	fmt.Println(err)
	// Output:
	// true <nil>
	// mlcache: an encryption key must have 32 bytes
}

// Hit rates per level.
func ExampleCache_Stats() {
	c, end := newCache()
	defer end()
	ctx := context.Background()
	_ = c.Set(ctx, "a", []byte("1"))
	for _, key := range []string{"a", "a", "a", "b"} {
		_, _ = c.Get(ctx, key)
	}
	fmt.Printf("%.0f%%\n", 100*c.Stats().L1.HitRate())
	// Output: 75%
}
