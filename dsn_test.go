package mlcache

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestParseConfigTakesItsKeysOut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, dsn, rest string }{
		{"URL, in the middle", "postgres://u:p@h:1/d?sslmode=disable&mlcache_mode=off&x=1", "postgres://u:p@h:1/d?sslmode=disable&x=1"},
		{"URL, only ours", "postgresql://h/d?mlcache_mode=off", "postgresql://h/d"},
		{"URL, escaped key", "postgres://h/d?mlcache%5Fmode=off", "postgres://h/d"},
		{"URL, other bytes untouched", "postgres://h/d?application_name=a%20b+c&mlcache_mode=off", "postgres://h/d?application_name=a%20b+c"},
		{"keywords", "host=h mlcache_mode=off dbname=d", "host=h dbname=d"},
		{"keywords, quoted", `host=h password='a \' mlcache_mode=x' mlcache_mode = 'off' dbname=d`, `host=h password='a \' mlcache_mode=x' dbname=d`},
		{"nothing of ours", "host=h  dbname=d", "host=h  dbname=d"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := ParseConfig(tt.dsn)
			if err != nil {
				t.Fatal(err)
			}
			if c.DSN != tt.rest {
				t.Errorf("left for pgx: %q, want %q", c.DSN, tt.rest)
			}
			if strings.Contains(tt.name, "ours") == false && c.Mode != ModeOff {
				t.Errorf("mode %q", c.Mode)
			}
			if _, err := pgx.ParseConfig(c.DSN); err != nil {
				t.Errorf("pgx: %v", err)
			}
		})
	}
}

func TestParseConfigDefaults(t *testing.T) {
	t.Parallel()
	c, err := ParseConfig("")
	if err != nil {
		t.Fatal(err)
	}
	if c.Mode != ModeAuto || c.Consistency != Bounded || c.MaxStaleness != time.Second || c.L1Size != 64<<20 ||
		c.L1TTL != 30*time.Second || c.L2TTL != 5*time.Minute || c.MaxRows != 10000 || c.MaxBytes != 1<<20 ||
		c.Namespace != "mlcache" || c.RedisMode != "single" || c.Redis != "" {
		t.Errorf("defaults: %+v", c)
	}
}

func TestParseConfigValues(t *testing.T) {
	t.Parallel()
	c, err := ParseConfig("mlcache_l1_size=0 mlcache_max_bytes=2MiB mlcache_max_staleness=250ms mlcache_tables='a, b.c,' mlcache_redis=redis://:secret@localhost:1/2")
	if err != nil {
		t.Fatal(err)
	}
	if c.L1Size >= 0 || c.MaxBytes != 2<<20 || c.MaxStaleness != 250*time.Millisecond ||
		len(c.Tables) != 2 || c.Tables[1] != "b.c" || c.Redis != "redis://:secret@localhost:1/2" {
		t.Errorf("%+v", c)
	}
}

