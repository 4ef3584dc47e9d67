package harness

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Queryer is a *sql.DB, *sql.Tx, *sql.Conn.
type Queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Result is an answer written out so exactly that two are equal only if the
// application cannot tell them apart: every value with its Go type, times with
// their zone, floats by their bits, and all that ColumnTypes tells.
type Result struct {
	Columns []string
	Types   []string
	Rows    []string
	Err     string // of the query or of reading its rows
}

// String is the form in which Results are compared and shown.
func (r Result) String() string {
	var b strings.Builder
	for i, c := range r.Columns {
		fmt.Fprintf(&b, "column %q %s\n", c, r.Types[i])
	}
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "row %s\n", row)
	}
	if r.Err != "" {
		fmt.Fprintf(&b, "error %s\n", r.Err)
	}
	return b.String()
}

// Query runs a statement that must succeed and reads its whole answer.
func Query(t testing.TB, db Queryer, query string, args ...any) Result {
	t.Helper()
	r := TryQuery(Context(t), db, query, args...)
	if r.Err != "" {
		t.Fatalf("%s: %s", query, r.Err)
	}
	return r
}

// TryQuery runs a statement and reads its answer, or as much as there is before
// an error.
func TryQuery(ctx context.Context, db Queryer, query string, args ...any) (r Result) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		r.Err = err.Error()
		return r
	}
	return ReadRows(rows)
}

// ReadRows reads rows to their end and closes them.
func ReadRows(rows *sql.Rows) (r Result) {
	defer rows.Close()
	var err error
	defer func() {
		if err != nil {
			r.Err = err.Error()
		}
	}()
	if r.Columns, err = rows.Columns(); err != nil {
		return r
	}
	types, err := rows.ColumnTypes()
	if err != nil {
		return r
	}
	for _, c := range types {
		r.Types = append(r.Types, describeColumn(c))
	}
	for rows.Next() {
		cells := make([]any, len(r.Columns))
		targets := make([]any, len(cells))
		for i := range cells {
			targets[i] = &cells[i]
		}
		if err = rows.Scan(targets...); err != nil {
			return r
		}
		texts := make([]string, len(cells))
		for i, c := range cells {
			texts[i] = describeValue(c)
		}
		r.Rows = append(r.Rows, strings.Join(texts, " | "))
	}
	err = rows.Err()
	return r
}

// Same fails the test when two answers differ in anything that shows.
func Same(t testing.TB, what string, got, want Result) {
	t.Helper()
	if got.String() != want.String() {
		t.Errorf("%s: wrong answer\ngot:\n%swant:\n%s", what, got, want)
	}
}

func describeColumn(c *sql.ColumnType) string {
	length, hasLength := c.Length()
	nullable, hasNullable := c.Nullable()
	precision, scale, hasDecimal := c.DecimalSize()
	return fmt.Sprintf("type=%s scan=%v length=%d,%t nullable=%t,%t decimal=%d,%d,%t",
		c.DatabaseTypeName(), c.ScanType(), length, hasLength, nullable, hasNullable, precision, scale, hasDecimal)
}

func describeValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case float64:
		// The bits tell 0 from -0 and one NaN from another.
		return fmt.Sprintf("float64 %s (%#x)", strconv.FormatFloat(v, 'g', -1, 64), math.Float64bits(v))
	case []byte:
		return "[]byte " + hex.EncodeToString(v)
	case string:
		return "string " + strconv.Quote(v)
	case time.Time:
		name, offset := v.Zone()
		return fmt.Sprintf("time %s location=%s zone=%s offset=%d", v.Format(time.RFC3339Nano), v.Location(), name, offset)
	default:
		return fmt.Sprintf("%T %v", v, v)
	}
}
