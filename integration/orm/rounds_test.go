package orm

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
)

// notebook holds what a program saw, in order.
type notebook struct {
	t     testing.TB
	lines []string
}

// see notes what f returns, or its error. It calls f three times: nothing is
// written meanwhile, so over mlcache the later answers come from the cache, and
// must be the first one's.
func (n *notebook) see(what string, f func() (any, error)) {
	n.t.Helper()
	for range 3 {
		v, err := f()
		if err != nil {
			n.lines = append(n.lines, fmt.Sprintf("%s: error %v", what, err))
			continue
		}
		text, err := json.Marshal(v)
		if err != nil {
			n.t.Fatal(err)
		}
		n.lines = append(n.lines, fmt.Sprintf("%s: %s", what, text))
	}
}

// note notes a value that was got once.
func (n *notebook) note(what string, v any) {
	n.lines = append(n.lines, fmt.Sprintf("%s: %v", what, v))
}

// do runs what must succeed.
func (n *notebook) do(what string, err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatalf("%s: %v", what, err)
	}
}

// fail notes the error of what must fail.
func (n *notebook) fail(what string, err error) {
	n.t.Helper()
	if err == nil {
		n.t.Fatalf("%s: no error", what)
	}
	n.lines = append(n.lines, fmt.Sprintf("%s: error %v", what, err))
}

// errUndo makes a transaction function roll back.
var errUndo = errors.New("undo")

// noon is the time at which everything happens in a round.
var noon = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)

// round is a library's usual day: migrate, create, read with relations, update,
// delete, transactions, batches.
type round struct {
	name string
	run  func(t testing.TB, db *sql.DB, n *notebook)
}

// The same program over mlcache and over pgx sees the same and leaves the same
// rows, and some of what it sees over mlcache comes from the cache.
func TestRoundsAreTheSame(t *testing.T) {
	t.Parallel()
	for _, r := range []round{
		{"gorm", gormRound}, {"bun", bunRound}, {"sqlx", sqlxRound}, {"ent", entRound},
		{"sqlc", sqlcRound}, {"scany", scanyRound}, {"goose", gooseRound}, {"river", riverRound},
	} {
		t.Run(r.name, func(t *testing.T) {
			const warmup = "CREATE TABLE warmup (id int)"
			plainDSN, cachedDSN := harness.NewDatabase(t, warmup), harness.NewDatabase(t, warmup)
			plain := notebook{t: t}
			r.run(t, harness.Open(t, "pgx", plainDSN), &plain)
			db := openCached(t, cachedDSN)
			before := handle(t, db).Stats()
			overCache := notebook{t: t}
			r.run(t, db, &overCache)
			after := handle(t, db).Stats()

			if len(plain.lines) != len(overCache.lines) {
				t.Errorf("%d answers, and over pgx %d", len(overCache.lines), len(plain.lines))
			}
			for i := range min(len(plain.lines), len(overCache.lines)) {
				if plain.lines[i] != overCache.lines[i] {
					t.Errorf("over mlcache: %s\nover pgx:     %s", overCache.lines[i], plain.lines[i])
				}
			}
			if got, want := rest(t, cachedDSN), rest(t, plainDSN); got != want {
				t.Errorf("rows that are left over mlcache:\n%s\nover pgx:\n%s", got, want)
			}
			if hits(before, after) == 0 {
				t.Error("no hits")
			}
			t.Logf("%s: %d answers, the same; %d hits, %d misses, %d bypasses %v", r.name, len(plain.lines),
				hits(before, after), after.Misses-before.Misses, after.Bypasses-before.Bypasses, after.Reasons)
		})
	}
}

// rest is what the tables of a database hold, but for the times that a migration
// tool notes of its own.
func rest(t testing.TB, dsn string) string {
	t.Helper()
	db := harness.Open(t, "pgx", dsn)
	ctx := harness.Context(t)
	rows, err := db.QueryContext(ctx, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, name := range tables {
		r := harness.Query(t, db, fmt.Sprintf("SELECT to_jsonb(t) - 'tstamp' FROM %q t ORDER BY 1", name))
		fmt.Fprintf(&b, "%s %s\n", name, strings.Join(r.Rows, "\n  "))
	}
	return b.String()
}
