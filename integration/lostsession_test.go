package integration

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache/integration/harness"
)

// fragile is a connection over which nothing can be sent any more once breaks has counted on, which does not show before
// somebody tries.
type fragile struct {
	net.Conn
	breaks *atomic.Int64
	made   int64
}

func (c fragile) Write(b []byte) (int, error) {
	if c.breaks.Load() != c.made {
		return 0, errors.New("gone")
	}
	return c.Conn.Write(b)
}

const twoPaths = `
CREATE TABLE items (n int); INSERT INTO items VALUES (1);
CREATE SCHEMA two; CREATE TABLE two.items (n int); INSERT INTO two.items VALUES (2)`

// loseSession makes the pool's only connection one whose session had another search_path and is gone, and which is in
// the pool all the same.
var loseSession = map[string]func(t *testing.T, db *sql.DB, breaks *atomic.Int64){
	// pgx closes the connection, and the error is not one for which database/sql would.
	"a context that ended": func(t *testing.T, db *sql.DB, _ *atomic.Int64) {
		ctx, cancel := context.WithTimeout(harness.Context(t), 100*time.Millisecond)
		defer cancel()
		var nothing any
		if err := db.QueryRowContext(ctx, "SELECT pg_sleep(60)").Scan(&nothing); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	},
	"a connection that fell silent": func(_ *testing.T, _ *sql.DB, breaks *atomic.Int64) {
		breaks.Add(1)
		time.Sleep(resetAfter)
	},
}

// What was known of a session must not outlive it: on the connection that takes its place the same text writes to another
// table.
func TestAWriteOnAConnectionWhoseSessionIsLost(t *testing.T) {
	t.Parallel()
	for name, lose := range loseSession {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := pgx.ParseConfig(harness.NewDatabase(t, warmup, twoPaths))
			if err != nil {
				t.Fatal(err)
			}
			var breaks atomic.Int64
			config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
				return fragile{conn, &breaks, breaks.Load()}, err
			}
			db := openOver(t, stdlib.GetConnector(*config), harness.NewNamespace(t))
			untilServing(t, db)
			untilHit(t, db, "SELECT count(*) FROM public.items")
			db.SetMaxOpenConns(1)
			harness.Exec(t, db, "SET search_path = two")
			var n int
			if err := db.QueryRowContext(harness.Context(t), "INSERT INTO items VALUES (3) RETURNING (SELECT count(*) FROM items)").Scan(&n); err != nil || n != 1 {
				t.Fatalf("the search path has no effect: %d, %v", n, err)
			}
			lose(t, db, &breaks)
			if err := db.QueryRowContext(harness.Context(t), "INSERT INTO items VALUES (4) RETURNING n").Scan(&n); err != nil {
				t.Fatal(err)
			}
			if err := db.QueryRowContext(harness.Context(t), "SELECT count(*) FROM public.items").Scan(&n); err != nil || n != 2 {
				t.Errorf("read %d, %v; want 2, with the row just written", n, err)
			}
		})
	}
}

// A prepared statement keeps its connection in the pool. Its hits are those of a fresh session from then on, as they
// would be with pgx, which prepares it on another connection.
func TestAPreparedHitOnAConnectionWhoseSessionIsLost(t *testing.T) {
	t.Parallel()
	db := harness.Open(t, "mlcache", harness.NewDatabase(t, warmup, twoPaths))
	untilServing(t, db)
	db.SetMaxOpenConns(1)
	ctx := harness.Context(t)
	s, err := db.PrepareContext(ctx, "SELECT n FROM items")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := func(n int) {
		t.Helper()
		var got int
		if err := s.QueryRowContext(ctx).Scan(&got); err != nil || got != n {
			t.Fatalf("read %d, %v; want %d", got, err, n)
		}
	}
	wantHit := func(n int) {
		t.Helper()
		for start := stats(t, db); stats(t, db).L1Hits < start.L1Hits+2; {
			want(n)
		}
	}
	wantHit(1)
	harness.Exec(t, db, "SET search_path = two")
	wantHit(2)
	loseSession["a context that ended"](t, db, nil)
	want(1)
}
