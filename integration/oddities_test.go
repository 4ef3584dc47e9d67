package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
)

// oddities are what no careful program does, and some do.
var oddities = []struct {
	name string
	run  func(ctx context.Context, db *sql.DB) string
}{
	{"no text", odd("")}, {"a semicolon", odd(";")}, {"a comment", odd("-- nothing")}, {"no SQL", odd("SELEC 1")},
	{"two statements", odd("SELECT id FROM odd ORDER BY id; SELECT 2")}, {"two with arguments", odd("SELECT 1; SELECT $1::int", 1)},
	{"too few", odd("SELECT n FROM odd WHERE id = $1")}, {"too many", odd("SELECT n FROM odd WHERE id = $1", 1, 2)},
	{"nil", odd("SELECT n FROM odd WHERE id = $1", nil)}, {"an untyped nil", odd("SELECT $1", nil)}, {"an untyped number", odd("SELECT $1", 7)},
	{"a wrong type", odd("SELECT n FROM odd WHERE id = $1", "one")}, {"a text that is a number", odd("SELECT n FROM odd WHERE id = $1", "1")},
	{"a NUL", odd("SELECT n FROM odd WHERE name = $1", "a\x00b")}, {"no UTF-8", odd("SELECT n FROM odd WHERE name = $1", "\xff")},
	{"a NUL in the text", odd("SELECT 1 \x00")}, {"named", odd("SELECT $1::int", sql.Named("a", 1))},
	{"division by zero at the third row", odd("SELECT 1/(3-id) FROM odd ORDER BY id")},
	{"division by zero far on", odd("SELECT 1/(30000-i) FROM generate_series(1, 40000) i, odd WHERE odd.id = 1")},
	{"no columns", odd("SELECT FROM odd")}, {"columns of one name", odd("SELECT id a, id a, n a FROM odd ORDER BY 1")},
	{"a function", odd("SELECT f(id) FROM odd ORDER BY id")}, {"VALUES", odd("VALUES (1, 'a'), (2, NULL) ORDER BY 1")}, {"TABLE", odd("TABLE odd")},
	{"SHOW", odd("SHOW server_version_num")}, {"EXPLAIN", odd("EXPLAIN (COSTS OFF) SELECT * FROM odd")}, {"a write", odd("UPDATE odd SET n = n WHERE id = 1")},
	{"RETURNING", odd("UPDATE odd SET n = n WHERE id < 3 RETURNING id, n")}, {"a hint", odd("/* mlcache: on, ttl=1s */ SELECT n FROM odd WHERE id = 2")},
	{"LISTEN", odd("LISTEN x")}, {"BEGIN and nothing more", odd("BEGIN; SELECT 1; ROLLBACK")}, {"COPY", odd("COPY odd TO STDOUT")},
	{"a level that is not known", func(ctx context.Context, db *sql.DB) string {
		_, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelLinearizable})
		return fmt.Sprint(err)
	}},
	{"LastInsertId", func(ctx context.Context, db *sql.DB) string {
		r, err := db.ExecContext(ctx, "UPDATE odd SET n = n")
		if err != nil {
			return err.Error()
		}
		id, err := r.LastInsertId()
		n, err2 := r.RowsAffected()
		return fmt.Sprint(id, err, n, err2)
	}},
	{"a context that has ended", func(ctx context.Context, db *sql.DB) string {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		_, err := db.QueryContext(ended, "SELECT n FROM odd")
		_, err2 := db.ExecContext(ended, "UPDATE odd SET n = n")
		_, err3 := db.PrepareContext(ended, "SELECT 1")
		return fmt.Sprint(err, err2, err3)
	}},
	{"closed twice, scanned after", func(ctx context.Context, db *sql.DB) string {
		rows, err := db.QueryContext(ctx, "SELECT n FROM odd")
		if err != nil {
			return err.Error()
		}
		rows.Next()
		return fmt.Sprint(rows.Close(), rows.Close(), rows.Next(), rows.Scan(new(int)), rows.Err())
	}},
	{"another result set", func(ctx context.Context, db *sql.DB) string {
		rows, err := db.QueryContext(ctx, "SELECT n FROM odd")
		if err != nil {
			return err.Error()
		}
		defer rows.Close()
		return fmt.Sprint(rows.NextResultSet(), rows.Next(), rows.Err())
	}},
	{"a statement in a transaction", func(ctx context.Context, db *sql.DB) string {
		s, err := db.PrepareContext(ctx, "SELECT n FROM odd WHERE id = $1")
		if err != nil {
			return err.Error()
		}
		defer s.Close()
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err.Error()
		}
		defer tx.Rollback()
		var a, b, c int
		_, err = tx.ExecContext(ctx, "UPDATE odd SET n = 99 WHERE id = 1")
		return fmt.Sprint(err, tx.StmtContext(ctx, s).QueryRowContext(ctx, 1).Scan(&a), s.QueryRowContext(ctx, 1).Scan(&b), tx.Rollback(), s.QueryRowContext(ctx, 1).Scan(&c), a, b, c)
	}},
	{"RawBytes", func(ctx context.Context, db *sql.DB) string {
		rows, err := db.QueryContext(ctx, "SELECT id, name, n, at, raw FROM odd ORDER BY id")
		if err != nil {
			return err.Error()
		}
		defer rows.Close()
		var b strings.Builder
		for rows.Next() {
			var c [5]sql.RawBytes
			fmt.Fprintf(&b, "%v ", rows.Scan(&c[0], &c[1], &c[2], &c[3], &c[4]))
			fmt.Fprintf(&b, "%q ", c)
			for i := range c {
				clear(c[i]) // which is the driver's memory, for now
			}
		}
		return b.String() + fmt.Sprint(rows.Err())
	}},
	{"cancelled in the middle", func(ctx context.Context, db *sql.DB) string {
		short, cancel := context.WithCancel(ctx)
		defer cancel()
		rows, err := db.QueryContext(short, "SELECT id FROM odd ORDER BY id")
		if err != nil {
			return err.Error()
		}
		defer rows.Close()
		rows.Next()
		cancel()
		for rows.Next() { // database/sql closes them beside us
			time.Sleep(time.Millisecond)
		}
		return fmt.Sprint(errors.Is(rows.Err(), context.Canceled) || rows.Err() == nil)
	}},
}

