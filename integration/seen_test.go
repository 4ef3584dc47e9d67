package integration

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

func handle(t testing.TB, db *sql.DB) *mlcache.Handle {
	t.Helper()
	h, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func statementOf(t testing.TB, db *sql.DB, part string) mlcache.StatementStats {
	t.Helper()
	for _, s := range handle(t, db).Statements() {
		if strings.Contains(s.Text, part) {
			return s
		}
	}
	t.Fatalf("no statement with %q in %+v", part, handle(t, db).Statements())
	return mlcache.StatementStats{}
}

func tableOf(db *mlcache.Handle, name string) mlcache.TableStats {
	for _, s := range db.Stats().Tables {
		if s.Table == name {
			return s
		}
	}
	return mlcache.TableStats{}
}

// Everything that an operator is shown is counted where it happens.
func TestWhatIsCounted(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE item (id int PRIMARY KEY, name text)", "INSERT INTO item VALUES (1, 'a')")
	dsn = withPatientRedis(t, dsn)
	db, other := harness.Open(t, "mlcache", dsn), harness.Open(t, "mlcache", harness.With(dsn, "mlcache_l1_size", "0"))
	untilServing(t, db)
	h := handle(t, db)
	const query = "SELECT name FROM item WHERE id = 1 AND name <> 'top secret'"
	harness.Query(t, db, query)
	for range 200 {
		harness.Query(t, db, query)
	}
	harness.Eventually(t, settling, "a hit in Redis", func() bool {
		harness.Query(t, other, query)
		return stats(t, other).L2Hits > 0
	})
	harness.Query(t, db, "SELECT now(), 'top secret'")

	s := statementOf(t, db, "FROM item")
	if s.Text != "SELECT name FROM item WHERE id = ? AND name <> ?" {
		t.Errorf("text %q", s.Text)
	}
	if s.Misses < 1 || s.Hits < 150 || s.Hits > 200 || s.Bypasses != 0 || s.Origin <= 0 || s.Saved <= 0 {
		t.Errorf("the statement's counts: %+v", s)
	}
	if s := statementOf(t, db, "now()"); s.Bypasses != 1 || s.Reasons["time_function"] != 1 || s.Hits != 0 {
		t.Errorf("the counts of one that is not cached: %+v", s)
	}

	st := h.Stats()
	if n := st.Latency.L1.Count(); n < 3 || n > 50 {
		t.Errorf("%d of %d hits in L1 were measured", n, st.L1Hits)
	}
	if l2 := stats(t, other); l2.Latency.L2.Count() != l2.L2Hits || l2.Latency.L2.Mean() <= 0 {
		t.Errorf("%d of %d hits in L2 were measured, %v", l2.Latency.L2.Count(), l2.L2Hits, l2.Latency.L2.Mean())
	}
	if st.Latency.Origin.Count() != st.Misses-st.Shared-1 && st.Latency.Origin.Count() != st.Misses-st.Shared {
		t.Errorf("%d answers of the database were measured, of %d misses", st.Latency.Origin.Count(), st.Misses)
	}
	if st.Latency.L1.Mean() >= st.Latency.Origin.Mean() {
		t.Errorf("L1 takes %v, the database %v", st.Latency.L1.Mean(), st.Latency.Origin.Mean())
	}
	if st.L1Entries < 1 || st.Breaker != "closed" || !st.Live || st.MaxStaleness <= 0 {
		t.Errorf("state: %+v", st)
	}
	harness.Eventually(t, settling, "L1 has its memory", func() bool { return h.Stats().L1Size == 64<<20 })
	if st.Versions.BytesSent < 100 || st.Versions.BytesGot < 100 {
		t.Errorf("%d bytes to Redis, %d from it", st.Versions.BytesSent, st.Versions.BytesGot)
	}

	before := tableOf(h, "public.item")
	harness.Exec(t, db, "UPDATE item SET name = 'b'")
	harness.Query(t, db, query)
	after := tableOf(h, "public.item")
	if after.Invalidations != before.Invalidations+1 {
		t.Errorf("a write counted as %d invalidations", after.Invalidations-before.Invalidations)
	}
	if after.LostHits != before.LostHits+1 {
		t.Errorf("a write cost %d hits, want 1", after.LostHits-before.LostHits)
	}
	harness.Eventually(t, settling, "the news came back", func() bool {
		p := h.Stats().Versions.Propagation
		return p.Count() > 0 && p.Mean() > 0
	})
	if history := h.History(); len(history) == 0 || history[len(history)-1].L1Hits != h.Stats().L1Hits {
		t.Errorf("history: %+v", history)
	}
}

// OnRead tells of each query once, of who answered it.
func TestOnRead(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE item (id int PRIMARY KEY)")
	dsn = withPatientRedis(t, dsn)
	db, other := harness.Open(t, "mlcache", dsn), harness.Open(t, "mlcache", harness.With(dsn, "mlcache_l1_size", "0"))
	untilServing(t, db)
	untilServing(t, other)
	type caller struct{}
	var mu sync.Mutex
	var seen []mlcache.ReadEvent
	note := func(ctx context.Context, e mlcache.ReadEvent) {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Value(caller{}) == nil {
			t.Error("not the caller's context")
		}
		seen = append(seen, e)
	}
	handle(t, db).OnRead(note)
	handle(t, other).OnRead(note)
	read := func(db *sql.DB, query string) mlcache.ReadEvent {
		seen = nil
		rows, err := db.QueryContext(context.WithValue(harness.Context(t), caller{}, 1), query)
		if err != nil {
			t.Fatal(err)
		}
		harness.ReadRows(rows)
		if len(seen) != 1 {
			t.Fatalf("%s: %d events", query, len(seen))
		}
		return seen[0]
	}
	const query = "SELECT id FROM item"
	if e := read(db, query); e != (mlcache.ReadEvent{Level: mlcache.LevelOrigin}) {
		t.Errorf("a miss: %+v", e)
	}
	if e := read(db, query); e != (mlcache.ReadEvent{Level: mlcache.LevelL1}) {
		t.Errorf("a hit in memory: %+v", e)
	}
	harness.Eventually(t, settling, "a hit in Redis", func() bool { return read(other, query).Level == mlcache.LevelL2 })
	if e := read(db, "SELECT now()"); e.Level != mlcache.LevelOrigin || e.Reason != "time_function" {
		t.Errorf("a bypass: %+v", e)
	}
	if e := read(db, query); e.Reason != "" {
		t.Errorf("a reason from before: %+v", e)
	}
	handle(t, db).OnRead(nil)
	seen = nil
	harness.Query(t, db, query)
	if len(seen) != 0 {
		t.Error("told after nobody wants to know")
	}
}
