package integration

import (
	"context"
	"database/sql"
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// Each tenant's rows are told apart in another way. Roles belong to the whole
// server, so theirs are named after the database.
const tenantTables = `
CREATE TABLE by_user (owner text, v text);
CREATE TABLE by_setting (tenant text, v text);
ALTER TABLE by_user ENABLE ROW LEVEL SECURITY;
ALTER TABLE by_setting ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON by_user USING (owner = current_user);
CREATE POLICY p ON by_setting USING (tenant = current_setting('app.tenant', true));
CREATE TABLE members (name text, tenant text);
CREATE TABLE by_lookup (tenant text, v text);
ALTER TABLE by_lookup ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON by_lookup USING (tenant IN (SELECT m.tenant FROM members m WHERE m.name = current_user));
CREATE SCHEMA one; CREATE TABLE one.items (v text); INSERT INTO one.items VALUES ('item of one');
CREATE SCHEMA two; CREATE TABLE two.items (v text); INSERT INTO two.items VALUES ('item of two');
CREATE TABLE plain (v text); INSERT INTO plain VALUES ('plain');
INSERT INTO by_setting VALUES ('one', 'set one'), ('two', 'set two')`

// A tenant never sees another tenant's rows, whatever makes it one.
func TestTenantsNeverSeeEachOthersRows(t *testing.T) {
	// Not beside tests that make roles: those belong to the whole server, and a
	// change of them is one of every database's schema.
	dsn := harness.NewDatabase(t, tenantTables)
	admin := harness.Open(t, "pgx", dsn)
	var name string
	if err := admin.QueryRow("SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	one, two := name+"_one", name+"_two"
	for _, role := range []string{one, two} {
		harness.Exec(t, admin, `CREATE ROLE "`+role+`"`)
		t.Cleanup(func() {
			if _, err := admin.Exec(`DROP OWNED BY "` + role + `"; DROP ROLE "` + role + `"`); err != nil {
				t.Error(err)
			}
		})
		harness.Exec(t, admin, `GRANT USAGE ON SCHEMA one, two, public TO "`+role+`"`)
		harness.Exec(t, admin, `GRANT ALL ON by_user, by_setting, by_lookup, members, plain, one.items, two.items TO "`+role+`"`)
		harness.Exec(t, admin, `INSERT INTO by_user VALUES ($1, $1)`, role)
		harness.Exec(t, admin, `INSERT INTO by_lookup VALUES ($1, $1)`, role)
		harness.Exec(t, admin, `INSERT INTO members VALUES ($1, $1)`, role)
	}
	ctx := harness.Context(t)
	db := harness.Open(t, "mlcache", harness.With(dsn, "mlcache_redis", harness.RedisURL(), "mlcache_namespace", harness.NewNamespace(t)))
	handle, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	harness.Ready(t, db)
	conn := func(statements ...string) *sql.Conn {
		c, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		for _, s := range statements {
			harness.Exec(t, c, s)
		}
		return c
	}
	// Each way: two sessions, a query, and what each must see.
	ways := []struct {
		name, query string
		a, b        []string
		seeA, seeB  string
	}{
		{"SET ROLE", "SELECT v FROM by_user", []string{`SET ROLE "` + one + `"`}, []string{`SET ROLE "` + two + `"`}, one, two},
		{"SET SESSION AUTHORIZATION", "SELECT v FROM by_user ORDER BY 1", []string{`SET SESSION AUTHORIZATION "` + one + `"`}, []string{`SET SESSION AUTHORIZATION "` + two + `"`}, one, two},
		{"SET of a custom setting", "SELECT v FROM by_setting", []string{`SET ROLE "` + one + `"`, `SET app.tenant = 'one'`}, []string{`SET ROLE "` + one + `"`, `SET app.tenant = 'two'`}, "set one", "set two"},
		{"set_config", "SELECT v FROM by_setting ORDER BY 1", []string{`SET ROLE "` + one + `"`, `SELECT set_config('app.tenant', 'one', false)`}, []string{`SET ROLE "` + one + `"`, `SELECT set_config('app.' || 'tenant', 'two', false)`}, "set one", "set two"},
		{"search_path", "SELECT v FROM items", []string{`SET search_path = one`}, []string{`SET search_path = two`}, "item of one", "item of two"},
		{"a policy that reads another table", "SELECT v FROM by_lookup", []string{`SET ROLE "` + one + `"`}, []string{`SET ROLE "` + two + `"`}, one, two},
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			a, b := conn(w.a...), conn(w.b...)
			before := handle.Stats()
			for range 3 {
				see(ctx, t, a, w.query, w.seeA)
				see(ctx, t, b, w.query, w.seeB)
			}
			after := handle.Stats()
			if after.L1Hits-before.L1Hits != 4 {
				t.Errorf("%d hits, want 4: %v", after.L1Hits-before.L1Hits, after.Reasons)
			}
			harness.Exec(t, a, "RESET SESSION AUTHORIZATION")
			harness.Exec(t, b, "RESET SESSION AUTHORIZATION")
		})
	}
	t.Run("SET LOCAL", func(t *testing.T) {
		c := conn(`SET ROLE "`+one+`"`, `SET app.tenant = 'one'`)
		see(ctx, t, c, "SELECT v FROM by_setting", "set one")
		tx, err := c.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		harness.Exec(t, tx, "SET LOCAL app.tenant = 'two'")
		see(ctx, t, tx, "SELECT v FROM by_setting", "set two")
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		see(ctx, t, c, "SELECT v FROM by_setting", "set one")
	})
	t.Run("a SET that a rollback undoes", func(t *testing.T) {
		c := conn(`SET search_path = one`)
		see(ctx, t, c, "SELECT v FROM items", "item of one")
		tx, err := c.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		harness.Exec(t, tx, "SET search_path = two")
		harness.Exec(t, tx, "UPDATE items SET v = 'gone'")
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		see(ctx, t, c, "SELECT v FROM items", "item of one")
		// And one that a commit keeps, with a write that goes where it points.
		if tx, err = c.BeginTx(ctx, nil); err != nil {
			t.Fatal(err)
		}
		harness.Exec(t, tx, "SET search_path = two")
		harness.Exec(t, tx, "UPDATE items SET v = 'changed'")
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		see(ctx, t, c, "SELECT v FROM items", "changed")
		see(ctx, t, conn(), "SELECT v FROM two.items", "changed")
		harness.Exec(t, c, "RESET ALL")
	})
	t.Run("REVOKE after a cached read", func(t *testing.T) {
		c := conn(`SET ROLE "` + one + `"`)
		see(ctx, t, c, "SELECT v FROM plain", "plain")
		see(ctx, t, c, "SELECT v FROM plain", "plain")
		harness.Exec(t, conn(), `REVOKE ALL ON plain FROM "`+one+`"`)
		if r := harness.TryQuery(ctx, c, "SELECT v FROM plain"); r.Err == "" {
			t.Errorf("still answered: %v", r)
		}
		harness.Exec(t, c, "RESET ROLE")
	})
	t.Run("a policy that is changed", func(t *testing.T) {
		c := conn(`SET ROLE "` + one + `"`)
		see(ctx, t, c, "SELECT v FROM by_user", one)
		harness.Exec(t, conn(), `ALTER POLICY p ON by_user USING (owner <> current_user)`)
		see(ctx, t, c, "SELECT v FROM by_user", two)
		harness.Exec(t, c, "RESET ROLE")
	})
	t.Run("DISCARD ALL", func(t *testing.T) {
		c := conn(`SET search_path = two`)
		see(ctx, t, c, "SELECT v FROM items", "changed")
		harness.Exec(t, c, "DISCARD ALL")
		if r := harness.TryQuery(ctx, c, "SELECT v FROM items"); r.Err == "" {
			t.Errorf("still answered: %v", r)
		}
	})
	t.Run("a temporary table hides another", func(t *testing.T) {
		c := conn()
		harness.Exec(t, conn(), `CREATE TABLE hidden AS SELECT 'public' AS v`)
		see(ctx, t, c, "SELECT v FROM hidden", "public")
		harness.Exec(t, c, `CREATE TEMP TABLE hidden AS SELECT 'temporary' AS v`)
		see(ctx, t, c, "SELECT v FROM hidden", "temporary")
		see(ctx, t, conn(), "SELECT v FROM hidden", "public")
		see(ctx, t, c, "SELECT v FROM public.hidden", "public")
		harness.Exec(t, c, `DROP TABLE pg_temp.hidden`)
		see(ctx, t, c, "SELECT v FROM hidden", "public")
	})
}

func see(ctx context.Context, t *testing.T, c harness.Queryer, query, want string) {
	t.Helper()
	rows, err := c.QueryContext(ctx, query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		got = append(got, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0] != want {
		t.Errorf("%s: %q, want %q alone", query, got, want)
	}
}
