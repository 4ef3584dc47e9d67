package integration

import (
	"bytes"
	"database/sql"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
)

const valueTable = `CREATE TABLE value (
		id int PRIMARY KEY, b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, t text, v varchar(12), c char(5),
		y bytea, d date, ts timestamp, tz timestamptz, tm time, iv interval, u uuid, j json, jb jsonb, ai int[], at text[], ip inet);
	INSERT INTO value VALUES
		(1, true, 32767, 2147483647, 9223372036854775807, 1.5, 0.1, 12345678901234567890.0987654321, 'plain', 'var', 'ch',
			'\x00ff80', '2024-02-29', '2024-02-29 12:34:56.789012', '2024-02-29 12:34:56.789012+05:45', '23:59:59.999999', '1 year 2 days 03:04:05.6',
			'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": [1, 2,  3]}', '{"b": null}', '{1,NULL,3}', '{"a b","",NULL}', '10.1.2.3/8'),
		(2, false, -32768, -2147483648, -9223372036854775808, '-0', '-0', 0, '', '', '', '', '0001-01-01', '0001-01-01', '0001-01-01 00:00:00+00',
			'00:00:00', '-1 month', '00000000-0000-0000-0000-000000000000', 'null', '0', '{}', '{}', '::1'),
		(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
		(4, true, 0, 0, 0, 'NaN', 'NaN', 'NaN', E'tab\ttwo\nlines \u00fc \U0001F600', 'x', 'x', '\x', '9999-12-31', '1969-12-31 23:59:59.999999',
			'1969-07-20 20:17:40+00', '12:00:00', '0', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '"\u00fc"', '"x"', '{{1,2},{3,4}}', '{NULL}', '2001:db8::/32'),
		(5, true, 1, 1, 1, 'Infinity', '-Infinity', 1e-20, ' ', ' ', ' ', '\x20', '2000-01-01', '2000-01-01', '2000-01-01 00:00:00+00',
			'00:00:01', '1 second', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '[]', '[]', '{0}', '{x}', '0.0.0.0')`

// Queries whose answers have every kind of value and shape.
var valueQueries = []struct {
	text string
	args []any
}{
	{"SELECT i2, i4, i8 FROM value ORDER BY id", nil},
	{"SELECT f4, f8 FROM value ORDER BY id", nil},
	{"SELECT b FROM value ORDER BY id", nil},
	{"SELECT t, v, c FROM value ORDER BY id", nil},
	{"SELECT y FROM value ORDER BY id", nil},
	{"SELECT d, ts, tz FROM value ORDER BY id", nil},
	{"SELECT n, tm, iv, u FROM value ORDER BY id", nil},
	{"SELECT j, jb FROM value ORDER BY id", nil},
	{"SELECT ai, at, ip FROM value ORDER BY id", nil},
	{"SELECT * FROM value WHERE id = $1", []any{1}},
	{"SELECT * FROM value WHERE id = $1", []any{3}},
	{"SELECT * FROM value WHERE id = $1", []any{-1}},
	{"SELECT i8, t FROM value WHERE t = $1 AND f8 = $2 AND b = $3", []any{"plain", 0.1, true}},
	{"SELECT id FROM value WHERE tz = $1", []any{time.Date(2024, 2, 29, 6, 49, 56, 789012000, time.UTC)}},
	{"SELECT id FROM value WHERE y = $1", []any{[]byte{0, 0xff, 0x80}}},
	{"SELECT id FROM value WHERE t IS NOT DISTINCT FROM $1::text", []any{nil}},
	{"SELECT id, id, t AS id FROM value ORDER BY 1", nil},
	{`SELECT id AS "Quoted ""Name", t AS "" "" FROM value ORDER BY id`, nil},
	{`SELECT id AS "two  spaces", 'a  b' AS c FROM value ORDER BY id`, nil},
	{"SELECT 1, 'x' FROM value", nil},
	{"SELECT FROM value", nil},
	{"SELECT count(*), max(tz), sum(i4), array_agg(id ORDER BY id) FROM value", nil},
}

