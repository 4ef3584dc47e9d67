package cache_test

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"sync"
	"time"

	"github.com/mlcache/mlcache/cache"
)

// One namespace's keys are not another's.
func ExampleCache_Namespace() {
	c, end := newCache()
	defer end()
	ctx := context.Background()
	_ = c.Namespace("prices").Set(ctx, "7", []byte("9.99"))
	_ = c.Namespace("stock").Set(ctx, "7", []byte("3 left"))
	price, _ := c.Namespace("prices").Get(ctx, "7")
	fmt.Println(string(price))
	// Output: 9.99
}

// Of many callers who miss at once one asks the origin; with WithClusterFlight one of
// all processes.
func ExampleWithClusterFlight() {
	c, end := newCache()
	defer end()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			_, err := c.GetOrLoad(context.Background(), "report", func(context.Context) ([]byte, error) {
				time.Sleep(100 * time.Millisecond)
				fmt.Println("asking the origin")
				return []byte("a long report"), nil
			}, cache.WithClusterFlight())
			if err != nil {
				log.Print(err)
			}
		})
	}
	wg.Wait()
	// Output: asking the origin
}

// uint32s is a codec of one's own.
type uint32s struct{}

func (uint32s) Marshal(v uint32) ([]byte, error) {
	return binary.LittleEndian.AppendUint32(nil, v), nil
}

func (uint32s) Unmarshal(b []byte) (uint32, error) {
	if len(b) != 4 {
		return 0, errors.New("not 4 bytes")
	}
	return binary.LittleEndian.Uint32(b), nil
}

func ExampleCodec() {
	c, end := newCache()
	defer end()
	square := cache.Memoize(c, "square", uint32s{}, func(_ context.Context, n uint32) (uint32, error) {
		fmt.Println("computing")
		return n * n, nil
	})
	for range 2 {
		fmt.Println(square(context.Background(), 12))
	}
	b, err := cache.Gob[[]string]().Marshal([]string{"a", "b"})
	back, _ := cache.Gob[[]string]().Unmarshal(b)
	fmt.Println(back, err)
	same, err := cache.Bytes().Marshal([]byte("as it is"))
	fmt.Println(string(same), err)
	// Output:
	// computing
	// 144 <nil>
	// 144 <nil>
	// [a b] <nil>
	// as it is <nil>
}

// deflate compresses what goes to Redis.
type deflate struct{}

func (deflate) Compress(dst, src []byte) []byte {
	out := bytes.NewBuffer(dst)
	w, err := flate.NewWriter(out, flate.BestSpeed)
	if err != nil {
		panic(err) // a bad level
	}
	_, _ = w.Write(src) // into memory
	_ = w.Close()
	return out.Bytes()
}

func (deflate) Decompress(dst, src []byte, limit int) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(src)), int64(limit)+1))
	if err == nil && len(b) > limit {
		err = errors.New("too large")
	}
	return append(dst, b...), err
}

func ExampleCompressor() {
	c, err := cache.New(cache.Config{Compressor: deflate{}, CompressAbove: 4096})
	fmt.Println(c != nil, err)
	page := bytes.Repeat([]byte("<td>9.99</td>"), 1000)
	small := deflate{}.Compress(nil, page)
	back, err := deflate{}.Decompress(nil, small, len(page))
	fmt.Println(len(small) < len(page)/10, bytes.Equal(back, page), err)
	_, err = deflate{}.Decompress(nil, small, 100)
	fmt.Println(err)
	// Output:
	// true <nil>
	// true true <nil>
	// too large
}

// Caches of one process that share versions learn of each other's changes at once.
func ExampleNewLocalVersions() {
	versions := cache.NewLocalVersions(0)
	ctx := context.Background()
	var caches []*cache.Cache
	for range 2 {
		l1 := cache.NewMemory(1 << 20)
		defer l1.Close()
		c, err := cache.New(cache.Config{L1: l1, Versions: versions})
		if err != nil {
			log.Fatal(err)
		}
		caches = append(caches, c)
	}
	_ = caches[0].Set(ctx, "k", []byte("v"))
	_ = caches[1].Delete(ctx, "k")
	_, err := caches[0].Get(ctx, "k")
	_, _ = versions.Change(ctx, []int{0}) // a bucket, as Delete does it
	fmt.Println(versions.Buckets(), err)
	// Output: 4096 mlcache: cache miss
}

