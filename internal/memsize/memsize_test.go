package memsize

import (
	"reflect"
	"runtime"
	"strings"
	"testing"
)

type name struct{ a, b, c string }

type node struct {
	text  string
	names []name
	parts []*node
	any   any
	by    map[string][]int64
	few   [2]*name
	other *testing.T
	f     func()
}

// What is told of a value is about what the memory holds for it.
func TestOfIsWhatTheMemoryHolds(t *testing.T) {
	make1 := func() *node {
		n := &node{text: strings.Repeat("x", 1000), other: t, f: func() {}}
		for i := range 200 {
			n.names = append(n.names, name{strings.Repeat("y", i), "constant", ""})
		}
		n.parts = []*node{{text: strings.Repeat("z", 500)}, {names: make([]name, 0, 300)}}
		n.any = &name{a: strings.Repeat("w", 300)}
		n.by = map[string][]int64{strings.Repeat("k", 50): make([]int64, 100)}
		n.few[1] = &name{}
		return n
	}
	const many = 300
	all := make([]*node, many)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range all {
		all[i] = make1()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	held := int(after.HeapAlloc-before.HeapAlloc) / many
	got := Of(all[0], map[reflect.Type]int{reflect.TypeFor[*testing.T](): 8})
	if got < held*8/10 || got > held*13/10 {
		t.Errorf("%d bytes, and the memory holds %d", got, held)
	}
	runtime.KeepAlive(all)
}

func TestOfNothing(t *testing.T) {
	for _, v := range []any{nil, 7, (*node)(nil), "", []int(nil), map[string]int{}, func() {}, [3]int{}} {
		if got := Of(v, nil); got != 0 {
			t.Errorf("%T: %d", v, got)
		}
	}
}
