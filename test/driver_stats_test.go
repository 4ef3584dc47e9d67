package test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mlcache/mlcache"
)

// Each query is in exactly one of the four counts, and a statement run by Exec in
// none, however it ends.
func TestEachQueryCountsOnce(t *testing.T) {
	t.Parallel()
	for _, catalog := range []bool{true, false} {
		boom := errors.New("boom")
		var down atomic.Bool
		o := newOrigin(func(query string, args []driver.NamedValue) (*result, error) {
			if len(args) > 0 && args[0].Value == "fail" {
				return nil, boom
			}
			return counting(3), nil
		})
		o.catalog = catalog
		o.connect = func(context.Context) error {
			if down.Load() {
				return errDown
			}
			return nil
		}
		db, h := openDriver(t, o, &mlcache.Config{MaxRows: 3, StaticSessions: true})
		ctx := t.Context()
		query := func(text string, args ...any) func() {
			return func() { _, _ = queryInts(ctx, db, text, args...) }
		}
		for i, step := range []struct {
			run                    func()
			l1, misses, bypasses   uint64
			reason                 mlcache.Reason
			whatever, noConnection bool
		}{
			{run: query("SELECT n FROM t"), misses: 1},
			{run: query("SELECT n FROM t"), l1: 1},
			{run: query("SELECT n FROM t WHERE s = $1", "fail"), misses: 1},
			{run: query("SELECT n FROM t WHERE s = $1", "now"), bypasses: 1, reason: mlcache.ReasonDateArgument},
			{run: query("SELECT n FROM t WHERE s = $1", valuer{int64(1)}), bypasses: 1, reason: mlcache.ReasonArgument},
			{run: query("SELECT n FROM t FOR UPDATE"), bypasses: 1},
			{run: query("/* mlcache: off */ SELECT n FROM t"), bypasses: 1, reason: mlcache.ReasonBypass},
			{run: query("INSERT INTO u VALUES (1) RETURNING n"), bypasses: 1},
			{run: func() { _, _ = db.Exec("UPDATE u SET n = 1") }},
			{run: func() { _ = db.Ping() }},
			{run: func() {
				tx, err := db.Begin()
				if err != nil {
					t.Fatal(err)
				}
				defer tx.Rollback()
				rows, err := tx.Query("SELECT n FROM t")
				if err != nil {
					t.Fatal(err)
				}
				_ = rows.Close()
			}, bypasses: 1, reason: mlcache.ReasonInTransaction},
			{run: query("SELECT n FROM t WHERE 2 = 2"), misses: 1, noConnection: true},
			{run: query("SELECT n FROM t /* mlcache: off */"), bypasses: 1, reason: mlcache.ReasonBypass, noConnection: true},
		} {
			if step.noConnection {
				db.SetMaxIdleConns(-1)
				down.Store(true)
			}
			before := h.Stats()
			step.run()
			after := h.Stats()
			if after.L1Hits-before.L1Hits != step.l1 || after.L2Hits != 0 || after.Misses-before.Misses != step.misses ||
				after.Bypasses-before.Bypasses != step.bypasses {
				t.Errorf("catalog %t, step %d: before %+v, after %+v", catalog, i, before, after)
			}
			if step.reason != "" && after.Reasons[step.reason]-before.Reasons[step.reason] != 1 {
				t.Errorf("catalog %t, step %d: reasons %v, want one more %s", catalog, i, after.Reasons, step.reason)
			}
		}
		s := h.Stats()
		if want := float64(s.L1Hits) / float64(s.L1Hits+s.Misses); s.HitRate() != want {
			t.Errorf("hit rate %v, want %v", s.HitRate(), want)
		}
	}
	if r := (mlcache.Stats{}).HitRate(); r != 0 {
		t.Errorf("without queries the hit rate is %v", r)
	}
}

func TestOpenPoolsDoNotKeepClosedOnesInMemory(t *testing.T) {
	t.Parallel()
	namespace := driverNamespace()
	stays, _ := openDriver(t, ticking(), &mlcache.Config{Namespace: namespace})
	scanInt(t.Context(), t, stays, "SELECT n FROM t")
	var collected atomic.Int64
	const pools = 20
	for range pools {
		o := ticking()
		o.catalog = true
		runtime.AddCleanup(o, func(struct{}) { collected.Add(1) }, struct{}{})
		db := sql.OpenDB(newDriverConnector(t, o, &mlcache.Config{Namespace: namespace}))
		scanInt(t.Context(), t, db, "SELECT n FROM t")
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	for collected.Load() < pools-2 && time.Now().Before(deadline) {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	if n := collected.Load(); n < pools-2 {
		t.Errorf("of %d closed pools %d are still in memory", pools, pools-n)
	}
	scanInt(t.Context(), t, stays, "SELECT n FROM t")
}

func TestFromAnotherDriverIsAnError(t *testing.T) {
	t.Parallel()
	db := sql.OpenDB(newOrigin(nil))
	defer db.Close()
	if h, err := mlcache.From(db); err != mlcache.ErrNotMlcache || h != nil {
		t.Errorf("got %v, %v", h, err)
	}
}

func TestHandleInvalidates(t *testing.T) {
	t.Parallel()
	for _, catalog := range []bool{true, false} {
		o := ticking()
		o.catalog = catalog
		db, h := openDriver(t, o, nil)
		ctx := t.Context()
		read := func() int64 { return scanInt(ctx, t, db, "SELECT n FROM t") }
		first := read()
		if n := read(); n != first {
			t.Fatal("not cached")
		}
		for i, tables := range [][]string{{"t"}, {"public.t"}, {"u", "t"}, nil} {
			if err := h.Invalidate(ctx, tables...); err != nil {
				t.Fatal(err)
			}
			next := read()
			if next == first {
				t.Errorf("catalog %t, %v: still the old answer", catalog, tables)
			}
			if read() != next {
				t.Errorf("catalog %t, %d: not cached again", catalog, i)
			}
			first = next
		}
		if err := h.Invalidate(ctx, "u"); err != nil {
			t.Fatal(err)
		}
		if n := read(); catalog && n != first {
			t.Error("an answer from t was dropped with those from u")
		}
	}
}
