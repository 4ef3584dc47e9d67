package test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mlcache/mlcache"
)

// ticking answers each query with a number one higher than the last.
func ticking() *origin {
	var n atomic.Int64
	return newOrigin(func(string, []driver.NamedValue) (*result, error) { return intResult(n.Add(1)), nil })
}

func TestContextOptions(t *testing.T) {
	t.Parallel()
	db, h := openDriver(t, ticking(), nil)
	ctx := t.Context()
	const query = "SELECT n FROM t"
	for i, step := range []struct {
		ctx  context.Context
		want int64
	}{
		{ctx, 1}, {ctx, 1},
		{mlcache.WithBypass(ctx), 2}, {mlcache.WithBypass(ctx), 3}, {ctx, 1},
		{mlcache.WithRefresh(ctx), 4}, {ctx, 4}, {mlcache.WithRefresh(ctx), 5}, {ctx, 5},
		{mlcache.WithBypass(mlcache.WithRefresh(ctx)), 6}, {ctx, 5},
		{mlcache.WithTTL(mlcache.WithBypass(ctx), time.Hour), 7}, {ctx, 5},
	} {
		if n := scanInt(step.ctx, t, db, query); n != step.want {
			t.Errorf("step %d: got %d, want %d", i, n, step.want)
		}
	}
	if r := h.Stats().Reasons; r[mlcache.ReasonBypass] != 4 {
		t.Errorf("reasons %v", r)
	}
}

func TestHints(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		mode   mlcache.Mode
		query  string
		cached bool
	}{
		{mlcache.ModeAuto, "SELECT n FROM t", true},
		{mlcache.ModeAuto, "/* mlcache: off */ SELECT n FROM t", false},
		{mlcache.ModeAuto, "SELECT n FROM t /* mlcache: off */", false},
		{mlcache.ModeAuto, "/* mlcache: on */ SELECT n FROM t", true},
		{mlcache.ModeAuto, "SELECT n FROM t WHERE s = '/* mlcache: off */'", true},
		{mlcache.ModeOptIn, "SELECT n FROM t", false},
		{mlcache.ModeOptIn, "/* mlcache: on */ SELECT n FROM t", true},
		{mlcache.ModeOptIn, "/* mlcache: on, ttl=30s */ SELECT n FROM t", true},
		{mlcache.ModeOptIn, "/* mlcache: off */ SELECT n FROM t", false},
		{mlcache.ModeOff, "SELECT n FROM t", false},
		{mlcache.ModeOff, "/* mlcache: on */ SELECT n FROM t", false},
	} {
		db, h := openDriver(t, ticking(), &mlcache.Config{Mode: tc.mode})
		for range 2 {
			scanInt(t.Context(), t, db, tc.query)
		}
		s := h.Stats()
		if cached := s.L1Hits == 1 && s.Misses == 1; cached != tc.cached || !cached && s.Bypasses != 2 {
			t.Errorf("%s, %s: %+v", tc.mode, tc.query, s)
		}
	}
}

// Two texts that differ in comments and white space only are one question; any
// other difference makes two.
func TestTextsShareEntriesOnlyWhereTheyMeanTheSame(t *testing.T) {
	t.Parallel()
	db, _ := openDriver(t, ticking(), nil)
	first := scanInt(t.Context(), t, db, "SELECT n FROM t WHERE s = 'a b'")
	for query, same := range map[string]bool{
		"SELECT  n\nFROM t -- comment\nWHERE s = 'a b'": true,
		"/* x */ SELECT n FROM t WHERE s = 'a b'":       true,
		"SELECT n FROM t WHERE s = 'a  b'":              false,
		"SELECT n FROM t WHERE s = 'ab'":                false,
		"SELECT n FROM t WHERE s = 'A b'":               false,
		`SELECT n FROM "T" WHERE s = 'a b'`:             false,
		"SELECT n AS m FROM t WHERE s = 'a b'":          false,
		"SELECT n FROM t WHERE s = E'a b'":              false,
	} {
		if n := scanInt(t.Context(), t, db, query); (n == first) != same {
			t.Errorf("%s: got %d, and %d before", query, n, first)
		}
	}
}

func TestTableLists(t *testing.T) {
	t.Parallel()
	for _, catalog := range []bool{true, false} {
		for _, tc := range []struct {
			tables, skip []string
			query        string
			cached       bool
		}{
			{nil, nil, "SELECT n FROM t", true},
			{[]string{"t"}, nil, "SELECT n FROM t", true},
			{[]string{"public.t"}, nil, "SELECT n FROM public.t", true},
			{[]string{"t"}, nil, "SELECT n FROM u", false},
			{[]string{"t"}, nil, "SELECT t.n FROM t, u", false},
			{[]string{"t", "u"}, nil, "SELECT t.n FROM t, u", true},
			{nil, []string{"u"}, "SELECT n FROM t", true},
			{nil, []string{"u"}, "SELECT n FROM u", false},
			{nil, []string{"u"}, "SELECT t.n FROM t JOIN u ON t.n = u.n", false},
			{nil, []string{"public.u"}, "SELECT n FROM public.u", false},
			{[]string{"t", "u"}, []string{"u"}, "SELECT n FROM u", false},
		} {
			o := ticking()
			o.catalog = catalog
			db, h := openDriver(t, o, &mlcache.Config{Tables: tc.tables, SkipTables: tc.skip})
			for range 2 {
				scanInt(t.Context(), t, db, tc.query)
			}
			s := h.Stats()
			if cached := s.L1Hits == 1; cached != tc.cached {
				t.Errorf("catalog %t, only %v, without %v, %s: %+v", catalog, tc.tables, tc.skip, tc.query, s)
			}
			if !tc.cached && s.Reasons[mlcache.ReasonTableList] != 2 {
				t.Errorf("%s: reasons %v", tc.query, s.Reasons)
			}
		}
	}
}

// Time is synctest's here, so that an hour passes at once.
func TestTimesToLive(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		query string
		ttl   time.Duration // of the context; 0 for none
		lives time.Duration // the longest life; it may be shorter by a tenth
	}{
		{"configured", "SELECT n FROM t", 0, 30 * time.Second},
		{"by hint", "/* mlcache: on, ttl=5s */ SELECT n FROM t", 0, 5 * time.Second},
		{"by context", "SELECT n FROM t", 3 * time.Second, 3 * time.Second},
		{"the shorter of both", "/* mlcache: on, ttl=5s */ SELECT n FROM t", 8 * time.Second, 5 * time.Second},
		{"never longer than configured", "SELECT n FROM t", time.Hour, 30 * time.Second},
		{"below a second", "SELECT n FROM t", 200 * time.Millisecond, 200 * time.Millisecond},
		{"negative is none", "SELECT n FROM t", -time.Second, 30 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				connector := newDriverConnector(t, ticking(), &mlcache.Config{L1Size: 512 << 10})
				db := sql.OpenDB(connector)
				defer db.Close()
				ctx := t.Context()
				if tc.ttl != 0 {
					ctx = mlcache.WithTTL(ctx, tc.ttl)
				}
				read := func() int64 { return scanInt(ctx, t, db, tc.query) }
				first := read()
				time.Sleep(tc.lives * 8 / 10)
				if n := read(); n != first {
					t.Errorf("after four fifths of %v it is gone", tc.lives)
				}
				time.Sleep(tc.lives*2/10 + 2*time.Millisecond)
				if n := read(); n == first {
					t.Errorf("after %v it is still there", tc.lives)
				}
			})
		})
	}
}
