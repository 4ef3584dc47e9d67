package cachekey

import (
	"bytes"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// Processes of different versions share keys in Redis, so the bytes of an argument never
// change. The types are those of packages that do not move: where a type is from is a
// part of its bytes.
func TestArgumentsKeepTheirBytes(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("x", 2*3600)
	moment := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	args := []any{
		nil, "", "a", "naïve", []byte(nil), []byte{}, []byte("a\x00b"), true, false,
		0, -1, int8(-8), int16(-16), int32(-32), int64(math.MinInt64), uint(1), uint8(8), uint16(16), uint32(32), uint64(math.MaxUint64),
		float32(1.5), 2.5, math.Inf(1), math.NaN(), math.Copysign(0, -1),
		moment, moment.In(zone), time.Time{}, time.Second, time.Weekday(3),
		ptr("a"), (*string)(nil), ptr(ptr(int64(7))), []string{"a", ""}, []string(nil), []string{}, []int64{1, -1}, [][]byte{{1}, nil},
		[3]int16{1, 2, 3}, [16]byte{15: 1}, map[string]int{"b": 2, "a": 1}, map[string]int(nil), []any{1, "a", nil, 2.5},
		map[string]any{"k": []any{true, "v"}}, struct {
			A int `json:"a"`
			B *string
		}{A: 1, B: ptr("b")},
		json.RawMessage(`{"a":1}`), json.Number("12.50"), netip.MustParseAddr("10.0.0.1"), netip.MustParsePrefix("fe80::/10"),
		big.NewInt(-12345678901234567), sql.NullString{String: "a", Valid: true}, sql.NullInt64{}, sql.Null[string]{V: "a", Valid: true},
		pgtype.Text{String: "a", Valid: true}, pgtype.Int4{Int32: 4, Valid: true}, pgtype.Date{Time: moment, Valid: true},
		pgtype.Numeric{Int: big.NewInt(125), Exp: -2, Valid: true}, pgtype.UUID{Bytes: [16]byte{1, 2}, Valid: true},
		pgtype.Range[pgtype.Int8]{Lower: pgtype.Int8{Int64: 1, Valid: true}, LowerType: pgtype.Inclusive, UpperType: pgtype.Unbounded, Valid: true},
		pgtype.FlatArray[int32]{1, 2}, pgtype.Interval{Microseconds: 1, Days: 2, Months: 3, Valid: true},
	}
	var got bytes.Buffer
	for _, arg := range args {
		e := Encoder{PlainPgx: true, IsPgx: true}
		_, reason := e.Append(arg)
		fmt.Fprintf(&got, "%T\t%s\t%s\n", arg, hex.EncodeToString(e.Key), reason)
	}
	golden(t, "testdata/arguments.golden", got.Bytes())
}

// golden compares with a file of the repository. MLCACHE_GOLDEN=write writes it instead,
// which is right only for what is new.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if os.Getenv("MLCACHE_GOLDEN") == "write" {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		var g, w string
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			t.Errorf("line %d of %s is\n%s\nand not\n%s", i+1, name, g, w)
		}
	}
}