func TestParseConfigErrorsNameKeyAndValueAndNoPassword(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		dsn  string
		want []string
	}{
		{"mlcache_mod=auto", []string{`"mlcache_mod"`, "mlcache_mode", "mlcache_redis"}},
		{"postgres://u:topsecret@h/d?MLCACHE_MODE=auto", []string{`"MLCACHE_MODE"`, "mlcache_mode"}},
		{"mlcache_mode=fast", []string{"mlcache_mode", `"fast"`}},
		{"mlcache_mode=", []string{"mlcache_mode", `""`}},
		{"mlcache_consistency=eventual", []string{"mlcache_consistency", `"eventual"`}},
		{"mlcache_max_staleness=1", []string{"mlcache_max_staleness", `"1"`}},
		{"mlcache_max_staleness=-1s", []string{"mlcache_max_staleness", `"-1s"`}},
		{"mlcache_max_staleness=1us", []string{"mlcache_max_staleness", `"1µs"`}},
		{"mlcache_l1_ttl=ten", []string{"mlcache_l1_ttl", `"ten"`}},
		{"mlcache_l1_ttl=10m", []string{"mlcache_l1_ttl", `"10m0s"`, "mlcache_l2_ttl", "5m0s"}},
		{"mlcache_l1_max_ttl=20s", []string{"mlcache_l1_max_ttl", `"20s"`, "mlcache_l1_ttl", "30s"}},
		{"mlcache_l1_max_ttl=6m", []string{"mlcache_l1_max_ttl", `"6m0s"`, "mlcache_l2_ttl", "5m0s"}},
		{"mlcache_l1_max_ttl=soon", []string{"mlcache_l1_max_ttl", `"soon"`}},
		{"mlcache_l1_ttl=2s mlcache_l2_ttl=1s", []string{"mlcache_l1_ttl", "2s", "mlcache_l2_ttl", "1s"}},
		{"mlcache_l1_size=big", []string{"mlcache_l1_size", `"big"`}},
		{"mlcache_l1_size=99999999999GiB", []string{"mlcache_l1_size"}},
		{"mlcache_l1_size=-5", []string{"mlcache_l1_size", `"-5"`}},
		{"mlcache_max_rows=0", []string{"mlcache_max_rows", `"0"`}},
		{"mlcache_max_bytes=0", []string{"mlcache_max_bytes", `"0"`}},
		{"mlcache_redis_mode=ring", []string{"mlcache_redis_mode", `"ring"`}},
		{"mlcache_namespace={x}", []string{"mlcache_namespace", `"{x}"`}},
		{"mlcache_redis=http://u:topsecret@h:1", []string{"mlcache_redis", "http://", "@h:1"}},
		{"mlcache_redis=redis://u:top?secret@h:1", []string{"mlcache_redis", "@h:1"}},
		{"mlcache_redis=redis://:topsecret@h:port", []string{"mlcache_redis", "@h:port"}},
		{"mlcache_redis='redis://:top secret@h:1'", []string{"mlcache_redis", "@h:1"}},
		{"mlcache_redis=u:topsecret@h:1", []string{"mlcache_redis", "@h:1"}},
		{"mlcache_redis=redis://h:1?sentinel_password=topsecret", []string{"mlcache_redis", "h:1"}},
		{"mlcache_mode=auto mlcache_mode=off", []string{"mlcache_mode", "twice"}},
		{"postgres://h/d?mlcache_mode=%zz", []string{"mlcache_mode"}},
	} {
		_, err := ParseConfig(tt.dsn)
		if err == nil {
			t.Errorf("%s: no error", tt.dsn)
			continue
		}
		for _, want := range append(tt.want, "mlcache: ") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q lacks %q", tt.dsn, err, want)
			}
		}
		for _, secret := range []string{"topsecret", "top?secret", "top secret", "secret@"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %q shows the password", tt.dsn, err)
			}
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	for _, s := range []string{
		"postgres://u:p@h/d?a=b&mlcache_mode=off#x", "host=h mlcache_mode='o\\ff' x=y", "mlcache_redis=redis://:p@h", "=", "a='", `a=\`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, dsn string) {
		c, err := ParseConfig(dsn)
		if err != nil {
			return
		}
		// What is left has none of our keys any more.
		again, err := ParseConfig(c.DSN)
		if err != nil {
			t.Fatalf("%q left %q: %v", dsn, c.DSN, err)
		}
		if again.DSN != c.DSN {
			t.Fatalf("%q left %q, then %q", dsn, c.DSN, again.DSN)
		}
	})
}

// What stdlib.RegisterConnConfig returns is told from every DSN.
func TestIsRegistered(t *testing.T) {
	for dsn, want := range map[string]bool{
		"registeredConnConfig0":             true,
		"registeredConnConfig12":            true,
		"registeredConnConfig":              false,
		"registeredConnConfig1x":            false,
		"registeredConnConfig-1":            false,
		" registeredConnConfig1":            false,
		"host=h user=registeredConnConfig1": false,
	} {
		if isRegistered(dsn) != want {
			t.Errorf("%q: %v", dsn, !want)
		}
	}
}
