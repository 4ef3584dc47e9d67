package integration

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// What the database says beside an answer reaches the program's OnNotice as with
// pgx alone.
func TestNoticesReachTheProgram(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, `CREATE TABLE item (id int);
		CREATE FUNCTION warns() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'from a function'; RETURN 1; END $$;
		CREATE FUNCTION on_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'from a trigger'; RETURN NEW; END $$;
		CREATE TRIGGER on_write BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION on_write()`)
	told := func(through bool) (notices []string) {
		config, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
			mu.Lock()
			defer mu.Unlock()
			notices = append(notices, n.Severity+" "+n.Message)
		}
		connector := stdlib.GetConnector(*config)
		if through {
			c, err := mlcache.NewConnector(connector, &mlcache.Config{Namespace: harness.NewNamespace(t), L1Size: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			connector = c
		}
		db := sql.OpenDB(connector)
		defer db.Close()
		if through {
			harness.Ready(t, db)
		}
		for range 2 {
			harness.Query(t, db, "SELECT warns()")
			harness.Query(t, db, "SELECT warns()") // which no cache may answer
			harness.Exec(t, db, "INSERT INTO item VALUES (1)")
			harness.Exec(t, db, "DROP TABLE IF EXISTS nothing")
			harness.Query(t, db, "INSERT INTO item VALUES (2) RETURNING id")
		}
		return notices
	}
	want := told(false)
	if got := told(true); len(want) != 10 || !slices.Equal(got, want) {
		t.Errorf("told %q, with pgx %q", got, want)
	}
}

// A caller that gives up at any row has read the rows before it and nothing else;
// what others read afterwards is whole.
func TestCancellationAtAnyRow(t *testing.T) {
	t.Parallel()
	const query, total = "SELECT id FROM line ORDER BY id", 12
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE line (id int); INSERT INTO line SELECT generate_series(1, 12)")
	want := harness.Query(t, harness.Open(t, "pgx", dsn), query)
	for name, limit := range map[string]string{"from the cache": "100", "streaming": "5"} {
		db := harness.Open(t, "mlcache", harness.With(dsn, "mlcache_max_rows", limit, "mlcache_namespace", harness.NewNamespace(t)))
		untilServing(t, db)
		for round := range 2 { // filling, and then a hit where it fits
			for stop := range total + 1 {
				if round == 0 { // as if nothing had been read yet
					h, err := mlcache.From(db)
					if err != nil {
						t.Fatal(err)
					}
					if err := h.Invalidate(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				ctx, cancel := context.WithCancel(harness.Context(t))
				rows, err := db.QueryContext(ctx, query)
				if err != nil {
					t.Fatal(err)
				}
				var got []int
				for {
					if len(got) == stop {
						cancel()
					}
					if !rows.Next() {
						break
					}
					var id int
					if rows.Scan(&id) != nil {
						break // closed between Next and Scan
					}
					got = append(got, id)
				}
				for i, id := range got {
					if id != i+1 {
						t.Fatalf("%s, ended at %d: row %d is %d", name, stop, i, id)
					}
				}
				if err := rows.Err(); len(got) < total && !errors.Is(err, context.Canceled) {
					t.Errorf("%s, ended at %d: %d rows and then %v", name, stop, len(got), err)
				}
				rows.Close()
				cancel()
				harness.Same(t, name+", after a caller gave up", harness.Query(t, db, query), want)
			}
		}
	}
}

// Two processes in different time zones share an entry, and each reads times in
// its own zone, as from pgx.
func TestProcessesInDifferentTimeZones(t *testing.T) {
	t.Parallel()
	const query = "SELECT d, ts, tz FROM value ORDER BY id"
	dsn := harness.NewDatabase(t, warmup, valueTable)
	cached := withPatientRedis(t, dsn)
	fill := harness.Open(t, "mlcache", cached)
	untilServing(t, fill)
	untilHit(t, fill, query)
	var answers []string
	for _, zone := range []string{"Asia/Kathmandu", "America/New_York"} {
		env := harness.LocalZone(zone)
		p := harness.StartProcess(t, "mlcache", cached, env)
		want := harness.StartProcess(t, "pgx", dsn, env).Query(query)
		untilProcessServes(t, p)
		for range 3 {
			harness.Same(t, zone, p.Query(query).Result, want.Result)
		}
		if s := p.Stats(); s.L2Hits == 0 || s.L1Hits == 0 {
			t.Errorf("%s: %d hits in Redis, %d in memory", zone, s.L2Hits, s.L1Hits)
		}
		answers = append(answers, want.Result.String())
	}
	if answers[0] == answers[1] {
		t.Error("the processes are in one zone: the test has shown nothing")
	}
}
