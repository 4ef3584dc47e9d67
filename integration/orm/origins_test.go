package orm

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"

	"github.com/XSAM/otelsql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/lib/pq"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// origins are connectors that a program may have already.
var origins = map[string]func(t testing.TB, dsn string) driver.Connector{
	"pgx": func(t testing.TB, dsn string) driver.Connector {
		config, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		return stdlib.GetConnector(*config)
	},
	"a pool": func(t testing.TB, dsn string) driver.Connector {
		pool, err := pgxpool.New(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		return stdlib.GetPoolConnector(pool)
	},
	"otelsql": func(t testing.TB, dsn string) driver.Connector {
		c, err := otelsql.WrapDriver(stdlib.GetDefaultDriver()).(driver.DriverContext).OpenConnector(dsn)
		if err != nil {
			t.Fatal(err)
		}
		return c
	},
	"lib/pq": func(t testing.TB, dsn string) driver.Connector {
		c, err := pq.NewConnector(dsn)
		if err != nil {
			t.Fatal(err)
		}
		return c
	},
}

// originRound is what a program does with any driver.
func originRound(t testing.TB, db *sql.DB, n *notebook) {
	ctx := harness.Context(t)
	harness.Exec(t, db, `CREATE TABLE thing (id int PRIMARY KEY, name text, price numeric(10,2), at timestamptz, on_day date, raw bytea, ok bool, tags text[], doc jsonb, ratio float8)`)
	see := func(when string) {
		for _, q := range []struct {
			text string
			args []any
		}{
			{"SELECT * FROM thing ORDER BY id", nil},
			{"SELECT name, price FROM thing WHERE id = $1", []any{1}},
			{"SELECT name FROM thing WHERE name = $1 AND ok = $2", []any{"lamp", true}},
			{"SELECT id FROM thing WHERE false", nil},
			{"SELECT count(*), sum(price), max(at) FROM thing", nil},
		} {
			n.see(when+": "+q.text, func() (any, error) { return harness.TryQuery(ctx, db, q.text, q.args...).String(), nil })
		}
	}
	see("empty")
	insert, err := db.PrepareContext(ctx, "INSERT INTO thing VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
	n.do("prepare", err)
	defer insert.Close()
	for i, name := range []any{"lamp", nil, ""} {
		_, err := insert.ExecContext(ctx, i+1, name, "12.50", noon, "2024-02-29", []byte{0, 1, 255}, i == 0, "{a,\"b c\",NULL}", `{"k": [1, null]}`, 0.1)
		n.do("insert", err)
	}
	see("three")
	read, err := db.PrepareContext(ctx, "SELECT name FROM thing WHERE id = $1")
	n.do("prepare", err)
	defer read.Close()
	for _, id := range []int{1, 2, 9} {
		n.see("prepared", func() (any, error) {
			var name sql.NullString
			err := read.QueryRowContext(ctx, id).Scan(&name)
			return fmt.Sprint(name, errors.Is(err, sql.ErrNoRows)), nil
		})
	}
	for _, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
		tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
		n.do("begin", err)
		var level string
		n.do("level", tx.QueryRowContext(ctx, "SHOW transaction_isolation").Scan(&level))
		n.note("level", level)
		_, err = tx.ExecContext(ctx, "UPDATE thing SET price = price + 1 WHERE id = $1", 1)
		n.do("update", err)
		n.do("end", end(tx))
		see("a transaction")
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	n.do("begin", err)
	_, err = tx.ExecContext(ctx, "DELETE FROM thing")
	n.fail("a write in a transaction that only reads", err)
	n.do("rollback", tx.Rollback())
	_, err = db.ExecContext(ctx, "INSERT INTO thing (id) VALUES (1)")
	n.fail("a duplicate", err)
	n.see("no such table", func() (any, error) { return nil, db.QueryRowContext(ctx, "SELECT 1 FROM nothing").Scan(new(int)) })
	var id int
	n.do("returning", db.QueryRowContext(ctx, "DELETE FROM thing WHERE id = 3 RETURNING id").Scan(&id))
	n.note("deleted", id)
	see("at the end")
}

// Whatever the origin, a program sees over mlcache what it sees without.
func TestAnyOrigin(t *testing.T) {
	t.Parallel()
	for name, origin := range origins {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, got := notebook{t: t}, notebook{t: t}
			plain := sql.OpenDB(origin(t, harness.NewDatabase(t)))
			defer plain.Close()
			originRound(t, plain, &want)
			c, err := mlcache.NewConnector(origin(t, harness.NewDatabase(t)), &mlcache.Config{Namespace: harness.NewNamespace(t)})
			if err != nil {
				t.Fatal(err)
			}
			db := sql.OpenDB(c)
			defer db.Close()
			harness.Ready(t, db)
			originRound(t, db, &got)
			for i := range max(len(want.lines), len(got.lines)) {
				if i >= len(want.lines) || i >= len(got.lines) || want.lines[i] != got.lines[i] {
					t.Fatalf("line %d: over mlcache %q\nwithout %q", i, got.lines[min(i, len(got.lines)-1)], want.lines[min(i, len(want.lines)-1)])
				}
			}
			s := handle(t, db).Stats()
			if s.L1Hits == 0 {
				t.Errorf("no hits: %v", s.Reasons)
			}
			t.Logf("%s: %d answers, the same; %d hits, %d misses, %d bypasses %v", name, len(got.lines), s.L1Hits, s.Misses, s.Bypasses, s.Reasons)
		})
	}
}
