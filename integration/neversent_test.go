package integration

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

// refusing is a value that cannot be encoded.
type refusing struct{}

func (refusing) Value() (driver.Value, error) { return nil, errors.New("no value") }

// A write whose arguments pgx cannot encode is never sent, and so changes nothing: the cache goes on at once, whatever
// users type into a form.
func TestAWriteThatCannotBeEncodedIsNoChange(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE item (id int PRIMARY KEY, at date)", "INSERT INTO item VALUES (1)")
	const read = "SELECT id, at FROM item ORDER BY id"
	harness.InEveryExecMode(t, dsn, func(t *testing.T, dsn string) {
		db := harness.Open(t, "mlcache", withPatientRedis(t, dsn))
		pgx := harness.Open(t, "pgx", dsn)
		untilServing(t, db)
		for _, w := range []struct {
			name, sql string
			args      []any
		}{
			{"too large", "UPDATE item SET id = $1", []any{int64(5000000000)}},
			{"too large, with RETURNING", "UPDATE item SET id = $1 RETURNING id", []any{int64(5000000000)}},
			{"of no type", "UPDATE item SET at = $1", []any{struct{ C chan int }{}}},
			{"an error of its own", "UPDATE item SET id = $1", []any{refusing{}}},
			{"too few", "UPDATE item SET id = $1, at = $2", []any{7}},
			{"too many", "UPDATE item SET id = $1 + 0", []any{7, 8, 9}},
			{"a text with a NUL", "UPDATE item SET at = $1", []any{"\x00"}},
		} {
			for _, by := range []struct {
				name string
				run  func(db *sql.DB) error
			}{
				{"Exec", func(db *sql.DB) error {
					_, err := db.Exec(w.sql, w.args...)
					return err
				}},
				{"Query", func(db *sql.DB) error {
					var n int
					return db.QueryRow(w.sql, w.args...).Scan(&n)
				}},
				{"a prepared statement", func(db *sql.DB) error {
					s, err := db.Prepare(w.sql)
					if err != nil {
						return err
					}
					defer s.Close()
					_, err = s.Exec(w.args...)
					return err
				}},
				{"a transaction", func(db *sql.DB) error {
					tx, err := db.Begin()
					if err != nil {
						return err
					}
					defer tx.Rollback()
					_, err = tx.Exec(w.sql, w.args...)
					return err
				}},
			} {
				hit := false
				// A change of the schema elsewhere, as a role that another test makes, empties the cache too.
				for try := 0; !hit && try < 3; try++ {
					untilHit(t, db, read)
					err := by.run(db)
					if want := by.run(pgx); want == nil || err == nil || err.Error() != want.Error() {
						t.Fatalf("%s by %s: the error is %v, want %v", w.name, by.name, err, want)
					}
					before := stats(t, db)
					harness.Same(t, w.name+" by "+by.name, harness.Query(t, db, read), harness.Query(t, pgx, read))
					harness.Query(t, db, read)
					c := since(before, stats(t, db))
					hit = c.L1Hits+c.L2Hits > 0
				}
				if !hit {
					t.Fatalf("%s by %s: no hit after a write that was never sent", w.name, by.name)
				}
			}
		}
	})
}
