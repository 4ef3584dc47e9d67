package integration

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

type (
	ownString string
	ownInt    int16
	ownBytes  []byte
	ownTime   time.Time
	// ownScanner keeps what it is given, with its type.
	ownScanner struct{ got string }
)

func (s *ownScanner) Scan(v any) error {
	if v == int64(7) {
		return fmt.Errorf("an error of the destination's own")
	}
	s.got = fmt.Sprintf("%T %v", v, v)
	return nil
}

// destinations are the types that a program scans into. Up to Go 1.26 the last
// group is refused, by pgx and by mlcache alike.
var destinations = []reflect.Type{
	reflect.TypeFor[any](), reflect.TypeFor[string](), reflect.TypeFor[[]byte](), reflect.TypeFor[bool](),
	reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](), reflect.TypeFor[int64](),
	reflect.TypeFor[uint](), reflect.TypeFor[uint8](), reflect.TypeFor[uint64](), reflect.TypeFor[float32](), reflect.TypeFor[float64](),
	reflect.TypeFor[time.Time](), reflect.TypeFor[json.RawMessage](), reflect.TypeFor[ownString](), reflect.TypeFor[ownInt](),
	reflect.TypeFor[ownBytes](), reflect.TypeFor[ownTime](), reflect.TypeFor[ownScanner](),
	reflect.TypeFor[*string](), reflect.TypeFor[**int64](), reflect.TypeFor[*time.Time](), reflect.TypeFor[*[]byte](), reflect.TypeFor[*ownScanner](),
	reflect.TypeFor[sql.NullString](), reflect.TypeFor[sql.NullInt64](), reflect.TypeFor[sql.NullInt32](), reflect.TypeFor[sql.NullInt16](), reflect.TypeFor[sql.NullByte](),
	reflect.TypeFor[sql.NullFloat64](), reflect.TypeFor[sql.NullBool](), reflect.TypeFor[sql.NullTime](),
	reflect.TypeFor[sql.Null[string]](), reflect.TypeFor[sql.Null[[]byte]](), reflect.TypeFor[sql.Null[float64]](),
	reflect.TypeFor[pgtype.Text](), reflect.TypeFor[pgtype.Int8](), reflect.TypeFor[pgtype.Numeric](), reflect.TypeFor[pgtype.Date](),
	reflect.TypeFor[pgtype.Timestamp](), reflect.TypeFor[pgtype.Timestamptz](), reflect.TypeFor[pgtype.Time](), reflect.TypeFor[pgtype.Interval](),
	reflect.TypeFor[pgtype.UUID](), reflect.TypeFor[pgtype.Bits](), reflect.TypeFor[pgtype.Point](), reflect.TypeFor[pgtype.Box](),
	reflect.TypeFor[pgtype.Hstore](), reflect.TypeFor[pgtype.Uint32](), reflect.TypeFor[pgtype.TID](), reflect.TypeFor[pgtype.Float8](),

	reflect.TypeFor[[]int32](), reflect.TypeFor[[]*int64](), reflect.TypeFor[[][]int32](), reflect.TypeFor[[]string](), reflect.TypeFor[[]time.Time](), reflect.TypeFor[[][]byte](),
	reflect.TypeFor[pgtype.Array[*string]](), reflect.TypeFor[pgtype.FlatArray[pgtype.Text]](), reflect.TypeFor[pgtype.Array[pgtype.Numeric]](),
	reflect.TypeFor[pgtype.Range[pgtype.Int4]](), reflect.TypeFor[pgtype.Range[pgtype.Numeric]](), reflect.TypeFor[pgtype.Range[pgtype.Timestamptz]](), reflect.TypeFor[pgtype.Range[pgtype.Date]](),
	reflect.TypeFor[pgtype.Multirange[pgtype.Range[pgtype.Int4]]](), reflect.TypeFor[[]pgtype.Range[pgtype.Int4]](),
	reflect.TypeFor[[16]byte](), reflect.TypeFor[netip.Prefix](), reflect.TypeFor[netip.Addr](), reflect.TypeFor[net.HardwareAddr](), reflect.TypeFor[time.Duration](),
	reflect.TypeFor[map[string]any](), reflect.TypeFor[map[string]*string](), reflect.TypeFor[struct {
		A []int `json:"a"`
	}](), reflect.TypeFor[pgtype.DriverBytes](), reflect.TypeFor[pgtype.UndecodedBytes](),
	reflect.TypeFor[sql.RawBytes](), // the last: after it a row can be read no more
}

