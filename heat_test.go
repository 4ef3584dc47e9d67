package mlcache

import (
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/cache"
)

// What is asked for most is found among much that is not, in bounded memory.
func TestHeat(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}) // never asked
	defer client.Close()
	e := &engine{cfg: &Config{Namespace: "heat", WarmKeys: 64}, l2: cache.NewRedis(client, "heat")}
	h := newHeat(e)
	const hot, cold = 20, 50_000
	for i := range cold {
		h.note(fmt.Appendf(nil, "cold %d", i), 1)
		h.note(fmt.Appendf(nil, "hot %d", i%hot), 16)
	}
	h.note(make([]byte, heatKey+1), 1<<20)
	kept := 0
	for i := range h.shards {
		kept += len(h.shards[i].counts)
	}
	if kept > heatShards*max(64/heatShards*2, heatLook) {
		t.Errorf("%d keys are kept", kept)
	}
	top := make(map[string]bool)
	all := h.take()
	if len(all) > 64 {
		t.Errorf("%d keys are told", len(all))
	}
	for _, z := range all {
		top[z.Member.(string)] = true
	}
	for i := range hot {
		if !top[e.hotName(fmt.Appendf(nil, "hot %d", i))] {
			t.Errorf("hot %d is not among them", i)
		}
	}
	if len(h.take()) > 0 {
		t.Error("it does not begin anew")
	}
	(*heat)(nil).note([]byte("x"), 1)
}
