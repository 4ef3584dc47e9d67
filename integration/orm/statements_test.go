package orm

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/sqlinfo"
)

// query is one thing that a program asks of its library: it may send several
// statements.
type query struct {
	name string
	run  func() error
}

// library makes the queries of one library on a DB.
type library struct {
	name    string
	queries func(t testing.TB, db *sql.DB) []query
}

// exceptions are the queries whose answers are rightly not kept, by library and
// name, with the reason that mlcache must give.
var exceptions = map[string]mlcache.Reason{
	"gorm: recent orders": sqlinfo.ReasonTimeFunction,
	"bun: recent orders":  sqlinfo.ReasonTimeFunction,
	"sqlx: now":           sqlinfo.ReasonTimeFunction,
	"squirrel: lock":      sqlinfo.ReasonForUpdate,
}

// wantedShare is the part of ordinary SELECTs that must be cacheable, in percent.
const wantedShare = 95

// What libraries generate for ordinary queries is kept, is answered from the
// cache the second time, and the answer is pgx's.
func TestOrdinaryStatementsAreHits(t *testing.T) {
	t.Parallel()
	dsn := newShop(t)
	plain := harness.Open(t, "pgx", dsn)
	db := openCached(t, dsn)
	total, kept := 0, 0
	met := make(map[string]bool)
	for _, l := range []library{gormLibrary, bunLibrary, squirrelLibrary, sqlxLibrary, entLibrary, sqlcLibrary, scanyLibrary} {
		t.Run(l.name, func(t *testing.T) {
			recorded, r := record(t, dsn)
			selects, hit := 0, 0
			for _, q := range l.queries(t, recorded) {
				r.take()
				if err := q.run(); err != nil {
					t.Errorf("%s: %v", q.name, err)
					continue
				}
				statements := r.take()
				if len(statements) == 0 {
					t.Errorf("%s: nothing was sent", q.name)
				}
				for _, s := range statements {
					if !s.isSelect() {
						t.Errorf("%s: not a SELECT: %s", q.name, s.text)
						continue
					}
					selects++
					key := l.name + ": " + q.name
					why, bad := replay(t, db, plain, s)
					if bad != "" {
						t.Errorf("%s: %s\n\t%s %v", q.name, bad, s.text, s.args)
						continue
					}
					want, excepted := exceptions[key]
					met[key] = true
					switch {
					case why == "":
						hit++
						if excepted {
							t.Errorf("%s: is kept, and stands in the list of exceptions", q.name)
						}
					case why != want:
						t.Errorf("%s: not kept: %s\n\t%s %v", q.name, explained(t, db, s, why), s.text, s.args)
					default:
						t.Logf("not kept: %s: %s\n\t%s", q.name, explained(t, db, s, why), s.text)
					}
				}
			}
			total += selects
			kept += hit
			t.Logf("%s: %d of %d SELECTs are hits the second time", l.name, hit, selects)
		})
	}
	for key := range exceptions {
		if !met[key] {
			t.Errorf("the exception %q names no query", key)
		}
	}
	t.Logf("all libraries: %d of %d SELECTs are hits the second time (%.1f %%)", kept, total, 100*float64(kept)/float64(total))
	if 100*kept < wantedShare*total {
		t.Errorf("%d of %d SELECTs are hits, want %d %%", kept, total, wantedShare)
	}
}

// replay runs a statement three times over mlcache and compares each answer with
// pgx's. It returns why the answer was not kept, empty if it was; bad says what
// went wrong.
func replay(t testing.TB, db, plain *sql.DB, s statement) (why mlcache.Reason, bad string) {
	t.Helper()
	ctx := harness.Context(t)
	want := harness.TryQuery(ctx, plain, s.text, s.args...)
	if want.Err != "" {
		return "", "pgx: " + want.Err
	}
	h := handle(t, db)
	for i := range 3 {
		before := h.Stats()
		got := harness.TryQuery(ctx, db, s.text, s.args...)
		after := h.Stats()
		if got.String() != want.String() {
			return "", fmt.Sprintf("wrong answer\ngot:\n%swant:\n%s", got, want)
		}
		if i == 0 {
			continue
		}
		if hits(before, after) == 1 {
			if why != "" {
				return "", "a hit after a bypass: " + string(why)
			}
			continue
		}
		for r, n := range after.Reasons {
			if n > before.Reasons[r] {
				why = r
			}
		}
		if why == "" {
			return "", "a miss for a statement whose answer should have been kept"
		}
	}
	return why, ""
}

// explained says why an answer is not kept, in full.
func explained(t testing.TB, db *sql.DB, s statement, why mlcache.Reason) string {
	t.Helper()
	x, err := handle(t, db).Explain(harness.Context(t), s.text)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s (%s; explain: %s %q)", why, mlcache.ReasonDoc(why), x.Reason, x.Detail)
}