// A level by itself: bytes under a key, in an arena that the garbage collector does
// not look into.
func ExampleNewMemory() {
	level := cache.NewMemory(1 << 20)
	defer level.Close()
	ctx := context.Background()
	if err := level.Set(ctx, []byte("k"), []byte("v"), time.Minute); err != nil {
		log.Fatal(err)
	}
	value, err := level.Get(ctx, []byte("k"), nil)
	fmt.Println(string(value), err, level.Len(), level.Evictions())
	_ = level.Delete(ctx, []byte("k"))
	_, ok := level.Lookup([]byte("k"), nil)
	fmt.Println(ok, level.Size() == 1<<20, level.Taken() <= level.Size())
	fmt.Println(level.Set(ctx, []byte("k"), make([]byte, level.MaxEntry()+1), time.Minute))

	off := cache.NewMemory(0) // nil: every lookup is a miss
	_, ok = off.Lookup([]byte("k"), nil)
	fmt.Println(off == nil, ok, off.Seconds())
	// Output:
	// v <nil> 1 0
	// false true true
	// mlcache: entry too large for this cache level
	// true false 0
}

// One caller computes while the others wait.
func ExampleNewFlights() {
	flights := cache.NewFlights()
	leader, call := flights.Join([]byte("k"))
	follower, same := flights.Join([]byte("k"))
	fmt.Println(leader, follower)
	call.Done("answer", true)
	fmt.Println(same.Wait(context.Background()))
	// Output:
	// true false
	// answer true
}

// Arguments of different types are different keys.
func ExampleAppendArg() {
	number, _ := cache.AppendArg(nil, int64(1))
	text, _ := cache.AppendArg(nil, "1")
	_, ok := cache.AppendArg(nil, struct{}{}) // no exact encoding
	fmt.Println(bytes.Equal(number, text), ok)
	one := cache.AppendString(cache.AppendString(nil, "ab"), "c")
	two := cache.AppendString(cache.AppendString(nil, "a"), "bc")
	fmt.Println(bytes.Equal(one, two))
	// Output:
	// false false
	// false
}

// Entries that were stored together do not end together, and none ends later than
// was said.
func ExampleJitter() {
	ttl := cache.Jitter(time.Minute, 0.1)
	fmt.Println(ttl > 54*time.Second-time.Nanosecond, ttl <= time.Minute)
	// Output: true true
}

// What comes from outside the process is verified before it is matched.
func ExampleParseEntry() {
	entry, err := cache.AppendHeader(nil, &cache.Header{Stamps: []uint64{11}, StoredAt: 900, Flags: 3})
	if err != nil {
		log.Fatal(err)
	}
	entry = cache.FinishEntry(append(entry, "9.99"...), 0)
	cache.SetDeadline(entry, 1000)
	h, payload, err := cache.ParseEntry(entry)
	fmt.Println(h.Stamps, cache.Flags(entry), cache.StoredAt(entry), cache.Deadline(entry), string(payload), err)
	entry[len(entry)-1] ^= 1
	fmt.Println(errors.Is(cache.Verify(entry), cache.ErrCorrupt))
	// Output:
	// [11] 3 900 1000 9.99 <nil>
	// true
}

// Each connection counts by itself, and one reader adds up.
func ExampleStats() {
	var stats cache.Stats
	stripe := stats.Stripe()
	stripe.L1.Hits.Add(9)
	stripe.L1.Misses.Add(1)
	l1 := stats.Snapshot().L1
	fmt.Println(l1.Lookups(), l1.HitRate())
	// Output: 10 0.9
}
