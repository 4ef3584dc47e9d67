package mlcache

import (
	"database/sql/driver"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/cache/rowset"
	"github.com/mlcache/mlcache/invalidation"
)

// held is what f leaves in memory, in bytes, as long as what it returns is in use.
func held(f func() any) int64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	keep := f()
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(keep)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// planningEngine plans texts without a database.
func planningEngine(t testing.TB) (*engine, *schemaState, *session) {
	t.Helper()
	v, err := invalidation.Open(invalidation.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	e := &engine{cfg: (*Config)(nil).withDefaults(), hub: &hub{versions: v}, versions: v, plans: newPlanCache(), place: &place{memory: &memory{}}}
	return e, &schemaState{}, &session{user: "u", path: []string{"public"}}
}

// wideText is a statement of many columns, with a constant that makes it another one.
func wideText(columns, n int) string {
	var b strings.Builder
	b.WriteString("SELECT ")
	for i := range columns {
		fmt.Fprintf(&b, "t.column_%d, ", i)
	}
	fmt.Fprintf(&b, "1 FROM wide t WHERE t.id = %d", n)
	return b.String()
}

// Whoever can choose texts cannot take more memory than plans may have, whatever the texts are like: in the
// plans that are shared, and in those that each of many connections has in front of them.
func TestPlansOfStrangersTextsAreBounded(t *testing.T) {
	const columns, texts, conns = 481, 1500, 50
	var b rowset.Builder
	cols := make([]rowset.Column, columns)
	for i := range cols {
		cols[i].Name = fmt.Sprint("column_", i)
	}
	if err := b.Reset(rowset.Wire, cols); err != nil {
		t.Fatal(err)
	}
	payload := b.Bytes()
	for name, answered := range map[string]bool{"asked": false, "answered from the cache": true} {
		t.Run(name, func(t *testing.T) {
			e, st, s := planningEngine(t)
			took := held(func() any {
				pool := make([]*conn, conns)
				for i := range pool {
					pool[i] = &conn{engine: e, plans: map[string]*plan{}}
				}
				for n := range texts {
					text := wideText(columns, n)
					c := pool[n%conns]
					p := e.plans.get(planKey{text: text, schema: st}, func() *plan { return e.newPlan(text, nil, st, s) })
					c.keepPlan(text, p)
					if answered {
						if _, err := p.open(payload); err != nil {
							t.Fatal(err)
						}
					}
				}
				return []any{e, pool}
			})
			t.Logf("%d MiB", took>>20)
			if took > 40<<20 {
				t.Errorf("%d texts of %d columns hold %d MiB", texts, columns, took>>20)
			}
		})
	}
}

// What a plan counts for is about what it takes, and grows with what is learnt while it is used.
func TestAPlanCountsForWhatItTakes(t *testing.T) {
	e, st, s := planningEngine(t)
	var counted int64
	const texts = 200
	took := held(func() any {
		var plans []*plan
		for n := range texts {
			text := fmt.Sprintf("SELECT a, b, count(*) FROM things JOIN others USING (a) WHERE c = %d AND d LIKE 'x%%' GROUP BY a, b", n)
			p := e.newPlan(text, nil, st, s)
			p.measure(text)
			plans = append(plans, p)
		}
		counted = plans[0].size.Load()
		return plans
	}) / texts
	if counted < took || counted > 4*took+16*cellSize {
		t.Errorf("a plan counts for %d bytes and takes %d", counted, took)
	}
	p := e.plans.get(planKey{text: "SELECT 1", schema: st}, func() *plan { return e.newPlan("SELECT 1", nil, st, s) })
	before := p.size.Load()
	p.sighted([]uint64{1, 2}, 0, time.Now())
	if p.size.Load() <= before {
		t.Error("what is remembered of versions does not count")
	}
	shard := p.home.Load().shard
	if int64(shard.bytes) != p.size.Load() {
		t.Errorf("the shard counts %d bytes, the plan takes %d", shard.bytes, p.size.Load())
	}
}

// Statements that are asked again and again keep their plans, though others come and go by the thousand.
func TestOrdinaryPlansStay(t *testing.T) {
	e, st, s := planningEngine(t)
	c := &conn{engine: e, plans: map[string]*plan{}}
	made := 0
	for range 3 {
		for n := range 200 {
			text := fmt.Sprintf("SELECT id, name, price, stock FROM products_%d WHERE id = $1 AND shop = $2 ORDER BY price", n)
			if c.plans[text] == nil {
				c.keepPlan(text, e.plans.get(planKey{text: text, schema: st}, func() *plan { made++; return e.newPlan(text, nil, st, s) }))
			}
		}
	}
	if made != 200 || len(c.plans) != 200 {
		t.Errorf("%d plans made for 200 texts, the connection has %d", made, len(c.plans))
	}
}

// A large argument takes memory for its statement only.
func TestALargeArgumentLeavesNothing(t *testing.T) {
	e, st, s := planningEngine(t)
	p := e.newPlan("SELECT $1", nil, st, s)
	took := held(func() any {
		pool := make([]*conn, 20)
		for i := range pool {
			c := &conn{engine: e}
			l := &c.lookup
			*l = lookup{plan: p, session: s, args: namedValues(strings.Repeat("x", 4<<20))}
			if reason := c.makeKey(l); reason != ReasonArgument {
				t.Errorf("reason %q", reason)
			}
			l.forget()
			pool[i] = c
		}
		return pool
	})
	if took > 20*4*cache.MaxKeySize {
		t.Errorf("twenty connections hold %d KiB", took>>10)
	}
}

func namedValues(args ...any) []driver.NamedValue {
	out := make([]driver.NamedValue, len(args))
	for i, a := range args {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return out
}

// Each change of the schema makes new plans, and those of before go with the state that
// they hold.
func TestPlansOfFormerStatesAreLetGo(t *testing.T) {
	e, _, sess := planningEngine(t)
	var st *schemaState
	for range 20 {
		st = &schemaState{}
		for n := range 50 {
			text := wideText(3, n)
			e.plans.get(planKey{text: text, schema: st}, func() *plan { return e.newPlan(text, nil, st, sess) })
		}
		e.plans.keepOnly(st)
	}
	plans, bytes := 0, 0
	for i := range e.plans.shards {
		for key, p := range e.plans.shards[i].plans {
			plans++
			bytes += p.counted
			if key.schema != st {
				t.Fatal("a plan of a former state is kept")
			}
		}
		bytes -= e.plans.shards[i].bytes
	}
	if plans != 50 || bytes != 0 {
		t.Errorf("%d plans, and %d bytes that are not counted", plans, bytes)
	}
}