// scanned is all that a program can tell of a scan: the destination afterwards,
// and the error.
type scanned struct {
	value any
	err   string
}

func (s scanned) String() string { return fmt.Sprintf("%#v, error %q", s.value, s.err) }

func (s scanned) same(o scanned) bool {
	// DeepEqual looks behind pointers; the text takes one NaN for another.
	return s.err == o.err && (reflect.DeepEqual(s.value, o.value) || s.String() == o.String())
}

// random: whether pgx's type map refuses NULL for a type that does not fit the
// column at all is not the same on two of pgx's own connections. Only Go 1.27 leaves
// that to the type map.
func (s scanned) random(o scanned) bool {
	const refused = "cannot scan NULL into"
	return scansColumns && (strings.Contains(s.err, refused) || strings.Contains(o.err, refused)) && reflect.DeepEqual(s.value, o.value)
}

// scanInto reads the one cell of an answer once into every destination.
func scanInto(ctx context.Context, t *testing.T, db *sql.DB, query string, args ...any) []scanned {
	t.Helper()
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	out := make([]scanned, 0, len(destinations))
	if !rows.Next() {
		// The value itself cannot be read: that error is all there is.
		return append(out, scanned{err: fmt.Sprint(rows.Err())})
	}
	for _, d := range destinations {
		dest := reflect.New(d)
		s := scanned{}
		if err := rows.Scan(dest.Interface()); err != nil {
			s.err = err.Error()
		}
		v := dest.Elem()
		for v.Kind() == reflect.Pointer && !v.IsNil() {
			v = v.Elem()
		}
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 && !v.IsNil() {
			v = reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, v.Len()), v) // the driver's memory, in some
		}
		s.value = v.Interface()
		out = append(out, s)
	}
	return append(out, scanned{err: fmt.Sprint(rows.Next(), rows.Err())})
}

// Every destination takes from the cache what it takes from pgx, or refuses it
// with the same error. On Go 1.27 that includes slices, ranges and arrays.
func TestEveryDestinationTakesTheSame(t *testing.T) {
	t.Parallel()
	base := harness.NewDatabase(t, kindTables()...)
	for _, mode := range []string{"cache_statement", "simple_protocol"} { // binary and text
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dsn := harness.With(base, "default_query_exec_mode", mode)
			pgx := harness.Open(t, "pgx", dsn)
			db := harness.Open(t, "mlcache", dsn)
			streaming := harness.Open(t, "mlcache", harness.With(dsn, "mlcache_max_bytes", "1", "mlcache_namespace", harness.NewNamespace(t)))
			untilServing(t, db)
			ctx := harness.Context(t)
			var hits, direct int
			for _, k := range kinds {
				query := fmt.Sprintf("SELECT v FROM %s WHERE id = $1", k.name)
				for i := range len(k.values) + 1 {
					want := scanInto(ctx, t, pgx, query, i)
					before := stats(t, db)
					for _, by := range []struct {
						name string
						got  []scanned
					}{
						{"past the cache", scanInto(mlcache.WithBypass(ctx), t, db, query, i)},
						{"streaming", scanInto(ctx, t, streaming, query, i)},
						{"filling", scanInto(ctx, t, db, query, i)},
						{"a hit", scanInto(ctx, t, db, query, i)},
						{"a second hit", scanInto(ctx, t, db, query, i)},
					} {
						if len(by.got) != len(want) {
							t.Errorf("%s, value %d, %s: %v, want %v", k.typeName, i, by.name, by.got, want)
							continue
						}
						for n := range want {
							if !by.got[n].same(want[n]) && !want[n].random(by.got[n]) {
								into := "the end"
								if n < len(destinations) {
									into = destinations[n].String()
								}
								t.Errorf("%s, value %d, %s, into %s:\ngot  %v\nwant %v", k.typeName, i, by.name, into, by.got[n], want[n])
							}
						}
					}
					hits += int(since(before, stats(t, db)).L1Hits)
					for n, s := range want {
						if n < len(destinations) && strings.HasPrefix(destinations[n].String(), "pgtype.Range") && s.err == "" {
							direct++
						}
					}
				}
			}
			if hits < 2*len(kinds) {
				t.Errorf("%d hits: the test has shown little", hits)
			}
			if scansColumns != (direct > 0) {
				t.Errorf("%d scans into ranges succeeded", direct)
			}
		})
	}
}
