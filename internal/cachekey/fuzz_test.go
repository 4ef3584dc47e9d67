package cachekey

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/mlcache/mlcache/cache"
)

// fuzzArg makes an argument of bytes.
func fuzzArg(b *bytes.Reader, depth int) any {
	next := func() int { c, _ := b.ReadByte(); return int(c) }
	text := func() string {
		out := make([]byte, next()%5)
		b.Read(out)
		return string(out)
	}
	number := func() int64 {
		var out [8]byte
		b.Read(out[:next()%9])
		return int64(binary.LittleEndian.Uint64(out[:]))
	}
	many := func() []any {
		var out []any
		for range next() % 4 {
			out = append(out, fuzzArg(b, depth+1))
		}
		return out
	}
	kind := next() % 24
	if depth > 4 {
		kind %= 16
	}
	switch kind {
	case 0:
		return nil
	case 1:
		return text()
	case 2:
		return []byte(text())
	case 3:
		return testStatus(text())
	case 4:
		return number()
	case 5:
		return testID(number())
	case 6:
		return int(number())
	case 7:
		return next()%2 == 0
	case 8:
		return math.Float64frombits(uint64(number()))
	case 9:
		return testBytes(text())
	case 10:
		return json.RawMessage(text())
	case 11:
		return time.Unix(number()%1e10, number()%1e9).In(time.FixedZone(text(), next()))
	case 12:
		return ptr(text())
	case 13:
		return sql.NullString{String: text(), Valid: next()%2 == 0}
	case 14:
		return [2]byte{byte(next()), byte(next())}
	case 15:
		return testValuer{text()}
	case 16:
		return many()
	case 17:
		var out []string
		for range next() % 4 {
			out = append(out, text())
		}
		return out
	case 18:
		return testPair{text(), text()}
	case 19:
		out := map[string]any{}
		for _, v := range many() {
			out[text()] = v
		}
		return out
	case 20:
		return testHidden{fuzzArg(b, depth+1)}
	case 21:
		return ptr(fuzzArg(b, depth+1))
	case 22:
		return [][]byte{[]byte(text()), []byte(text())}
	default:
		return pgtype.Text{String: text(), Valid: next()%2 == 0}
	}
}

// sameArg says whether two arguments are the same but for what no driver sees.
func sameArg(a, b any) bool {
	bits := func(v any) any {
		if f, ok := v.(float64); ok {
			return math.Float64bits(f)
		}
		return v
	}
	return reflect.DeepEqual(bits(a), bits(b)) || fmt.Sprintf("%T%#v", a, a) == fmt.Sprintf("%T%#v", b, b)
}

// Two lists of arguments have one encoding only if they are the same list.
func FuzzArguments(f *testing.F) {
	f.Add([]byte("\x01\x02ab\x01\x01c"), []byte("\x01\x01a\x01\x02bc"))
	f.Add([]byte("\x10\x02\x01\x01a\x01\x01b"), []byte("\x11\x02\x01a\x01b"))
	f.Add([]byte("\x13\x01\x13\x01\x0f\x01a\x01b\x01c"), []byte("\x12\x01a\x01b"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var lists [2][]any
		var keys [2][]byte
		for i, in := range [][]byte{first, second} {
			e := Encoder{PlainPgx: true, IsPgx: true}
			r := bytes.NewReader(in)
			for r.Len() > 0 && len(lists[i]) < 8 {
				arg := fuzzArg(r, 0)
				before := len(e.Key)
				if _, reason := e.Append(arg); reason != "" {
					if len(e.Key) != before {
						t.Fatalf("%T was refused and left %d bytes", arg, len(e.Key)-before)
					}
					continue
				}
				lists[i] = append(lists[i], arg)
			}
			keys[i] = e.Key
			if again := encodeArgs(t, lists[i]...); !bytes.Equal(again, e.Key) {
				t.Fatalf("%#v: not the same encoding twice", lists[i])
			}
		}
		if !bytes.Equal(keys[0], keys[1]) {
			return
		}
		same := len(lists[0]) == len(lists[1])
		for i := 0; same && i < len(lists[0]); i++ {
			same = sameArg(lists[0][i], lists[1][i])
		}
		if !same {
			t.Fatalf("%#v and %#v are both %x", lists[0], lists[1], keys[0])
		}
	})
}

// The usual arguments of a query that no cache could do without.
func BenchmarkAppendArguments(b *testing.B) {
	for name, arg := range map[string]any{
		"int": 1, "string": "a text", "named string": testStatus("active"), "ten int64s": []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
		"uuid": pgtype.UUID{Valid: true}, "null string": sql.NullString{String: "a", Valid: true}, "map": map[string]any{"a": 1, "b": "c"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			key := make([]byte, 0, cache.MaxKeySize)
			for b.Loop() {
				e := Encoder{Key: key, PlainPgx: true, IsPgx: true}
				e.Append(arg)
			}
		})
	}
}
