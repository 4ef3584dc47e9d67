package harness

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mlcache/mlcache"
)

// AdminDSN is the DSN, for pgx, of a user that may create databases and roles.
func AdminDSN() string { return servers.postgres }

// RedisURL is the URL of the Redis that all tests of the package share. A test
// that stops or fills its Redis starts one of its own with [StartRedis].
func RedisURL() string { return servers.redis }

// NewDatabase creates an empty database and returns its DSN in URL form, without
// any mlcache_ key. The database goes when the test ends.
func NewDatabase(t testing.TB, ddl ...string) string {
	t.Helper()
	name := "mlcache_test_" + unique()
	admin(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { admin(t, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	u := parse(t, servers.postgres)
	u.Path = "/" + name
	dsn := u.String()
	if len(ddl) > 0 {
		db := Open(t, "pgx", dsn)
		for _, s := range ddl {
			Exec(t, db, s)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dsn
}

// NewNamespace returns a value for mlcache_namespace that no other test has.
func NewNamespace(t testing.TB) string {
	t.Helper()
	return "test_" + unique()
}

// With returns the DSN, a URL, with further keys; an empty value takes a key out.
//
//	harness.With(dsn, "mlcache_redis", harness.RedisURL(), "mlcache_namespace", ns)
func With(dsn string, keysAndValues ...string) string {
	u, err := url.Parse(dsn)
	if err != nil || len(keysAndValues)%2 != 0 {
		panic("harness: With needs a URL and pairs of keys and values")
	}
	q := u.Query()
	for i := 0; i < len(keysAndValues); i += 2 {
		if keysAndValues[i+1] == "" {
			q.Del(keysAndValues[i])
			continue
		}
		q.Set(keysAndValues[i], keysAndValues[i+1])
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// KeywordValue returns a URL as the other form of a DSN, "host=... port=...".
func KeywordValue(t testing.TB, dsn string) string {
	t.Helper()
	u := parse(t, dsn)
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	password, _ := u.User.Password()
	host, port, _ := strings.Cut(withPort(u), ":")
	var b strings.Builder
	for _, kv := range [][2]string{
		{"host", host}, {"port", port}, {"user", u.User.Username()}, {"password", password},
		{"dbname", strings.TrimPrefix(u.Path, "/")}, {"sslmode", u.Query().Get("sslmode")},
	} {
		if kv[1] != "" {
			fmt.Fprintf(&b, "%s='%s' ", kv[0], quote.Replace(kv[1]))
		}
	}
	return strings.TrimSpace(b.String())
}

// Open opens a DB with the driver "mlcache" or "pgx" and closes it when the test
// ends. Tests run side by side in one process, and each has a database of its own: a
// URL without a namespace gets that database's name for one.
func Open(t testing.TB, driverName, dsn string) *sql.DB {
	t.Helper()
	if u, err := url.Parse(dsn); err == nil && driverName == "mlcache" && u.Scheme != "" && !u.Query().Has("mlcache_namespace") {
		if name := strings.Trim(u.Path, "/"); name != "" {
			dsn = With(dsn, "mlcache_namespace", name)
		}
	}
	db, err := sql.Open(driverName, dsn)
	if err != nil {
		t.Fatalf("open %s: %v", driverName, err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Ready waits until the cache behind db can serve: the first query of a process
// goes past it otherwise.
func Ready(t testing.TB, db *sql.DB) {
	t.Helper()
	h, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Ready(Context(t)); err != nil {
		t.Fatal(err)
	}
}

// Execer is a *sql.DB, *sql.Tx or *sql.Conn.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Exec runs a statement that must succeed.
func Exec(t testing.TB, db Execer, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(Context(t), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// Context ends with the test, and after a minute: no statement of a test takes
// longer, so one that does has hung.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// ExecModes are the values of pgx's DSN key default_query_exec_mode.
var ExecModes = []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"}

// InEveryExecMode runs a subtest for each of pgx's ways to run a query, with the
// DSN that asks for it.
func InEveryExecMode(t *testing.T, dsn string, f func(t *testing.T, dsn string)) {
	t.Helper()
	for _, mode := range ExecModes {
		t.Run(mode, func(t *testing.T) { f(t, With(dsn, "default_query_exec_mode", mode)) })
	}
}

// admin works on a connection of its own, also in a cleanup, when the test's
// context has ended.
func admin(t testing.TB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, servers.postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func parse(t testing.TB, dsn string) *url.URL {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil || u.Host == "" {
		t.Fatalf("%s must be a URL such as postgres://user:password@host:5432/postgres", EnvPostgres)
	}
	return u
}

func unique() string { return strings.ToLower(rand.Text()[:12]) }
