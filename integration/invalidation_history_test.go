package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/invalidation"
)

// A history is made by several peers that read and write a register through the protocol while Redis is flushed, hung
// and cut off, and writers die. The register is the database: what it holds is committed. It only grows, so an answer
// is old when a larger value had been committed before.
//
// Invariants:
//   - strict: a read returns at least what was committed by a write that had ended, and at least what any read returned
//     that had ended, before it began, in any process.
//   - bounded: a read returns at least what was committed by a write that had ended a bound ago; and at least what the
//     own process has written.
type history struct {
	t      *testing.T
	strict bool
	bound  time.Duration

	value atomic.Int64 // the database

	mu        sync.Mutex
	ended     []event // writes, in the order of their ends
	returned  int64   // largest value that a read returned (strict)
	violation string

	entries sync.Map // scope -> entry: the second level, which all share

	reads, hits, writes, refused, crashed atomic.Int64
	oldest                                atomic.Int64 // largest staleness seen, in nanoseconds
}

type event struct {
	value int64
	at    time.Time
}

type entry struct {
	epoch, version uint64
	value          int64
	until          time.Time
}

type historyPeer struct {
	*versionsPeer
	h     *history
	cell  *invalidation.Cell
	first atomic.Pointer[entry] // the first level
	own   atomic.Int64          // the largest value that a write of this process has committed
}

const scope = "register"

func (h *history) committed(before time.Time) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.ended) - 1; i >= 0; i-- {
		if h.ended[i].at.Before(before) {
			return h.ended[i].value
		}
	}
	return 0
}

// end notes that everybody may expect value from now on.
func (h *history) end(value int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.ended); n > 0 {
		value = max(value, h.ended[n-1].value)
	}
	h.ended = append(h.ended, event{value, time.Now()})
}

func (h *history) fail(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.violation == "" {
		h.violation = fmt.Sprintf(format, args...)
	}
}

func (p *historyPeer) read() {
	h := p.h
	ctx := context.Background()
	h.mu.Lock()
	atLeast := h.returned
	h.mu.Unlock()
	own := p.own.Load()
	start := time.Now()
	if h.strict {
		atLeast = max(atLeast, h.committed(start))
	} else {
		atLeast = h.committed(start.Add(-h.bound))
	}
	value, how := p.lookup(ctx)
	h.reads.Add(1)
	if value < atLeast || value < own {
		h.fail("a read (%s) that began at %v returned %d; wanted at least %d, and %d of its own", how, start, value, atLeast, own)
	}
	if h.strict {
		h.mu.Lock()
		h.returned = max(h.returned, value)
		h.mu.Unlock()
		return
	}
	h.mu.Lock()
	for i := len(h.ended) - 1; i >= 0 && h.ended[i].value > value; i-- {
		if old := start.Sub(h.ended[i].at); int64(old) > h.oldest.Load() {
			h.oldest.Store(int64(old))
		}
	}
	h.mu.Unlock()
}

// lookup answers as the driver does.
func (p *historyPeer) lookup(ctx context.Context) (value int64, how string) {
	h := p.h
	find := func() *entry {
		if e := p.first.Load(); e != nil && time.Now().Before(e.until) {
			return e
		}
		if e, ok := h.entries.Load(scope); ok && time.Now().Before(e.(*entry).until) {
			return e.(*entry)
		}
		return nil
	}
	e := find()
	cells := []*invalidation.Cell{p.Epoch(), p.cell}
	if h.strict {
		versions := []uint64{0, 0}
		if e != nil {
			versions = []uint64{e.epoch, e.version}
		}
		switch err := p.Current(ctx, cells, versions, nil); err {
		case nil:
			h.hits.Add(1)
			p.first.Store(e)
			return e.value, "hit"
		case invalidation.ErrStale:
		default:
			return h.value.Load(), "passed"
		}
	} else {
		good := func() bool { return e != nil && e.epoch == p.Epoch().Load() && e.version == p.cell.Load() }
		if p.Live(h.bound) && good() {
			h.hits.Add(1)
			return e.value, "hit"
		}
		if p.Ensure(ctx, cells) != nil || !p.Live(h.bound) {
			return h.value.Load(), "passed"
		}
		if good() {
			h.hits.Add(1)
			p.first.Store(e)
			return e.value, "hit"
		}
	}
	n := &entry{epoch: p.Epoch().Load(), version: p.cell.Load(), until: time.Now().Add(time.Hour)}
	if p.Quarantine() > 0 {
		if h.strict {
			return h.value.Load(), "quarantine"
		}
		n.until = time.Now().Add(h.bound)
	}
	if n.epoch == 0 || n.version == 0 {
		return h.value.Load(), "fenced"
	}
	n.value = h.value.Load()
	if rand.N(4) == 0 {
		time.Sleep(rand.N(3 * time.Millisecond)) // the answer is on its way, and stored late
	}
	p.first.Store(n)
	h.entries.Store(scope, n)
	return n.value, "read"
}

