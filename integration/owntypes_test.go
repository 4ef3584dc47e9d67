package integration

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

var berlin = time.FixedZone("berlin", 2*60*60)

// anHourLater sends times an hour later than they are.
type anHourLater struct{ *pgtype.TimestampCodec }

func (c anHourLater) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(time.Time); !ok {
		return c.TimestampCodec.PlanEncode(m, oid, format, value)
	}
	return encodeLater{c.TimestampCodec.PlanEncode(m, oid, format, pgtype.Timestamp{})}
}

type encodeLater struct{ inner pgtype.EncodePlan }

func (e encodeLater) Encode(value any, buf []byte) ([]byte, error) {
	return e.inner.Encode(pgtype.Timestamp{Time: value.(time.Time).Add(time.Hour), Valid: true}, buf)
}

// registerTypes does what a program does in AfterConnect.
func registerTypes(_ context.Context, c *pgx.Conn) error {
	m := c.TypeMap()
	m.RegisterType(&pgtype.Type{Name: "timestamp", OID: pgtype.TimestampOID, Codec: anHourLater{&pgtype.TimestampCodec{ScanLocation: berlin}}})
	m.RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: berlin}})
	// One type's codec in another's place.
	m.RegisterType(&pgtype.Type{Name: "eight", OID: pgtype.Int2OID, Codec: pgtype.Int8Codec{}})
	m.RegisterType(&pgtype.Type{Name: "amount", OID: pgtype.NumericOID, Codec: pgtype.TextCodec{}})
	return nil
}

// registerByTracer does the same in a tracer.
type registerByTracer struct{}

func (registerByTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (registerByTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (registerByTracer) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return ctx
}

func (registerByTracer) TraceConnectEnd(ctx context.Context, d pgx.TraceConnectEndData) {
	if d.Conn != nil {
		_ = registerTypes(ctx, d.Conn)
	}
}

const ownTypesTable = `CREATE TABLE kinds (id int PRIMARY KEY, at timestamp, atz timestamptz, day date, small int2, yes bool, amount numeric, doc jsonb, raw bytea, f8 float8, name text)`

// The values that an answer is made of are those of the connection's own types, on a miss, on a hit, by a connection that had no
// need of the database yet, and in a transaction; and another program's answers, in the same Redis, are none of its own.
func TestCodecsThatTheProgramRegisters(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, ownTypesTable,
		`INSERT INTO kinds VALUES (1, '2026-07-01 12:00', '2026-07-01 12:00Z', '2026-07-01', 7, true, 1.50, '{"a": 1}', '\x00ff', 0.5, 'x'),
			(2, 'infinity', '-infinity', 'infinity', NULL, false, 'NaN', '[]', '', 'NaN', '')`)
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	traced := config.Copy()
	traced.Tracer = registerByTracer{}
	shared := withPatientRedis(t, dsn)
	plainConfig, err := mlcache.ParseConfig(shared)
	if err != nil {
		t.Fatal(err)
	}
	open := func(config *pgx.ConnConfig, static bool, options ...stdlib.OptionOpenDB) *sql.DB {
		cfg := *plainConfig
		cfg.StaticSessions = static
		connector, err := mlcache.NewConnector(stdlib.GetConnector(*config, options...), &cfg)
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(connector)
		t.Cleanup(func() { db.Close() })
		return db
	}
	hook := stdlib.OptionAfterConnect(registerTypes)
	own := stdlib.OpenDB(*config, hook)
	t.Cleanup(func() { own.Close() })
	plain := harness.Open(t, "pgx", dsn)
	type pair struct {
		name    string
		db, pgx *sql.DB
	}
	pairs := []pair{
		{"plain", harness.Open(t, "mlcache", shared), plain},
		{"by AfterConnect", open(config, false, hook), own},
		{"by AfterConnect, static", open(config, true, hook), own},
		{"by a tracer", open(traced, false), own},
		{"by a hook that registers nothing", open(config, true, stdlib.OptionAfterConnect(func(context.Context, *pgx.Conn) error { return nil })), plain},
	}
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{"SELECT id, at, atz, day, yes, amount, doc, raw, f8, name FROM kinds ORDER BY id", nil},
		{"SELECT min(at), max(atz) FROM kinds", nil},
		{"SELECT ARRAY[id], id::numeric(5, 2) FROM kinds ORDER BY id", nil},
		{"SELECT id, at FROM kinds WHERE at = $1", []any{time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}},
		{"SELECT id, at FROM kinds WHERE at = $1", []any{time.Date(2026, 7, 1, 11, 0, 0, 0, time.UTC)}},
		{"SELECT id, at FROM kinds WHERE id = $1", []any{1}},
	} {
		for _, p := range pairs {
			want := harness.Query(t, p.pgx, q.sql, q.args...)
			for range 3 {
				harness.Same(t, p.name+": "+q.sql, harness.Query(t, p.db, q.sql, q.args...), want)
			}
		}
		for _, p := range pairs {
			want := harness.Query(t, p.pgx, q.sql, q.args...)
			p.db.SetMaxIdleConns(0)
			for range 3 { // each time by a fresh connection
				harness.Same(t, p.name+", a fresh connection: "+q.sql, harness.Query(t, p.db, q.sql, q.args...), want)
			}
			p.db.SetMaxIdleConns(2)
			tx, err := p.db.Begin()
			if err != nil {
				t.Fatal(err)
			}
			harness.Same(t, p.name+", in a transaction: "+q.sql, harness.Query(t, tx, q.sql, q.args...), want)
			tx.Rollback()
		}
	}
	for _, p := range pairs {
		if s := stats(t, p.db); s.L1Hits+s.L2Hits < 12 {
			t.Errorf("%s: the test has shown nothing: %+v, %v", p.name, since(mlcache.Stats{}, s), s.Reasons)
		}
	}
}

// What a program registers on the connection itself holds for this connection, from then on.
func TestCodecsThatAreRegisteredByHand(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, ownTypesTable, "INSERT INTO kinds (id, at) VALUES (1, '2026-07-01 12:00')")
	const query = "SELECT id, at FROM kinds ORDER BY id"
	answers := make(map[string][]harness.Result)
	for _, name := range []string{"pgx", "mlcache"} {
		db := harness.Open(t, name, dsn)
		if name == "mlcache" {
			untilHit(t, db, query)
		}
		one, err := db.Conn(harness.Context(t))
		if err != nil {
			t.Fatal(err)
		}
		other, err := db.Conn(harness.Context(t))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			answers[name] = append(answers[name], harness.Query(t, one, query), harness.Query(t, other, query))
		}
		err = one.Raw(func(c any) error {
			return registerTypes(harness.Context(t), c.(interface{ Conn() *pgx.Conn }).Conn())
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			answers[name] = append(answers[name], harness.Query(t, one, query), harness.Query(t, other, query))
		}
		one.Close()
		other.Close()
	}
	for i := range answers["pgx"] {
		harness.Same(t, query, answers["mlcache"][i], answers["pgx"][i])
	}
}
