package integration

import (
	"bytes"
	"database/sql"
	"fmt"
	"slices"
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

// again is a database that serves answers already.
func again(t *testing.T, dsn string) *sql.DB {
	db := harness.Open(t, "mlcache", dsn)
	untilServing(t, db)
	return db
}

// An answer that is given again and again, by one connection or another, is pgx's each time: of every type, read to its end or not.
func TestAnswersGivenAgain(t *testing.T) {
	t.Parallel()
	base := harness.NewDatabase(t, append([]string{valueTable}, kindTables()...)...)
	for _, mode := range []string{"cache_statement", "simple_protocol"} { // binary and text
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dsn := harness.With(base, "default_query_exec_mode", mode)
			pgx, db := harness.Open(t, "pgx", dsn), again(t, dsn)
			texts := []string{}
			for _, q := range valueQueries {
				if q.args == nil {
					texts = append(texts, q.text)
				}
			}
			for _, k := range kinds {
				texts = append(texts, fmt.Sprintf("SELECT id, v, v FROM %s ORDER BY id", k.name))
			}
			before := stats(t, db)
			asked := 0
			for _, text := range texts {
				want := harness.TryQuery(harness.Context(t), pgx, text)
				if want.Err != "" {
					continue
				}
				// Of the rows that are read, some were made before and some not.
				for _, rows := range []int{0, 0, 1, 2, 1, 4} {
					readSome(t, db, text, rows)
				}
				for range 3 {
					harness.Same(t, text, harness.TryQuery(harness.Context(t), db, text), want)
				}
				// Now they are all there.
				other, err := db.Conn(harness.Context(t))
				if err != nil {
					t.Fatal(err)
				}
				for range 2 {
					readSome(t, db, text, 1)
					harness.Same(t, text, harness.TryQuery(harness.Context(t), db, text), want)
					readSome(t, other, text, 2)
					harness.Same(t, text, harness.TryQuery(harness.Context(t), other, text), want)
				}
				if err := other.Close(); err != nil {
					t.Fatal(err)
				}
				asked += 17
			}
			if hits := since(before, stats(t, db)).L1Hits; hits < uint64(asked/2) {
				t.Errorf("%d hits of %d", hits, asked)
			}
		})
	}
}

// readSome reads so many rows, as QueryRow does with one.
func readSome(t *testing.T, db harness.Queryer, text string, n int) {
	t.Helper()
	rows, err := db.QueryContext(harness.Context(t), text)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for range n {
		if !rows.Next() {
			break
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// More values than a connection keeps ready come out like the others.
func TestLongAnswerGivenAgain(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE line (id int, name text); INSERT INTO line SELECT i, 'line ' || i FROM generate_series(1, 700) i")
	db := again(t, dsn)
	const query = "SELECT id, id, name FROM line ORDER BY id"
	want := untilHit(t, db, query)
	for _, rows := range []int{701, 701, 1, 170, 171, 172, 600, 700, 701} {
		readSome(t, db, query, rows)
		harness.Same(t, fmt.Sprintf("after %d rows", rows), harness.Query(t, db, query), want)
	}
}

// What a caller writes into the bytes that it got is in no later answer, and what the database says anew is in the next.
func TestBytesGivenAgain(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, `CREATE TABLE file (id int, body bytea, meta jsonb);
		INSERT INTO file VALUES (1, '\x0102', '{"a": 1}'), (2, '', NULL), (3, NULL, '[]')`)
	db := again(t, dsn)
	const query = "SELECT body, meta FROM file ORDER BY id"
	untilHit(t, db, query)
	for round := range 6 {
		rows, err := db.QueryContext(harness.Context(t), query)
		if err != nil {
			t.Fatal(err)
		}
		var got [][]byte
		for rows.Next() {
			var body, meta sql.RawBytes
			if err := rows.Scan(&body, &meta); err != nil {
				t.Fatal(err)
			}
			got = append(got, bytes.Clone(body), bytes.Clone(meta))
			clear(body)
			clear(meta)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		want := [][]byte{{1, 2}, []byte(`{"a": 1}`), {}, nil, nil, []byte("[]")}
		if !slices.EqualFunc(got, want, func(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }) {
			t.Errorf("round %d: read %q", round, got)
		}
	}
	harness.Exec(t, db, `UPDATE file SET body = '\x03' WHERE id = 1`)
	var body []byte
	for range 3 {
		if err := db.QueryRow(query).Scan(&body, new([]byte)); err != nil || !bytes.Equal(body, []byte{3}) {
			t.Errorf("after the change: %x, %v", body, err)
		}
	}
}
