package integration

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/invalidation"
)

// logged keeps what is logged, as an operator's handler would see it.
type logged struct {
	mu      sync.Mutex
	records []slog.Record
}

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }
func (l *logged) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logged) WithGroup(string) slog.Handler            { return l }
func (l *logged) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, r)
	return nil
}

// find returns the attributes of the first line of a level whose message has the part.
func (l *logged) find(level slog.Level, part string) map[string]slog.Value {
	for _, r := range l.all(part) {
		if r.Level == level {
			return attributes(r)
		}
	}
	return nil
}

// all returns the lines whose message has the part.
func (l *logged) all(part string) (found []slog.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		if strings.Contains(r.Message, part) {
			found = append(found, r)
		}
	}
	return found
}

func attributes(r slog.Record) map[string]slog.Value {
	attrs := map[string]slog.Value{}
	r.Attrs(func(a slog.Attr) bool { attrs[a.Key] = a.Value.Resolve(); return true })
	return attrs
}

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out strings.Builder
	h := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})
	for _, r := range l.records {
		_ = h.Handle(context.Background(), r)
	}
	return out.String()
}

func openLogged(t *testing.T, dsn string) (*sql.DB, *logged) {
	t.Helper()
	cfg, err := mlcache.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l := &logged{}
	cfg.Logger = slog.New(l)
	origin, err := pgx.ParseConfig(cfg.DSN)
	if err != nil {
		t.Fatal(err)
	}
	c, err := mlcache.NewConnector(stdlib.GetConnector(*origin), cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() { db.Close() })
	return db, l
}

// What an operator is told: each event at its level, with what is needed to act on
// it, and never a value.
func TestWhatIsLogged(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE item (id int PRIMARY KEY, name text)")
	server := harness.StartRedis(t)
	namespace := harness.NewNamespace(t)
	dsn = harness.With(dsn, "mlcache_redis", server.URL(), "mlcache_namespace", namespace, "mlcache_max_staleness", "200ms")
	db, log := openLogged(t, dsn)
	until := func(level slog.Level, part string, keys ...string) {
		t.Helper()
		var attrs map[string]slog.Value
		harness.Eventually(t, settling, level.String()+" "+part, func() bool {
			harness.TryQuery(t.Context(), db, "SELECT id FROM warmup")
			attrs = log.find(level, part)
			return attrs != nil
		})
		if got := attrs["namespace"]; got.String() != namespace {
			t.Errorf("%s: namespace %v", part, got)
		}
		for _, k := range keys {
			if _, found := attrs[k]; !found {
				t.Errorf("%s has no %s: %v", part, k, attrs)
			}
		}
	}
	untilServing(t, db)
	until(slog.LevelDebug, "the catalog was read", "took")

	// Each statement once, without its values. No duration has so many digits in a row.
	const value = 1_834_507_260
	for i := range 5 {
		harness.Query(t, db, "SELECT now(), $1::int, 'a secret constant'", value+i)
	}
	var lines []slog.Record
	for _, r := range log.all("goes past the cache") { // on a busy machine another statement did, too, while Redis was late
		if strings.Contains(attributes(r)["statement"].String(), "now()") {
			lines = append(lines, r)
		}
	}
	if len(lines) != 1 {
		t.Fatalf("%d lines for the bypasses of one statement", len(lines))
	}
	bypass := attributes(lines[0])
	if lines[0].Level != slog.LevelDebug || bypass["reason"].String() != "time_function" || bypass["statement"].String() != "SELECT now(), $1::int, ?" || bypass["why"].String() == "" {
		t.Errorf("a bypass: %v", bypass)
	}

	// DDL.
	harness.Exec(t, db, "ALTER TABLE item ADD COLUMN more int")
	until(slog.LevelInfo, "the catalog was read again", "took")

	// Everything at once.
	if err := handle(t, db).Invalidate(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(slog.LevelInfo, "everything is invalidated", "times")

	// Redis goes, and comes back with nothing.
	server.Stop()
	until(slog.LevelWarn, "commands to it are refused")
	until(slog.LevelWarn, "the cache stops at the end of its lease", "error")
	server.Start()
	until(slog.LevelInfo, "commands go to it")
	until(slog.LevelInfo, "this process knows what has changed", "failures")
	until(slog.LevelWarn, "Redis has lost the versions", "quarantine")

	// So many changes while this process does not look that Redis does not know them
	// one by one any more.
	changeMany(t, server.URL(), namespace)
	until(slog.LevelInfo, "it cannot be told what has changed", "tables")

	if out := log.text(); strings.Contains(out, "secret") || strings.Contains(out, strconv.Itoa(value/10)) {
		t.Errorf("a value is in the log: %s", out)
	}
}

// changeMany gives more scopes new versions in one step than Redis remembers.
func changeMany(t *testing.T, url, namespace string) {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(patientTimeouts(options))
	defer client.Close()
	v, err := invalidation.Open(invalidation.Config{Client: client, Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	scopes := make([]string, 5000)
	for i := range scopes {
		scopes[i] = fmt.Sprint("public.many", i)
	}
	if err := v.Invalidate(t.Context(), scopes...); err != nil {
		t.Fatal(err)
	}
}

// A line in the log may be written to a database, through the cache.
func TestALogInTheDatabase(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "CREATE TABLE log (line text)")
	cfg, err := mlcache.ParseConfig(withPatientRedis(t, dsn))
	if err != nil {
		t.Fatal(err)
	}
	var db *sql.DB
	lines := &intoDatabase{db: func() *sql.DB { return db }}
	cfg.Logger = slog.New(lines)
	origin, err := pgx.ParseConfig(cfg.DSN)
	if err != nil {
		t.Fatal(err)
	}
	c, err := mlcache.NewConnector(stdlib.GetConnector(*origin), cfg)
	if err != nil {
		t.Fatal(err)
	}
	db = sql.OpenDB(c)
	defer db.Close()
	untilServing(t, db)
	if err := handle(t, db).Invalidate(t.Context()); err != nil {
		t.Fatal(err)
	}
	harness.Exec(t, db, "CREATE TABLE more (id int)")
	harness.Eventually(t, settling, "lines in the table", func() bool {
		harness.Query(t, db, "SELECT id FROM warmup")
		var n int
		if err := db.QueryRow("SELECT count(*) FROM log WHERE line LIKE '%invalidated%' OR line LIKE '%read again%'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n >= 2
	})
}

type intoDatabase struct{ db func() *sql.DB }

func (l *intoDatabase) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}
func (l *intoDatabase) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l *intoDatabase) WithGroup(string) slog.Handler      { return l }
func (l *intoDatabase) Handle(ctx context.Context, r slog.Record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, err := l.db().ExecContext(ctx, "INSERT INTO log VALUES ($1)", r.Message)
	return err
}
