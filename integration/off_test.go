package integration

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// With mlcache_mode=off the database is asked what the program asks, in its order, and
// nothing else, over as many connections.
func TestOffAsksNothingOfItsOwn(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, "CREATE TABLE item (n int)", "INSERT INTO item VALUES (1)", "CREATE SCHEMA other")
	harness.InEveryExecMode(t, dsn, func(t *testing.T, dsn string) {
		run := func(driverName string, log *harness.StatementLog, dsn string) (said []string) {
			db := harness.Open(t, driverName, dsn)
			db.SetMaxOpenConns(1)
			for _, q := range []string{"SELECT n FROM item", "UPDATE item SET n = n + 1 RETURNING n", "SET search_path = other, public", "SELECT n FROM item"} {
				r := harness.TryQuery(t.Context(), db, q)
				said = append(said, fmt.Sprint(r))
			}
			tx, err := db.BeginTx(harness.Context(t), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
			if err != nil {
				t.Fatal(err)
			}
			harness.Exec(t, tx, "SET LOCAL statement_timeout = '20s'")
			harness.Exec(t, tx, "SET LOCAL search_path = public")
			harness.Exec(t, tx, "LOCK TABLE item")
			said = append(said, fmt.Sprint(harness.Query(t, tx, "SELECT n FROM item WHERE n > $1", 0)))
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			harness.Exec(t, db, "UPDATE item SET n = 1")
			for _, s := range log.Statements() {
				said = append(said, fmt.Sprint(s.SQL, s.Conn))
			}
			return append(said, fmt.Sprint(log.Connections()))
		}
		direct := harness.NewStatementLog(t, dsn)
		want := run("pgx", direct, direct.DSN())
		log := harness.NewStatementLog(t, dsn)
		got := run("mlcache", log, withRedis(t, log.DSN(), "mlcache_mode", "off"))
		if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
			t.Errorf("off:\n%s\npgx:\n%s", a, b)
		}
	})
}

// Codecs that a program registers decode what it gets, as with pgx.
func TestOffLeavesCodecsToPgx(t *testing.T) {
	t.Parallel()
	config, err := pgx.ParseConfig(harness.NewDatabase(t, "CREATE TABLE moment (at timestamp)", "INSERT INTO moment VALUES ('2024-05-01 12:00')"))
	if err != nil {
		t.Fatal(err)
	}
	zone := time.FixedZone("there", 7200)
	origin := stdlib.GetConnector(*config, stdlib.OptionAfterConnect(func(_ context.Context, c *pgx.Conn) error {
		c.TypeMap().RegisterType(&pgtype.Type{Name: "timestamp", OID: pgtype.TimestampOID, Codec: &pgtype.TimestampCodec{ScanLocation: zone}})
		return nil
	}))
	c, err := mlcache.NewConnector(origin, &mlcache.Config{Namespace: harness.NewNamespace(t), Mode: mlcache.ModeOff})
	if err != nil {
		t.Fatal(err)
	}
	off, direct := sql.OpenDB(c), sql.OpenDB(origin)
	defer off.Close()
	defer direct.Close()
	for range 2 {
		const query = "SELECT at FROM moment"
		harness.Same(t, query, harness.TryQuery(t.Context(), off, query), harness.TryQuery(t.Context(), direct, query))
	}
}

// A write of a pool that is off is known to the pools and the processes that are not.
func TestWritesOfAPoolThatIsOff(t *testing.T) {
	t.Parallel()
	dsn := withPatientRedis(t, harness.NewDatabase(t, "CREATE TABLE item (n int)", "INSERT INTO item VALUES (0)"))
	off := harness.Open(t, "mlcache", harness.With(dsn, "mlcache_mode", "off"))
	db := harness.Open(t, "mlcache", dsn)
	other := harness.StartProcess(t, "mlcache", harness.With(dsn, "mlcache_consistency", "strict"))
	harness.Ready(t, db)
	for i, write := range []func(){
		func() { harness.Exec(t, off, "UPDATE item SET n = n + 1") },
		func() { harness.Query(t, off, "UPDATE item SET n = n + 1 RETURNING n") },
		func() {
			tx, err := off.BeginTx(harness.Context(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			harness.Exec(t, tx, "UPDATE item SET n = n + 1")
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
		},
		func() {
			s, err := off.PrepareContext(harness.Context(t), "UPDATE item SET n = n + 1")
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if _, err := s.ExecContext(harness.Context(t)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		untilHit(t, db, "SELECT n FROM item")
		other.Query("SELECT n FROM item")
		write()
		want := fmt.Sprintf("int64 %d", i+1)
		if got := harness.Query(t, db, "SELECT n FROM item").Rows[0]; got != want {
			t.Errorf("write %d, another pool: %s, want %s", i, got, want)
		}
		if got := other.Query("SELECT n FROM item").Rows[0]; got != want {
			t.Errorf("write %d, another process: %s, want %s", i, got, want)
		}
	}
}
