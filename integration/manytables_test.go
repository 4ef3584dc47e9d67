package integration

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/invalidation"
)

// The versions of 100,000 tables take a bounded number of bytes each, in Redis and in
// a process, however often the tables are written; and a process forgets those that
// nothing refers to any more.
func TestVersionsOfManyTablesAreBounded(t *testing.T) {
	const (
		tables     = 100_000
		atOnce     = 1000
		inRedis    = 150 // bytes for each table
		inProcess  = 600
		afterwards = 4 << 20 // bytes of the heap
	)
	opt, err := redis.ParseURL(harness.RedisURL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opt)
	defer client.Close()
	namespace := harness.NewNamespace(t)
	v, err := invalidation.Open(invalidation.Config{Client: client, Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	key := "{" + namespace + "}:v"
	defer client.Unlink(t.Context(), key)

	scopes := make([]string, tables)
	for i := range scopes {
		scopes[i] = fmt.Sprintf("public.table_%06d", i)
	}
	heap := func() int64 {
		var m runtime.MemStats
		for range 3 { // a cell's cleanup runs after the collection that finds it
			runtime.GC()
			time.Sleep(10 * time.Millisecond)
		}
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	used := func() int64 {
		n, err := client.MemoryUsage(t.Context(), key, 0).Result()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	write := func() {
		for at := 0; at < tables; at += atOnce {
			f, err := v.Fence(harness.Context(t), scopes[at:at+atOnce], invalidation.FenceOptions{Wait: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Release(harness.Context(t), invalidation.Committed); err != nil {
				t.Fatal(err)
			}
		}
	}

	before := heap()
	cells := make([]*invalidation.Cell, tables)
	for i := range cells {
		cells[i] = v.Cell(scopes[i])
	}
	know := func() {
		for at := 0; at < tables; at += atOnce {
			if err := v.Ensure(harness.Context(t), cells[at:at+atOnce]); err != nil {
				t.Fatal(err)
			}
		}
	}
	know()
	process, redisOnce := heap()-before, used()
	write()
	redisWritten := used()
	write()
	write()
	redisAgain, processAgain := used(), heap()-before
	// So many changes at once are more than a poll can tell one by one, and all is asked
	// for again.
	know()
	for _, c := range cells {
		if c.Load() == 0 {
			t.Fatalf("%s is not known after its writes", c.Scope())
		}
	}
	runtime.KeepAlive(cells)
	cells = nil
	harness.Eventually(t, 20*time.Second, "the process forgets what nothing refers to", func() bool {
		heap()
		return v.Stats().Cells < atOnce
	})
	left := heap() - before
	t.Logf("for each of %d tables: %d bytes in the process, %d after three writes; in Redis %d once read, %d written, %d written again; %d bytes of heap afterwards",
		tables, process/tables, processAgain/tables, redisOnce/tables, redisWritten/tables, redisAgain/tables, left)
	if process > inProcess*tables || processAgain > process+process/10 {
		t.Errorf("the process needs %d bytes, %d after writes", process, processAgain)
	}
	if redisWritten > inRedis*tables || redisAgain > redisWritten+redisWritten/20 {
		t.Errorf("Redis needs %d bytes, %d after more writes", redisWritten, redisAgain)
	}
	if left > afterwards {
		t.Errorf("%d bytes are left", left)
	}
}
