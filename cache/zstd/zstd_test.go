package zstd_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/cache/zstd"
	"github.com/mlcache/mlcache/invalidation"
)

// Examples that need a Redis run where REDIS_URL names one.
func TestMain(m *testing.M) {
	flag.Parse()
	if skip := flag.Lookup("test.skip"); os.Getenv("REDIS_URL") == "" && skip.Value.String() == "" {
		if err := skip.Value.Set("^Example.*_redis$"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func newCompressor(t testing.TB, level int) *zstd.Compressor {
	t.Helper()
	c, err := zstd.New(level)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestThereAndBack(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for level := range 5 {
		c := newCompressor(t, level)
		for _, size := range []int{0, 1, 1000, 1 << 20} {
			src := make([]byte, size)
			for i := range src {
				src[i] = byte(r.IntN(4))
			}
			small := c.Compress([]byte("before"), src)
			if size >= 1000 && len(small) > size/2 {
				t.Errorf("level %d: %d bytes became %d", level, size, len(small))
			}
			got, err := c.Decompress([]byte("x"), small[len("before"):], max(size, 1))
			if err != nil || !bytes.Equal(got, append([]byte("x"), src...)) {
				t.Errorf("level %d, %d bytes: %v", level, size, err)
			}
			if size > 1 {
				if _, err := c.Decompress(nil, small[len("before"):], size-1); err == nil {
					t.Errorf("level %d: %d bytes within a limit of %d", level, size, size-1)
				}
			}
		}
	}
	if _, err := zstd.New(5); err == nil {
		t.Error("level 5 is no error")
	}
}

// allocated is the memory that f takes in all, in bytes.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A few bytes that become many are an error before they have, whether they say so or not, also in
// several frames.
func TestBombs(t *testing.T) {
	c := newCompressor(t, 1)
	const limit = 1 << 20
	zeros := make([]byte, 256<<20)
	bomb := c.Compress(nil, zeros)
	// A frame whose header has no size: RFC 8878, 3.1.1.1. Empty it is 9 bytes and more.
	var hidden bytes.Buffer
	for range 64 {
		hidden.Write(c.Compress(nil, zeros[:1<<20]))
	}
	for name, b := range map[string][]byte{"that says so": bomb, "of many frames": hidden.Bytes(), "that lies": lying(bomb)} {
		var err error
		if n := allocated(func() { _, err = c.Decompress(nil, b, limit) }); err == nil || n > 16<<20 {
			t.Errorf("a bomb %s of %d bytes: %v, %d bytes taken", name, len(b), err, n)
		}
	}
}

// lying gives a frame's header another size of its content: RFC 8878, 3.1.1.1.
func lying(frame []byte) []byte {
	b := bytes.Clone(frame)
	at := 6 // magic, descriptor, window
	if b[4]&0x20 != 0 {
		at = 5
	}
	for i := at; i < at+1<<(b[4]>>6); i++ {
		b[i] = 0
	}
	b[at+1] = 1
	return b
}

func TestAnyBytes(t *testing.T) {
	c := newCompressor(t, 0)
	good := c.Compress(nil, []byte(strings.Repeat("a row of a table; ", 100)))
	r := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		b := bytes.Clone(good)
		for range 1 + r.IntN(4) {
			b[r.IntN(len(b))] = byte(r.Uint32())
		}
		_, _ = c.Decompress(nil, b[:r.IntN(len(b)+1)], 1<<16)
	}
}

// A bomb that somebody put into Redis is a miss, and is counted.
func TestBombInRedis(t *testing.T) {
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	compressor := newCompressor(t, 0)
	c, err := cache.New(cache.Config{Redis: client, Versions: cache.NewLocalVersions(0), Compressor: compressor, CompressAbove: 100})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := c.Set(ctx, "page", bytes.Repeat([]byte("x"), 5000)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(ctx, "page"); err != nil {
		t.Fatal(err)
	}
	packed, err := server.Get("mlcache:k:/page")
	if err != nil {
		t.Fatal(err)
	}
	bomb := compressor.Compress([]byte(packed[:1]), make([]byte, 200<<20))
	if err := server.Set("mlcache:k:/page", string(bomb)); err != nil {
		t.Fatal(err)
	}
	n := allocated(func() { _, err = c.Get(ctx, "page") })
	if !errors.Is(err, cache.ErrMiss) || n > 8<<20 {
		t.Errorf("%v, %d bytes taken", err, n)
	}
	if s := c.Stats(); s.L2.Corrupt != 1 {
		t.Errorf("%+v", s)
	}
}

// Values of 1 KiB and more are compressed on their way to Redis.
func ExampleNew_redis() {
	options, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	client := redis.NewClient(options)
	defer client.Close()
	versions, err := invalidation.Open(invalidation.Config{Client: client, Namespace: "example-zstd"})
	if err != nil {
		log.Fatal(err)
	}
	defer versions.Close()
	compressor, err := zstd.New(0)
	if err != nil {
		log.Fatal(err)
	}
	c, err := cache.New(cache.Config{
		Redis: client, Prefix: "example-zstd", Versions: invalidation.NewBuckets(versions, "values", 0),
		Compressor: compressor, CompressAbove: 1024,
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	value := []byte(strings.Repeat("a page of text. ", 1000))
	// A new namespace in Redis begins with a few seconds in which nothing is stored.
	for {
		if err := c.Set(ctx, "page", value); err != nil {
			log.Fatal(err)
		}
		if got, err := c.Get(ctx, "page"); err == nil {
			fmt.Println(bytes.Equal(got, value))
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	n, err := client.StrLen(ctx, "example-zstd:k:/page").Result()
	fmt.Println(len(value), "bytes;", n < 200, "in Redis", err)
	// Output:
	// true
	// 16000 bytes; true in Redis <nil>
}

// Compress and Decompress are what package cache calls.
func ExampleCompressor() {
	c, err := zstd.New(1)
	if err != nil {
		log.Fatal(err)
	}
	small := c.Compress(nil, bytes.Repeat([]byte("row "), 1000))
	back, err := c.Decompress(nil, small, 4000)
	fmt.Println(len(small) < 100, len(back), err)
	_, err = c.Decompress(nil, small, 3999)
	fmt.Println(err != nil)
	// Output:
	// true 4000 <nil>
	// true
}
