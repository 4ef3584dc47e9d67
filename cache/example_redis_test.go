package cache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/invalidation"
)

// A cache of two levels for many processes: memory, and Redis, whose versions tell
// each process what the others have changed.
func ExampleNew_redis() {
	opt, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	client := redis.NewClient(opt)
	defer client.Close()
	versions, err := invalidation.Open(invalidation.Config{Client: client, Namespace: "shop"})
	if err != nil {
		log.Fatal(err)
	}
	defer versions.Close()
	l1 := cache.NewMemory(64 << 20)
	defer l1.Close()
	c, err := cache.New(cache.Config{
		L1: l1, L1TTL: 30 * time.Second,
		Redis: client, L2TTL: 10 * time.Minute, Prefix: "shop",
		Versions: invalidation.NewBuckets(versions, "keys", 0),
	})
	if err != nil {
		log.Fatal(err)
	}
	price, err := c.GetOrLoad(context.Background(), "price:7", func(context.Context) ([]byte, error) {
		return []byte("9.99"), nil // ask the origin
	})
	fmt.Println(string(price), err)
	// Output: 9.99 <nil>
}

// process gives what each process of a program has of its own: memory, versions and
// a client of the Redis that they share.
func process() (*cache.Cache, func()) {
	opt, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	client := redis.NewClient(opt)
	versions, err := invalidation.Open(invalidation.Config{Client: client, Namespace: "example"})
	if err != nil {
		log.Fatal(err)
	}
	l1 := cache.NewMemory(1 << 20)
	c, err := cache.New(cache.Config{
		L1: l1, Redis: client, Prefix: "example",
		Versions: invalidation.NewBuckets(versions, "keys", 0),
	})
	if err != nil {
		log.Fatal(err)
	}
	return c, func() { versions.Close(); l1.Close(); client.Close() }
}

// What one process stores, another finds in Redis, and from then on in its own memory.
func ExampleCache_Get_redis() {
	ctx := context.Background()
	a, endA := process()
	defer endA()
	b, endB := process()
	defer endB()
	if err := a.Set(ctx, "price:7", []byte("9.99")); err != nil {
		log.Fatal(err)
	}
	for range 3 {
		price, err := b.Get(ctx, "price:7")
		fmt.Println(string(price), err)
	}
	s := b.Stats()
	fmt.Println(s.L2.Hits, "from Redis,", s.L1.Hits, "from memory")
	// Output:
	// 9.99 <nil>
	// 9.99 <nil>
	// 9.99 <nil>
	// 1 from Redis, 2 from memory
}

// gone waits for the message to arrive, milliseconds as a rule. A process that hears
// nothing serves nothing older than invalidation.Config.MaxStaleness.
func gone(c *cache.Cache, key string) bool {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, err := c.Get(context.Background(), key); errors.Is(err, cache.ErrMiss) {
			return true
		}
	}
	return false
}

// A key that one process deletes is told to the others over pub/sub, and is gone from
// their memory.
func ExampleCache_Delete_redis() {
	ctx := context.Background()
	a, endA := process()
	defer endA()
	b, endB := process()
	defer endB()
	_ = a.Set(ctx, "price:7", []byte("9.99"))
	price, err := b.Get(ctx, "price:7") // and in b's memory from now on
	fmt.Println(string(price), err)
	fmt.Println(a.Delete(ctx, "price:7"))
	fmt.Println(gone(b, "price:7"))
	// Output:
	// 9.99 <nil>
	// <nil>
	// true
}

// All keys under a prefix at once, in every process.
func ExampleCache_DeletePrefix_redis() {
	ctx := context.Background()
	a, endA := process()
	defer endA()
	b, endB := process()
	defer endB()
	_ = a.Set(ctx, "user:1:name", []byte("Ada"))
	_ = a.Set(ctx, "user:1:mail", []byte("ada@example.org"))
	_ = a.Set(ctx, "user:2:name", []byte("Grace"))
	_, _ = b.GetMany(ctx, []string{"user:1:name", "user:1:mail", "user:2:name"})
	freed, err := a.DeletePrefix(ctx, "user:1:")
	fmt.Println(freed, err)
	fmt.Println(gone(b, "user:1:name"), gone(b, "user:1:mail"))
	name, err := b.Get(ctx, "user:2:name")
	fmt.Println(string(name), err)
	// Output:
	// 2 <nil>
	// true true
	// Grace <nil>
}

// A process that starts with an empty memory finds in Redis what the last one left.
func ExampleCache_GetOrLoad_redis() {
	ctx := context.Background()
	load := func(context.Context) ([]byte, error) {
		fmt.Println("asking the origin")
		return []byte("9.99"), nil
	}
	for i := range 2 {
		c, end := process()
		if i == 0 {
			_ = c.Delete(ctx, "price:7") // of an earlier run
		}
		price, err := c.GetOrLoad(ctx, "price:7", load)
		fmt.Println(string(price), err)
		end()
	}
	// Output:
	// asking the origin
	// 9.99 <nil>
	// 9.99 <nil>
}

// The second level by itself: the names of its keys show nothing of them.
func ExampleNewRedis_redis() {
	opt, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	client := redis.NewClient(opt)
	defer client.Close()
	level := cache.NewRedis(client, "example")
	ctx := context.Background()
	key := []byte("card 4711")
	if err := level.Set(ctx, key, []byte("v"), time.Minute); err != nil {
		log.Fatal(err)
	}
	value, err := level.Get(ctx, key, nil)
	fmt.Println(string(value), err)
	fmt.Println(level.Delete(ctx, key), level.Name(key))
	// Output:
	// v <nil>
	// <nil> example:e:b3LUKudWFmjltOt6oBrlFvkuk6PH4EF6_QbrHd9NXuo
}

// An answer that goes through Redis encrypted; bytes that are none of the key's do not
// open.
func ExampleRedis_Sealed_redis() {
	ctx := context.Background()
	options, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	client := redis.NewClient(options)
	defer client.Close()
	sealer, err := cache.NewSealer(bytes.Repeat([]byte{7}, cache.SealKeySize)) // from a vault
	if err != nil {
		log.Fatal(err)
	}
	level := cache.NewRedis(client, "example-sealed").Sealed(sealer)
	key := []byte("card of user 7")
	if err := level.Set(ctx, key, []byte("4111-1111"), time.Minute); err != nil {
		log.Fatal(err)
	}
	value, err := level.Get(ctx, key, nil)
	fmt.Println(string(value), err)
	raw, err := client.Get(ctx, level.Name(key)).Bytes()
	fmt.Println(bytes.Contains(raw, value), err)
	value, err = level.Open(key, raw)
	fmt.Println(string(value), err)
	_, err = level.Open([]byte("card of user 8"), raw)
	fmt.Println(errors.Is(err, cache.ErrCorrupt))
	// Output:
	// 4111-1111 <nil>
	// false <nil>
	// 4111-1111 <nil>
	// true
}