// odd asks, and says all that came of it.
func odd(query string, args ...any) func(ctx context.Context, db *sql.DB) string {
	return func(ctx context.Context, db *sql.DB) string {
		rows, err := db.QueryContext(ctx, query, args...)
		if err != nil {
			return fmt.Sprintf("Query: %v", err)
		}
		defer rows.Close()
		var b strings.Builder
		columns, err := rows.Columns()
		fmt.Fprintln(&b, columns, err)
		types, err := rows.ColumnTypes()
		for _, ct := range types {
			length, ok := ct.Length()
			p, s, ok2 := ct.DecimalSize()
			null, ok3 := ct.Nullable()
			fmt.Fprintln(&b, ct.Name(), ct.DatabaseTypeName(), ct.ScanType(), length, ok, p, s, ok2, null, ok3)
		}
		fmt.Fprintln(&b, err)
		n := 0
		for rows.Next() {
			cells, pointers := make([]any, len(columns)), make([]any, len(columns))
			for i := range cells {
				pointers[i] = &cells[i]
			}
			if err := rows.Scan(pointers...); err != nil {
				fmt.Fprintln(&b, err)
			}
			if n++; n < 10 {
				fmt.Fprintf(&b, "%#v\n", cells)
			}
		}
		fmt.Fprintln(&b, n, rows.Err(), rows.Close())
		return b.String()
	}
}

// What is odd goes wrong over mlcache as over pgx, in every exec mode, at the first
// time and again.
func TestOddities(t *testing.T) {
	t.Parallel()
	base := harness.NewDatabase(t, warmup, `CREATE TABLE odd (id int PRIMARY KEY, name text, n int, at timestamptz, raw bytea);
		INSERT INTO odd VALUES (1, 'one', 10, '2025-01-01 00:00+00', '\x00ff'), (2, NULL, NULL, NULL, NULL), (3, '', 30, 'infinity', ''), (4, 'vier', 40, '0044-03-15 BC', 'x');
		CREATE FUNCTION f(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN IF i = 3 THEN RAISE EXCEPTION 'not three' USING HINT = 'four'; END IF; RETURN i; END $$`)
	harness.InEveryExecMode(t, base, func(t *testing.T, dsn string) {
		ctx := harness.Context(t)
		pgx := harness.Open(t, "pgx", dsn)
		db := harness.Open(t, "mlcache", harness.With(dsn, "mlcache_namespace", harness.NewNamespace(t)))
		untilServing(t, db)
		for _, o := range oddities {
			for round := range 3 {
				want, got := o.run(ctx, pgx), o.run(ctx, db)
				if want != got {
					t.Errorf("%s, round %d: over mlcache\n%s\nover pgx\n%s", o.name, round, got, want)
					break
				}
			}
		}
		if s := stats(t, db); s.L1Hits < 10 {
			t.Errorf("%d hits: the test has shown little", s.L1Hits)
		}
	})
}
