package test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mlcache/mlcache"
)

// counting is an answer of n rows: 0, 1, 2, ….
func counting(n int) *result {
	return &result{cols: []column{{name: "n"}}, generate: func(i int) []driver.Value {
		if i >= n {
			return nil
		}
		return []driver.Value{int64(i)}
	}}
}

func TestResultsAroundTheLimitLoseNoRow(t *testing.T) {
	t.Parallel()
	const limit = 5
	for n := range 2 * limit {
		o := newOrigin(func(string, []driver.NamedValue) (*result, error) { return counting(n), nil })
		db, h := openDriver(t, o, &mlcache.Config{MaxRows: limit})
		for range 3 {
			got, err := queryInts(t.Context(), db, "SELECT n FROM t")
			if err != nil || len(got) != n || !slices.IsSorted(got) || n > 0 && (got[0] != 0 || got[n-1] != int64(n-1)) {
				t.Errorf("%d rows: got %v, %v", n, got, err)
			}
		}
		if n <= limit {
			wantCounts(t, h, 2, 0, 1, 0)
		} else {
			wantCounts(t, h, 0, 0, 3, 0)
			if r := h.Stats().Reasons; r[mlcache.ReasonTooLarge] != 3 {
				t.Errorf("%d rows: reasons %v", n, r)
			}
		}
	}
}

func TestResultsAroundTheByteLimitLoseNoRow(t *testing.T) {
	t.Parallel()
	for size := 100; size < 1100; size += 77 {
		row := strings.Repeat("x", size)
		o := newOrigin(func(string, []driver.NamedValue) (*result, error) {
			return &result{cols: []column{{name: "s"}}, rows: [][]driver.Value{{row}, {row}, {row}}}, nil
		})
		db, h := openDriver(t, o, &mlcache.Config{MaxBytes: 1000})
		want := fmt.Sprintf("%q", []string{row, row, row})
		for range 2 {
			rows, err := db.QueryContext(t.Context(), "SELECT s FROM t")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for rows.Next() {
				var s string
				if err := rows.Scan(&s); err != nil {
					t.Fatal(err)
				}
				got = append(got, s)
			}
			if err := rows.Err(); err != nil || fmt.Sprintf("%q", got) != want {
				t.Errorf("rows of %d bytes: got %d of them, %v", size, len(got), err)
			}
		}
		if hits := h.Stats().L1Hits; (hits == 1) != (3*size < 950) {
			t.Errorf("rows of %d bytes: %d hits", size, hits)
		}
	}
}

// A result beyond the limits is read as the program reads it.
func TestLargeResultStreams(t *testing.T) {
	t.Parallel()
	const limit = 10
	o := newOrigin(func(string, []driver.NamedValue) (*result, error) { return counting(1 << 40), nil })
	db, h := openDriver(t, o, &mlcache.Config{MaxRows: limit})
	for range 2 {
		before := o.nexts.Load()
		rows, err := db.QueryContext(t.Context(), "SELECT n FROM t")
		if err != nil {
			t.Fatal(err)
		}
		for i := range int64(1000) {
			var n int64
			if !rows.Next() || rows.Scan(&n) != nil || n != i {
				t.Fatalf("row %d: got %d, %v", i, n, rows.Err())
			}
			if ahead := o.nexts.Load() - before - (i + 1); ahead > limit+1 {
				t.Fatalf("row %d: the origin is %d rows ahead", i, ahead)
			}
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}
	// One row of many: what has been read is not the whole answer.
	for range 2 {
		if n := scanInt(t.Context(), t, db, "SELECT n FROM t"); n != 0 {
			t.Error(n)
		}
	}
	wantCounts(t, h, 0, 0, 4, 0)
	// The connections have been given back in good order.
	if n := db.Stats().InUse; n != 0 {
		t.Errorf("%d connections in use", n)
	}
}

func TestErrorAfterRowsComesWhereTheOriginPutsIt(t *testing.T) {
	t.Parallel()
	boom, closing := errors.New("boom"), errors.New("closing")
	for _, cfg := range []*mlcache.Config{nil, {MaxRows: 2}, {MaxRows: 3}, {Mode: mlcache.ModeOff}} {
		for _, r := range []result{
			{err: boom}, {closeErr: closing}, {err: boom, closeErr: closing}, {err: driver.ErrBadConn},
		} {
			o := newOrigin(func(string, []driver.NamedValue) (*result, error) {
				one := *counting(3)
				one.err, one.closeErr = r.err, r.closeErr
				return &one, nil
			})
			plain := sql.OpenDB(o)
			db, h := openDriver(t, o, cfg)
			for name, run := range map[string]func(*sql.DB) string{
				"all rows": func(db *sql.DB) string {
					got, err := queryInts(t.Context(), db, "SELECT n FROM t")
					return fmt.Sprint(got, err == boom, err == closing, err)
				},
				"one row": func(db *sql.DB) string {
					var n int64
					err := db.QueryRowContext(t.Context(), "SELECT n FROM t").Scan(&n)
					return fmt.Sprint(n, err == boom, err == closing, err)
				},
				"closed early": func(db *sql.DB) string {
					rows, err := db.QueryContext(t.Context(), "SELECT n FROM t")
					if err != nil {
						return err.Error()
					}
					ok := rows.Next()
					return fmt.Sprint(ok, rows.Err(), rows.Close(), rows.Err())
				},
				"write": func(db *sql.DB) string {
					got, err := queryInts(t.Context(), db, "INSERT INTO t VALUES (1) RETURNING n")
					return fmt.Sprint(got, err == boom, err == closing, err)
				},
			} {
				for range 2 {
					if got, want := run(db), run(plain); got != want {
						t.Errorf("%+v, %v, %s: got %s, without mlcache %s", cfg, r, name, got, want)
					}
				}
			}
			if s := h.Stats(); s.L1Hits != 0 {
				t.Errorf("%+v, %v: an answer with an error was cached", cfg, r)
			}
			_ = plain.Close()
		}
	}
}

func TestCancellationMidway(t *testing.T) {
	t.Parallel()
	for _, cancelAt := range []int64{1, 5, 20} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := newOrigin(nil)
		o.answer = func(string, []driver.NamedValue) (*result, error) {
			return &result{cols: []column{{name: "n"}}, generate: func(i int) []driver.Value { return []driver.Value{int64(i)} }}, nil
		}
		db, h := openDriver(t, o, &mlcache.Config{MaxRows: 10})
		rows, err := db.QueryContext(ctx, "SELECT n FROM t")
		if err != nil {
			t.Fatal(err)
		}
		for i := int64(0); rows.Next(); i++ {
			var n int64
			if err := rows.Scan(&n); err != nil {
				break // database/sql has closed the rows in between
			}
			if n != i {
				t.Fatalf("row %d: got %d", i, n)
			}
			if i == cancelAt {
				cancel()
			}
		}
		if err := rows.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at row %d: %v", cancelAt, err)
		}
		_ = rows.Close()
		if h.Stats().L1Hits != 0 {
			t.Error("hits")
		}
		if got := scanInt(t.Context(), t, db, "SELECT n FROM t"); got != 0 {
			t.Errorf("the next query got %d", got)
		}
	}
}