// write reports whether it has made a new value. If so, and crash is set, nobody has been told but by the fence.
func (p *historyPeer) write(crash bool) bool {
	h := p.h
	ctx := context.Background()
	f, err := p.Fence(ctx, []string{scope}, invalidation.FenceOptions{Wait: h.strict || crash})
	if (h.strict || crash) && (err != nil || !f.Valid()) {
		f.Release(ctx, invalidation.RolledBack)
		h.refused.Add(1)
		return false
	}
	if !crash && rand.N(8) == 0 {
		f.Release(ctx, invalidation.RolledBack)
		return false
	}
	value := h.value.Add(1)
	h.writes.Add(1)
	if crash {
		// It dies here. Nothing but the fence tells that there is something new.
		h.crashed.Add(1)
		h.end(value)
		return true
	}
	if rand.N(4) == 0 {
		time.Sleep(rand.N(2 * time.Millisecond))
	}
	err = f.Release(ctx, invalidation.Committed)
	for own := p.own.Load(); own < value && !p.own.CompareAndSwap(own, value); own = p.own.Load() {
	}
	// When Redis could not be told, others know no earlier than it is told.
	if err == nil {
		h.end(value)
	}
	return true
}

func TestInvalidationHistory(t *testing.T) {
	t.Parallel()
	for _, strict := range []bool{true, false} {
		t.Run(fmt.Sprintf("strict=%v", strict), func(t *testing.T) {
			t.Parallel()
			runHistory(t, strict)
		})
	}
}

func runHistory(t *testing.T, strict bool) {
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("MLCACHE_TEST_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("MLCACHE_TEST_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	server := harness.StartRedis(t)
	const lease = time.Second
	h := &history{t: t, strict: strict, bound: 400 * time.Millisecond}
	open := func() *historyPeer {
		o, _ := redis.ParseURL(server.URL())
		v, err := invalidation.Open(invalidation.Config{
			Client: redis.NewClient(shortTimeouts(o)), Namespace: "ns", MaxStaleness: h.bound, FenceLease: lease,
		})
		if err != nil {
			t.Fatal(err)
		}
		p := &historyPeer{h: h, versionsPeer: &versionsPeer{Versions: v, t: t}}
		p.cell = v.Cell(scope)
		return p
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		p := open()
		t.Cleanup(func() { p.Close() })
		for range 3 {
			wg.Go(func() {
				for ctx.Err() == nil {
					p.read()
					time.Sleep(rand.N(500 * time.Microsecond))
				}
			})
		}
		wg.Go(func() {
			for ctx.Err() == nil {
				// A fence shuts the register for as long as the write takes, which is long on a slow machine: rest in
				// proportion, so that it is open half of the time at least.
				start := time.Now()
				p.write(false)
				time.Sleep(rand.N(40*time.Millisecond) + 8*time.Since(start))
			}
		})
	}
	admin := redisWith(t, server.URL(), patientTimeouts)
	defer admin.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	faults := map[string]func(){
		"quiet":  func() {},
		"flush":  func() { must(admin.FlushAll(ctx).Err()) },
		"evict":  func() { must(admin.Del(ctx, "{ns}:v").Err()) },
		"deafen": func() { must(admin.Do(ctx, "CLIENT", "KILL", "TYPE", "pubsub").Err()) },
		"cut":    func() { must(admin.Do(ctx, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err()) },
		"hang": func() {
			server.Pause()
			time.Sleep(300 * time.Millisecond)
			server.Resume()
		},
		"die": func() {
			p := open()
			defer p.Close() // renews no more
			p.read()
			harness.Eventually(t, time.Minute, "a writer dies", func() bool { return p.write(true) })
		},
	}
	order := []string{"quiet", "deafen", "die", "cut", "hang", "flush", "die", "quiet", "evict", "hang", "quiet"}
	random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, name := range order {
		hits, reads, writes := h.hits.Load(), h.reads.Load(), h.writes.Load()
		h.oldest.Store(0)
		faults[name]()
		// What comes after a fault has shown nothing before the cache is in use again and changes have come between the
		// hits, however long that takes on this machine. Meanwhile fences and quarantines end.
		fresh := h.hits.Load()
		time.Sleep(phase)
		harness.Eventually(t, time.Minute, "hits and writes after "+name, func() bool {
			return h.hits.Load()-fresh >= hitsAfterFault && h.writes.Load()-writes >= writesAfterFault
		})
		t.Logf("%-7s %6d reads, %3d%% hits, oldest answer %v", name, h.reads.Load()-reads,
			100*(h.hits.Load()-hits)/max(1, h.reads.Load()-reads), time.Duration(h.oldest.Load()))
	}
	stop()
	wg.Wait()
	t.Logf("%d reads, %d hits, %d writes, %d refused, %d writers died", h.reads.Load(), h.hits.Load(), h.writes.Load(), h.refused.Load(), h.crashed.Load())
	if h.violation != "" {
		t.Errorf("seed %d: %s", seed, h.violation)
	}
}

// phase is how long a phase of a history takes at least; hitsAfterFault and writesAfterFault are what it must see, so that
// the run means anything.
const (
	phase            = 700 * time.Millisecond
	hitsAfterFault   = 500
	writesAfterFault = 10
)
