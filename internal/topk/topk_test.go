package topk

import (
	"fmt"
	"testing"
)

// What is asked for most is found among much that is not, in bounded memory.
func TestCounterFindsTheMost(t *testing.T) {
	c := New(64, Redis{Name: func(key []byte) string { return "name of " + string(key) }})
	const hot, cold = 20, 50_000
	for i := range cold {
		c.Add(fmt.Appendf(nil, "cold %d", i), 1)
		c.Add(fmt.Appendf(nil, "hot %d", i%hot), 16)
	}
	c.Add(make([]byte, maxKey+1), 1<<20)
	kept := 0
	for i := range c.shards {
		kept += len(c.shards[i].counts)
	}
	if kept > shardCount*max(64/shardCount*2, compared) {
		t.Errorf("%d keys are kept", kept)
	}
	top := make(map[string]bool)
	all := c.Drain()
	if len(all) > 64 {
		t.Errorf("%d keys are told", len(all))
	}
	for _, z := range all {
		top[z.Member.(string)] = true
	}
	for i := range hot {
		if !top[fmt.Sprintf("name of hot %d", i)] {
			t.Errorf("hot %d is not among them", i)
		}
	}
	if len(c.Drain()) > 0 {
		t.Error("it does not begin anew")
	}
	(*Counter)(nil).Add([]byte("x"), 1)
}