// Every value that comes from a cache, and all that is told of its columns, is
// what pgx returns: on the miss, from memory and from Redis.
func TestValuesComeBackExactly(t *testing.T) {
	t.Parallel()
	base := harness.NewDatabase(t, warmup, valueTable)
	for _, zone := range []string{"UTC", "Asia/Kathmandu", "America/New_York"} {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			harness.InEveryExecMode(t, harness.With(base, "timezone", zone), func(t *testing.T, dsn string) {
				pgx := harness.Open(t, "pgx", dsn)
				cached := withPatientRedis(t, dsn)
				memory := harness.Open(t, "mlcache", cached)
				redis := harness.Open(t, "mlcache", harness.With(cached, "mlcache_l1_size", "0"))
				untilServing(t, memory)
				untilServing(t, redis)
				for _, q := range valueQueries {
					want := harness.TryQuery(harness.Context(t), pgx, q.text, q.args...)
					harness.Same(t, "miss: "+q.text, harness.TryQuery(harness.Context(t), memory, q.text, q.args...), want)
					if want.Err != "" {
						continue // pgx cannot read it in this mode, and mlcache says the same
					}
					harness.Same(t, "from memory: "+q.text, untilHit(t, memory, q.text, q.args...), want)
					harness.Same(t, "from Redis: "+q.text, untilHit(t, redis, q.text, q.args...), want)
				}
				if s := stats(t, memory); s.L1Hits == 0 {
					t.Error("nothing came from memory")
				}
				if s := stats(t, redis); s.L2Hits == 0 || s.L1Hits != 0 {
					t.Errorf("with L1 turned off: %d hits in L1, %d in L2", s.L1Hits, s.L2Hits)
				}
			})
		})
	}
}

// Bytes that an answer hands out are the caller's: what it writes there reaches
// nobody else, though sql.RawBytes is the driver's own memory.
func TestBytesHandedOutAreCopies(t *testing.T) {
	t.Parallel()
	const query = "SELECT y, t FROM value WHERE id = 1"
	dsn := harness.NewDatabase(t, warmup, valueTable)
	db := harness.Open(t, "mlcache", withPatientRedis(t, dsn))
	untilServing(t, db)
	want := untilHit(t, db, query)
	for round := range 5 {
		rows, err := db.QueryContext(harness.Context(t), query)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var y, s sql.RawBytes
			if err := rows.Scan(&y, &s); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(y, []byte{0, 0xff, 0x80}) || string(s) != "plain" {
				t.Fatalf("round %d: read %x and %q", round, y, s)
			}
			for i := range y {
				y[i] = 'X'
			}
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		harness.Same(t, "after the caller wrote into its bytes", harness.Query(t, db, query), want)
	}
}

// QueryRow closes the rows after the first, and a program may do so by itself:
// the answer is cached all the same, and whole.
func TestAnswerIsCachedWholeThoughOneRowIsRead(t *testing.T) {
	t.Parallel()
	const query = "SELECT t FROM value WHERE t IS NOT NULL ORDER BY id"
	dsn := harness.NewDatabase(t, warmup, valueTable)
	log := harness.NewStatementLog(t, dsn)
	db := harness.Open(t, "mlcache", log.DSN())
	untilServing(t, db)
	for range 3 {
		var s string
		if err := db.QueryRow(query).Scan(&s); err != nil || s != "plain" {
			t.Fatalf("read %q, %v", s, err)
		}
	}
	if n := log.Count("t IS NOT NULL"); n != 1 {
		t.Errorf("PostgreSQL has executed the SELECT %d times, want 1", n)
	}
	harness.Same(t, "the whole answer", harness.Query(t, db, query), harness.Query(t, harness.Open(t, "pgx", dsn), query))
	if n := log.Count("t IS NOT NULL"); n != 1 {
		t.Errorf("reading the whole answer executed the SELECT once more")
	}
}

// A prepared statement that is run again is answered from the cache, and sees
// writes between its runs.
func TestPreparedStatementRunAgain(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, valueTable)
	harness.InEveryExecMode(t, dsn, func(t *testing.T, dsn string) {
		log := harness.NewStatementLog(t, dsn)
		db := harness.Open(t, "mlcache", log.DSN())
		untilServing(t, db)
		s, err := db.Prepare("SELECT i8 FROM value WHERE id = $1")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for n := int64(1); n <= 3; n++ {
			harness.Exec(t, db, "UPDATE value SET i8 = $1 WHERE id = 5", n)
			for range 3 {
				var got int64
				if err := s.QueryRow(5).Scan(&got); err != nil || got != n {
					t.Fatalf("read %d, %v after %d was written", got, err, n)
				}
			}
		}
		if n := log.Count("SELECT i8 FROM value"); n != 3 {
			t.Errorf("PostgreSQL has executed the SELECT %d times for 3 versions, want 3", n)
		}
	})
}
