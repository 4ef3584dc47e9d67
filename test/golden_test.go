package test

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mlcache/mlcache"
)

// Processes of different versions share what is in Redis: the names of keys, which are
// digests of who asks what with which arguments, and the bytes of entries. Neither ever
// changes without a new version of the format.
func TestKeysAndEntriesKeepTheirBytes(t *testing.T) {
	t.Parallel()
	moment := time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)
	types := &result{
		cols: []column{
			{name: "i", dbType: "INT8"}, {name: "f", dbType: "FLOAT8"}, {name: "b", dbType: "BOOL"}, {name: "s", dbType: "TEXT", length: 9, hasLength: true},
			{name: "raw", dbType: "BYTEA", nullable: true, hasNullable: true}, {name: "at", dbType: "TIMESTAMPTZ"},
			{name: "n", dbType: "NUMERIC", precision: 10, scale: 2, hasPrecision: true},
		},
		rows: [][]driver.Value{
			{int64(-1), 2.5, true, "a", []byte{0, 1}, moment, nil},
			{int64(1) << 40, 0.0, false, strings.Repeat("long ", 40), nil, moment.Add(time.Hour), "12.50"},
		},
	}
	empty := &result{cols: []column{{name: "n", dbType: "INT8"}}}
	o := newOrigin(func(query string, _ []driver.NamedValue) (*result, error) {
		switch {
		case strings.Contains(query, "types"):
			return types, nil
		case strings.Contains(query, "empty"):
			return empty, nil
		}
		return intResult(42), nil
	})
	o.catalog = true
	server := runRedis(t)
	p := startProcess(t, o, server, patient, mlcache.Config{Namespace: "golden", L1Size: -1})
	names := map[string]string{}
	var got bytes.Buffer
	for _, q := range []struct {
		ctx   context.Context
		query string
		args  []any
	}{
		{t.Context(), "SELECT n FROM t", nil},
		{t.Context(), "select n from t", nil},
		{t.Context(), "SELECT n FROM t WHERE k = $1", []any{int64(1)}},
		{t.Context(), "SELECT n FROM t WHERE k = $1", []any{"1"}},
		{t.Context(), "SELECT n FROM t WHERE k = $1 AND b = $2", []any{[]byte("x"), true}},
		{t.Context(), "SELECT n FROM t WHERE k = $1 AND at < $2", []any{2.5, moment}},
		{t.Context(), "SELECT n FROM t WHERE k = $1", []any{nil}},
		{t.Context(), "SELECT * FROM t WHERE s = 'types'", nil},
		{t.Context(), "SELECT n FROM t WHERE s = 'empty'", nil},
		{t.Context(), "SELECT n FROM t WHERE k = 7 /* mlcache: ttl=1m */", nil},
		{mlcache.WithTables(t.Context(), "t"), "SELECT n FROM t WHERE k = 8", nil},
		{mlcache.WithTTL(t.Context(), time.Minute), "SELECT n FROM t WHERE k = 9", nil},
	} {
		var key string
		waitFor(t, "an entry of "+q.query, func() bool {
			rows, err := p.db.QueryContext(q.ctx, q.query, q.args...)
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
			}
			if err := rows.Close(); err != nil {
				t.Fatal(err)
			}
			for _, name := range server.Keys() {
				if _, ok := names[name]; !ok && strings.HasPrefix(name, "golden:") && !strings.HasPrefix(name, "golden:r:hot") {
					key = name
					names[name] = q.query
				}
			}
			return key != ""
		})
		fmt.Fprintf(&got, "%s %v\n", q.query, q.args)
		value, err := server.Get(key)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "\t%s\n\t%s\n", key, hex.EncodeToString(withoutChance([]byte(value))))
	}
	want := "testdata/keys.golden"
	if os.Getenv("MLCACHE_GOLDEN") == "write" {
		if err := os.WriteFile(want, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), file) {
		t.Errorf("got\n%s\nwant\n%s", got.Bytes(), file)
	}
}

// withoutChance blanks out what differs from run to run in an entry, see package cache:
// when it was stored and ends, the versions of its tables, and the sum over all.
func withoutChance(entry []byte) []byte {
	const head, stamp, sum = 24, 8, 8
	stamps := int(entry[4]) | int(entry[5])<<8
	clear(entry[8:head])
	clear(entry[head+stamp : head+stamps*stamp]) // the first is of the key
	clear(entry[len(entry)-sum:])
	return entry
}
