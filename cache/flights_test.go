package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestFlightsOneLoadForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := NewFlights()
		var loads, shared atomic.Int32
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				leader, call := f.Join([]byte("key"))
				if leader {
					time.Sleep(time.Second)
					call.Done(int(loads.Add(1)), true)
					return
				}
				if v, ok := call.Wait(t.Context()); ok && v == 1 {
					shared.Add(1)
				}
			})
		}
		wg.Wait()
		if loads.Load() != 1 || shared.Load() != 99 {
			t.Errorf("%d loads, %d shared; want 1 and 99", loads.Load(), shared.Load())
		}
		// A flight that has ended is over: the next caller loads anew.
		if leader, _ := f.Join([]byte("key")); !leader {
			t.Error("joined a flight that had ended")
		}
	})
}

func TestFlightsKeysAreApart(t *testing.T) {
	t.Parallel()
	f := NewFlights()
	for i := range 1000 {
		if leader, _ := f.Join(fmt.Append(nil, i)); !leader {
			t.Fatalf("key %d joined another's flight", i)
		}
	}
}

func TestFlightsWaiterLeavesAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := NewFlights()
		_, lead := f.Join([]byte("key"))
		_, patient := f.Join([]byte("key"))
		_, hasty := f.Join([]byte("key"))
		got := make(chan any, 1)
		go func() {
			v, _ := patient.Wait(t.Context())
			got <- v
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		if v, ok := hasty.Wait(ctx); ok || v != nil {
			t.Errorf("Wait = %v, %v after its context ended", v, ok)
		}
		if d := time.Since(begun); d != time.Second {
			t.Errorf("left after %v, want 1s", d)
		}
		lead.Done("answer", true)
		if v := <-got; v != "answer" {
			t.Errorf("the other waiter got %v", v)
		}
	})
}

func TestFlightsAnswerBeatsContext(t *testing.T) {
	t.Parallel()
	f := NewFlights()
	_, lead := f.Join([]byte("key"))
	_, wait := f.Join([]byte("key"))
	lead.Done(1, true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		if v, ok := wait.Wait(ctx); !ok || v != 1 {
			t.Fatalf("Wait = %v, %v although the answer was there", v, ok)
		}
	}
}

func TestFlightsLeaderFails(t *testing.T) {
	t.Parallel()
	for name, lead := range map[string]func(*Call){
		"error": func(c *Call) { c.Done(nil, false) },
		"panic": func(c *Call) {
			defer func() { _ = recover() }()
			defer c.Done(nil, false)
			panic("origin")
		},
		"goexit": func(c *Call) {
			defer c.Done(nil, false)
			runtime.Goexit() // what t.FailNow does in a caller's test
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := NewFlights()
				_, call := f.Join([]byte("key"))
				_, wait := f.Join([]byte("key"))
				go lead(call)
				if v, ok := wait.Wait(t.Context()); ok || v != nil {
					t.Errorf("Wait = %v, %v; want no answer", v, ok)
				}
				// The key is not poisoned.
				leader, call := f.Join([]byte("key"))
				if !leader {
					t.Fatal("the failed flight is still there")
				}
				call.Done("answer", true)
			})
		})
	}
}

func TestFlightsFirstDoneCounts(t *testing.T) {
	t.Parallel()
	f := NewFlights()
	_, call := f.Join([]byte("key"))
	_, wait := f.Join([]byte("key"))
	call.Done("answer", true)
	leader, next := f.Join([]byte("key"))
	call.Done(errors.New("late"), false)
	if v, ok := wait.Wait(t.Context()); !ok || v != "answer" {
		t.Errorf("Wait = %v, %v; want the first answer", v, ok)
	}
	// Nor does the late Done end the flight that follows.
	if again, joined := f.Join([]byte("key")); !leader || again || joined != next {
		t.Error("a second Done removed another call's flight")
	}
}

func TestFlightsAreBounded(t *testing.T) {
	t.Parallel()
	f := NewFlights()
	const many = 2 * flightShards * maxFlightsPerShard
	calls := make([]*Call, many)
	for i := range many {
		leader, call := f.Join(fmt.Append(nil, i))
		if !leader {
			t.Fatalf("key %d was not in flight", i)
		}
		calls[i] = call
	}
	if n := inFlight(f); n > flightShards*maxFlightsPerShard {
		t.Errorf("%d calls are held", n)
	}
	for _, call := range calls {
		call.Done(nil, false)
	}
	if n := inFlight(f); n != 0 {
		t.Errorf("%d calls are held after all have ended", n)
	}
}

func inFlight(f *Flights) (n int) {
	for i := range f.shards {
		f.shards[i].mu.Lock()
		n += len(f.shards[i].calls)
		f.shards[i].mu.Unlock()
	}
	return n
}

func BenchmarkFlightAlone(b *testing.B) {
	f := NewFlights()
	key := []byte("a key of the usual length, with some arguments behind it")
	b.ReportAllocs()
	for b.Loop() {
		_, call := f.Join(key)
		call.Done(nil, true)
	}
}
