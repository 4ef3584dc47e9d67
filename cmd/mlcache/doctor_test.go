package main

import (
	"database/sql"
	"encoding/json"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/cmd/mlcache/internal/servers"
)

type finding struct{ Check, Level, Found, Do string }

// examined runs the doctor and returns its findings by "level check".
func examined(t *testing.T, code int, args ...string) map[string]finding {
	t.Helper()
	got, out, errOut := command(t, "", append([]string{"doctor", "--json"}, args...)...)
	var report struct {
		Level    string
		Findings []finding
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || errOut != "" {
		t.Fatalf("%v: said %q and %q", err, out, errOut)
	}
	if got != code || []string{"ok", "warning", "error"}[code] != report.Level {
		t.Errorf("exit code %d, level %s, want %d: %s", got, report.Level, code, out)
	}
	by := map[string]finding{}
	for _, f := range report.Findings {
		if (f.Level == "ok") != (f.Do == "") {
			t.Errorf("%+v: what is not well, and only that, needs advice", f)
		}
		key := f.Level + " " + f.Check
		f.Found += "\n" + by[key].Found // one for each right
		by[key] = f
	}
	return by
}

// has checks that there is such a finding with such a text.
func has(t *testing.T, by map[string]finding, key, text string) {
	t.Helper()
	f, ok := by[key]
	if found, err := regexp.MatchString(text, f.Found); !ok || err != nil || !found {
		t.Errorf("no finding %q with %q in %v", key, text, by)
	}
}

func TestDoctorFindsEachFaultOfADatabase(t *testing.T) {
	ctx := t.Context()
	pg, err := servers.Postgres(ctx, servers.Options{Sources: []servers.Source{servers.Binary, servers.Container, servers.Packages}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Close() })
	in := func(dsn string, statements ...string) {
		t.Helper()
		db, err := sql.Open("pgx", dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		for _, s := range statements {
			if _, err := db.ExecContext(ctx, s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}

	in(pg.URL, "CREATE TABLE items (n int)", "CREATE VIEW some_items AS SELECT n FROM items WHERE n > 0")
	by := examined(t, 0, "--dsn", pg.URL)
	has(t, by, "ok database version", "PostgreSQL 1")
	has(t, by, "ok catalog", "^2 relations, read in ")
	has(t, by, "ok tables and views", "every one")
	has(t, by, "ok pooler", "none")
	has(t, by, "ok redis", "no mlcache_redis")

	in(pg.URL,
		"CREATE FUNCTION roll() RETURNS int VOLATILE LANGUAGE sql AS 'SELECT 6'", "CREATE VIEW dice AS SELECT roll() AS n",
		"CREATE UNLOGGED TABLE scratch (n int)",
		"CREATE FOREIGN DATA WRAPPER nowhere", "CREATE SERVER far FOREIGN DATA WRAPPER nowhere", `CREATE FOREIGN TABLE "Abroad" (n int) SERVER far`,
		"CREATE TABLE guarded (n text)", "ALTER TABLE guarded ENABLE ROW LEVEL SECURITY",
		"CREATE FUNCTION setting_of(n text) RETURNS text LANGUAGE sql STABLE AS 'SELECT current_setting(n, true)'",
		"CREATE POLICY by_setting ON guarded USING (n = setting_of('app.' || n))",
		"CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'", "CREATE EVENT TRIGGER noted ON ddl_command_end EXECUTE FUNCTION note()",
		"CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false)", "ALTER SUBSCRIPTION feed ENABLE")
	by = examined(t, 1, "--dsn", pg.URL)
	has(t, by, "warning tables and views, volatile_function", `public\.dice`)
	has(t, by, "warning tables and views, unlogged_table", `public\.scratch`)
	has(t, by, "warning tables and views, foreign_table", `public\."Abroad"`)
	has(t, by, "warning tables and views, policy", `public\.guarded`)
	has(t, by, "warning event triggers", "noted")
	has(t, by, "warning subscriptions", "feed")
	for key, f := range by {
		if strings.Contains(f.Found, "public.items") || strings.Contains(f.Found, "some_items") {
			t.Errorf("%s blames what is well: %s", key, f.Found)
		}
	}

	in(pg.URL, "CREATE DATABASE old ENCODING 'LATIN1' TEMPLATE template0")
	old := strings.Replace(pg.URL, "/postgres?", "/old?", 1)
	// The extension itself need not be installed to be found.
	in(old, "UPDATE pg_extension SET extname = 'pg_cron' WHERE extname = 'plpgsql'")
	by = examined(t, 2, "--dsn", old)
	has(t, by, "error database encoding", "LATIN1")
	has(t, by, "warning jobs in the database", "pg_cron")

	in(pg.URL, "ALTER DATABASE old ALLOW_CONNECTIONS false")
	for _, dsn := range []string{old, strings.Replace(pg.URL, "mlcache:", "mlcache:wrong", 1), "postgres://127.0.0.1:1/x"} {
		has(t, examined(t, 2, "--dsn", dsn), "error database", "")
	}
	if _, out, _ := command(t, "", "doctor", "--dsn", strings.Replace(pg.URL, "mlcache:", "mlcache:wrong", 1)); strings.Contains(out, "wrong") {
		t.Errorf("shows the password: %s", out)
	}
}

func TestDoctorFindsEachFaultOfARedis(t *testing.T) {
	ctx := t.Context()
	address, client := ownRedis(t)
	set := func(args ...any) {
		t.Helper()
		if err := client.Do(ctx, args...).Err(); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
	by := examined(t, 0, "--redis", address, "--size")
	has(t, by, "ok redis memory", "maxmemory 512 MiB, maxmemory-policy allkeys-lru")
	has(t, by, "ok redis role", "master")
	has(t, by, "ok redis rights", `\(13 looked at\)`)
	has(t, by, "ok clock", "apart")
	has(t, by, "ok namespace", "has not been used")
	has(t, by, "ok size of L1", "no answers")
	if n, err := client.DBSize(ctx).Result(); n != 0 || err != nil {
		t.Errorf("the doctor left %d keys, %v", n, err)
	}

	set("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
	has(t, examined(t, 1, "--redis", address), "warning redis memory", "volatile-ttl")
	set("CONFIG", "SET", "maxmemory-policy", "noeviction")
	has(t, examined(t, 2, "--redis", address), "error redis memory", "noeviction")
	set("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	set("CONFIG", "SET", "maxmemory", "0")
	has(t, examined(t, 1, "--redis", address), "warning redis memory", "no maxmemory")
	set("CONFIG", "SET", "maxmemory", "512mb")

	t.Run("rights", func(t *testing.T) {
		// The rule of docs/redis.md, without one right after the other.
		text, err := os.ReadFile("../../docs/redis.md")
		if err != nil {
			t.Fatal(err)
		}
		line := regexp.MustCompile(`(?m)^ACL SETUSER app on >PASSWORD resetkeys resetchannels -@all (.*)$`).FindSubmatch(text)
		if line == nil {
			t.Fatal("docs/redis.md has no ACL rule")
		}
		rule := strings.Fields(strings.ReplaceAll(string(line[1]), "mlcache", "shop"))
		user := withUser(t, address, "app", "secret")
		for i := -1; i < len(rule); i++ {
			args, missing := []any{"ACL", "SETUSER", "app", "reset", "on", ">secret", "-@all"}, ""
			for k, right := range rule {
				if k == i {
					missing = right
				} else {
					args = append(args, right)
				}
			}
			set(args...)
			want := map[string]int{
				"": 0, "~shop:e:*": 1, "~shop:r:*": 1, "&{shop}:bus": 1, "+subscribe": 1, "+publish": 1, "+pubsub|numsub": 1, "+get": 1, "+set": 1,
				"+unsubscribe": 0, "+ping": 0, "+hello": 0,
				"+multi": 0, "+exec": 0, "+client|info": 0, // only strict uses them
			}
			code, listed := want[missing]
			if !listed {
				code = 2
			}
			by := examined(t, code, "--redis", user, "--namespace", "shop")
			if missing == "+info" {
				has(t, by, "error redis server", "NOPERM")
			}
			if missing == "+multi" || missing == "+exec" || missing == "+client|info" {
				strict := "postgres://127.0.0.1:1/none?mlcache_consistency=strict&mlcache_namespace=shop&mlcache_redis=" + url.QueryEscape(user)
				has(t, examined(t, 2, "--dsn", strict), "warning redis rights", regexp.QuoteMeta(missing))
			}
			if code > 0 {
				has(t, by, []string{"", "warning", "error"}[code]+" redis rights", regexp.QuoteMeta(missing))
			}
		}
		has(t, examined(t, 2, "--redis", withUser(t, address, "app", "guess")), "error redis", "WRONGPASS")
	})

	t.Run("namespace", func(t *testing.T) {
		pg, err := servers.Postgres(ctx, servers.Options{Sources: []servers.Source{servers.Binary, servers.Container, servers.Packages}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = pg.Close() })
		db, err := sql.Open("pgx", pg.URL)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		if _, err := db.ExecContext(ctx, "CREATE TABLE mine (n int)"); err != nil {
			t.Fatal(err)
		}
		v := openVersions(t, client, "shop")
		dsn := pg.URL + "&mlcache_namespace=shop&mlcache_redis=" + url.QueryEscape(address)
		if err := v.Invalidate(ctx, "!schema", "public.mine", "public.dropped"); err != nil {
			t.Fatal(err)
		}
		has(t, examined(t, 0, "--dsn", dsn), "ok namespace", "in use by this database, with 1 table, and 1 that it has no more")
		if err := v.Invalidate(ctx, "public.theirs"); err != nil {
			t.Fatal(err)
		}
		has(t, examined(t, 1, "--dsn", dsn), "warning namespace", `2 tables that this database does not have \(public.dropped, public.theirs\)`)
		set("SET", "{taken}:v", "x")
		has(t, examined(t, 2, "--redis", address, "--namespace", "taken"), "error namespace", "not mlcache's")
	})

	t.Run("size", func(t *testing.T) {
		l2 := cache.NewRedis(client, "big")
		for i := range 400 {
			if err := l2.Set(ctx, []byte{byte(i), byte(i >> 8)}, make([]byte, 10_000), time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		dsn := "postgres://127.0.0.1:1/none?mlcache_namespace=big&mlcache_redis=" + url.QueryEscape(address)
		// 400 answers take 3.8 MiB, and L1Size leaves room for chance beside them.
		for size, want := range map[string]string{"64MiB": "ok size of L1", "1MiB": "warning size of L1", "0": "warning size of L1"} {
			has(t, examined(t, 2, "--size", "--dsn", dsn+"&mlcache_l1_size="+size), want, `^400 answers in Redis of 10000 bytes on average`)
		}
	})

	// A clock that is wrong, and a server that is none of ours, by an imitation.
	m := miniredis.RunT(t)
	m.SetTime(time.Now().Add(time.Hour))
	by = examined(t, 2, "--redis", "redis://"+m.Addr())
	has(t, by, "warning clock", "59m59|1h0m0")
	has(t, by, "error redis version", "")

	set("REPLICAOF", "127.0.0.1", "1")
	has(t, examined(t, 2, "--redis", address), "error redis role", "slave")
	has(t, examined(t, 2, "--redis", address, "--redis-mode", "cluster"), "error redis", "")
	has(t, examined(t, 2, "--redis", "redis://127.0.0.1:1"), "error redis", "refused")
}
