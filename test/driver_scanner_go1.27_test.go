//go:build go1.27

package test

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"testing"

	"github.com/mlcache/mlcache"
)

// scannerRows fill a destination that database/sql cannot.
type scannerRows struct {
	*originRows
	row []driver.Value
}

type pair [2]int64

func (r *scannerRows) NextRow() error {
	r.row = make([]driver.Value, len(r.r.cols))
	return r.originRows.Next(r.row)
}

func (r *scannerRows) ScanColumn(scanCtx driver.ScanContext, index int, dest any) error {
	if p, ok := dest.(*pair); ok {
		*p = pair{r.row[index].(int64), 2 * r.row[index].(int64)}
		return nil
	}
	return sql.ConvertAssign(scanCtx, dest, r.row[index])
}

// Rows that fill destinations themselves do so through mlcache: read, written,
// prepared, with an error at their end. They are not kept, since no driver.Value
// holds what such a destination may want.
func TestOriginThatFillsDestinations(t *testing.T) {
	t.Parallel()
	for _, shape := range []string{"whole", "without Queryer"} {
		o := newOrigin(func(query string, _ []driver.NamedValue) (*result, error) {
			r := &result{cols: []column{{name: "a"}}, rows: [][]driver.Value{{int64(1)}, {int64(2)}}}
			if query == "SELECT fails FROM t" {
				r.err = errDown
			}
			return r, nil
		})
		o.wrapRows = func(r *originRows) driver.Rows { return &scannerRows{originRows: r} }
		if shape != "whole" {
			o.wrapConn = func(c *originConn) driver.Conn { return struct{ driver.Conn }{c} }
		}
		db, h := openDriver(t, o, nil)
		plain := sql.OpenDB(o)
		defer plain.Close()
		for _, query := range []string{"SELECT a FROM t", "SELECT fails FROM t", "UPDATE t SET a = 1 RETURNING a", "SELECT now()"} {
			want := pairs(t, plain, query)
			for range 2 {
				if got := pairs(t, db, query); got != want {
					t.Errorf("%s, %s: got %s, want %s", shape, query, got, want)
				}
			}
		}
		if s := h.Stats(); s.L1Hits != 0 || s.Reasons[mlcache.ReasonNotStorable] < 4 {
			t.Errorf("%s: %d hits, reasons %v", shape, s.L1Hits, s.Reasons)
		}
	}
}

func pairs(t *testing.T, db *sql.DB, query string) (out string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var p pair
		var n int64
		err := rows.Scan(&p)
		out += fmt.Sprint(p, err)
		err = rows.Scan(&n)
		out += fmt.Sprint(n, err)
	}
	return out + fmt.Sprint(rows.Err())
}
