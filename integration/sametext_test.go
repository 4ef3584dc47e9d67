package integration

import (
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

// On one connection a text comes to read another table than before. Its answer then depends on that one: the next write to
// it must be seen, which it is not if the connection goes by what it knew of the text.
func TestTheSameTextReadsAnotherTable(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]struct {
		query, before, change string
		elsewhere             bool // another connection makes the change
	}{
		"search_path":           {"SELECT n FROM items", "SET search_path = one", "SET search_path = two", false},
		"a view":                {"SELECT n FROM v", "CREATE VIEW v AS SELECT n FROM one.items", "CREATE OR REPLACE VIEW v AS SELECT n FROM two.items", false},
		"a view made elsewhere": {"SELECT n FROM v", "CREATE VIEW v AS SELECT n FROM one.items", "CREATE OR REPLACE VIEW v AS SELECT n FROM two.items", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := harness.Open(t, "mlcache", harness.NewDatabase(t, `
CREATE SCHEMA one; CREATE TABLE one.items (n int); INSERT INTO one.items VALUES (1);
CREATE SCHEMA two; CREATE TABLE two.items (n int); INSERT INTO two.items VALUES (2)`))
			harness.Ready(t, db)
			ctx := harness.Context(t)
			conn, err := db.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			want := func(n int) {
				t.Helper()
				var got int
				if err := conn.QueryRowContext(ctx, way.query).Scan(&got); err != nil || got != n {
					t.Fatalf("read %d, %v; want %d", got, err, n)
				}
			}
			wantHit := func(n int) {
				t.Helper()
				for start := stats(t, db); stats(t, db).L1Hits < start.L1Hits+2; {
					want(n)
				}
			}
			harness.Exec(t, conn, way.before)
			wantHit(1)
			if way.elsewhere {
				harness.Exec(t, db, way.change)
			} else {
				harness.Exec(t, conn, way.change)
			}
			wantHit(2)
			harness.Exec(t, db, "UPDATE two.items SET n = 3")
			want(3)
		})
	}
}
