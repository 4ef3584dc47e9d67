package integration

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

// A bad DSN is an error at Open or at the first use, names key and value, and
// shows no password: neither PostgreSQL's nor Redis's.
func TestBadDSNNamesKeyAndValueAndNoPassword(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	good := harness.NewDatabase(t)
	for _, c := range []struct {
		name  string
		keys  []string
		names []string // what the error must say
	}{
		{"unknown key", []string{"mlcache_rediss", "x"}, []string{"mlcache_rediss", "mlcache_redis", "mlcache_l1_ttl"}},
		{"misspelt in capitals", []string{"MLCACHE_MODES", "x"}, []string{"MLCACHE_MODES"}},
		{"no duration", []string{"mlcache_max_staleness", "soon"}, []string{"mlcache_max_staleness", "soon"}},
		{"duration without unit", []string{"mlcache_l1_ttl", "30"}, []string{"mlcache_l1_ttl", "30"}},
		{"negative duration", []string{"mlcache_l2_ttl", "-5m"}, []string{"mlcache_l2_ttl", "-5m"}},
		{"L1 outlives L2", []string{"mlcache_l1_ttl", "10m", "mlcache_l2_ttl", "9m"}, []string{"mlcache_l1_ttl", "10m", "mlcache_l2_ttl", "9m"}},
		{"unknown mode", []string{"mlcache_mode", "on"}, []string{"mlcache_mode", "on", "optin"}},
		{"unknown consistency", []string{"mlcache_consistency", "eventual"}, []string{"mlcache_consistency", "eventual", "strict"}},
		{"unknown redis mode", []string{"mlcache_redis_mode", "ring"}, []string{"mlcache_redis_mode", "ring", "sentinel"}},
		{"no size", []string{"mlcache_l1_size", "huge"}, []string{"mlcache_l1_size", "huge"}},
		{"no rows", []string{"mlcache_max_rows", "many"}, []string{"mlcache_max_rows", "many"}},
		{"no bytes", []string{"mlcache_max_bytes", "many"}, []string{"mlcache_max_bytes", "many"}},
		{"redis of another scheme", []string{"mlcache_redis", "http://user:" + secret + "@localhost/0"}, []string{"mlcache_redis", "localhost"}},
		{"redis that is no URL", []string{"mlcache_redis", "redis://:" + secret + "@local host:x"}, []string{"mlcache_redis"}},
		{"redis with a bad database", []string{"mlcache_redis", "redis://:" + secret + "@localhost:6379/zero"}, []string{"mlcache_redis", "localhost"}},
		{"redis with a bad option", []string{"mlcache_redis", "redis://:" + secret + "@localhost:6379/0?nonsense=1"}, []string{"mlcache_redis"}},
		{"bad port of the database", []string{"host", "localhost", "port", "notaport"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dsn := withPassword(harness.With(good, c.keys...), secret)
			db, err := sql.Open("mlcache", dsn)
			if err == nil {
				defer db.Close()
				_, err = db.ExecContext(harness.Context(t), "SELECT 1")
			}
			if err == nil {
				t.Fatal("no error")
			}
			for _, name := range c.names {
				if !strings.Contains(err.Error(), name) {
					t.Errorf("the error does not say %q: %v", name, err)
				}
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows the password: %v", err)
			}
			if c.names != nil && !strings.HasPrefix(err.Error(), "mlcache: ") {
				t.Errorf("the error does not say whose it is: %v", err)
			}
		})
	}
}

// withPassword replaces the password of a DSN in URL form.
func withPassword(dsn, password string) string {
	scheme, rest, _ := strings.Cut(dsn, "://")
	userinfo, rest, _ := strings.Cut(rest, "@")
	user, _, _ := strings.Cut(userinfo, ":")
	return scheme + "://" + user + ":" + password + "@" + rest
}

// The same keys work in both forms of a DSN.
func TestKeywordValueDSN(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, "INSERT INTO warmup VALUES (1)")
	keyword := harness.KeywordValue(t, dsn) + " mlcache_redis='" + harness.RedisURL() + "' mlcache_namespace=" + harness.NewNamespace(t) + " mlcache_l1_ttl=10s"
	db := harness.Open(t, "mlcache", keyword)
	untilServing(t, db)
	if _, err := sql.Open("mlcache", keyword+" mlcache_l1_ttl=x"); err == nil {
		t.Error("a key that is given twice, and badly, is no error")
	}
}
