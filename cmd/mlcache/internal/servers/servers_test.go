package servers

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

func nowhere() *places {
	return &places{path: func(string) (string, error) { return "", errors.New("not found") }}
}

func TestFirstTakesTheFirstSourceThatWorks(t *testing.T) {
	t.Parallel()
	absent := func(context.Context, Options) (*Server, error) { return nil, errAbsent }
	broken := func(context.Context, Options) (*Server, error) { return nil, errors.New("broken disk") }
	works := func(context.Context, Options) (*Server, error) { return &Server{URL: "x"}, nil }
	for _, test := range []struct {
		name    string
		by      map[Source]starter
		sources []Source
		want    Source
		logged  string
	}{
		{"in order", map[Source]starter{Binary: works, Container: works}, nil, Binary, ""},
		{"past what is absent", map[Source]starter{GivenURL: absent, Binary: absent, Container: works}, nil, Container, ""},
		{"past what fails, aloud", map[Source]starter{Binary: broken, Container: works}, nil, Container, "broken disk"},
		{"only what is allowed", map[Source]starter{Binary: works, InProcess: works}, []Source{InProcess}, InProcess, ""},
	} {
		var log strings.Builder
		o := Options{Sources: test.sources, Log: func(s string) { log.WriteString(s) }}
		s, err := first(t.Context(), o, "Thing", "install it", test.by)
		if err != nil || s.Source != test.want {
			t.Errorf("%s: %+v, %v; want %q", test.name, s, err, test.want)
		}
		if !strings.Contains(log.String(), test.logged) || (test.logged == "" && log.Len() > 0) {
			t.Errorf("%s: logged %q", test.name, log.String())
		}
	}
}

func TestNoServerIsOneSentenceThatSaysWhatToInstall(t *testing.T) {
	t.Parallel()
	o := Options{Sources: []Source{GivenURL, Binary}, look: nowhere()}
	for _, start := range []func(context.Context, Options) (*Server, error){Postgres, Redis} {
		s, err := start(t.Context(), o)
		if s != nil || err == nil {
			t.Fatalf("%+v, %v", s, err)
		}
		text := err.Error()
		if !strings.HasPrefix(text, "mlcache: ") || !strings.Contains(text, "apt-get install") || strings.Contains(text, "\n") {
			t.Errorf("error: %s", text)
		}
	}
}

func TestGivenURLThatDoesNotAnswerIsAnError(t *testing.T) {
	t.Parallel()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	for _, start := range []struct {
		run func(context.Context, Options) (*Server, error)
		url string
	}{{Postgres, postgresURL(port, "topsecret")}, {Redis, redisURL(port, "topsecret")}, {Redis, "redis://:topsecret@bad host/x"}} {
		s, err := start.run(t.Context(), Options{URL: start.url, Timeout: 2 * time.Second})
		if err == nil {
			_ = s.Close()
			t.Fatal("a server that does not answer was taken, or passed over")
		}
		if strings.Contains(err.Error(), "topsecret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

// TestPostgresFromBinaries also covers a server given by URL: the second one is
// the first one's.
func TestPostgresFromBinaries(t *testing.T) {
	t.Parallel()
	s, err := Postgres(t.Context(), Options{Sources: []Source{Binary, Container, Packages}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	given, err := Postgres(t.Context(), Options{URL: s.URL})
	if err != nil || given.Source != GivenURL {
		t.Fatalf("%+v, %v", given, err)
	}
	if err := given.Close(); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), s.URL)
	if err != nil {
		t.Fatalf("the given server was stopped, or does not answer: %v", err)
	}
	var encoding string
	if err := conn.QueryRow(t.Context(), "SHOW server_encoding").Scan(&encoding); err != nil || encoding != "UTF8" {
		t.Errorf("encoding %q, %v", encoding, err)
	}
	if _, err := pgx.Connect(t.Context(), strings.Replace(s.URL, passwordOf(t, s.URL), "wrong", 1)); err == nil {
		t.Error("the server takes any password")
	}
	// Close with a session still open: it must not wait for the session.
	begun := time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(begun); d > 4*time.Second {
		t.Errorf("Close took %v", d)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	refused(t, s.URL)
}

func TestRedisFromEverySource(t *testing.T) {
	t.Parallel()
	for _, sources := range [][]Source{{Binary, Packages}, {InProcess}} {
		s, err := Redis(t.Context(), Options{Sources: sources})
		if err != nil {
			t.Fatal(err)
		}
		opt, err := redis.ParseURL(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		opt.Password, opt.MaxRetries = "wrong", -1
		intruder := redis.NewClient(opt)
		if err := intruder.Ping(t.Context()).Err(); err == nil {
			t.Errorf("%s takes any password", s.Source)
		}
		_ = intruder.Close()
		if err := s.Close(); err != nil {
			t.Errorf("%s: %v", s.Source, err)
		}
		refused(t, s.URL)
	}
}

func TestEndOfContextEndsTheStart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // amid initdb
	defer cancel()
	begun := time.Now()
	if s, err := Postgres(ctx, Options{Sources: []Source{Binary}}); !errors.Is(err, context.DeadlineExceeded) {
		_ = s.Close()
		t.Fatalf("error: %v", err)
	}
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
}

func TestNewestPostgresOffThePath(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, bin := range []string{"9.6/bin/postgres", "9.6/bin/initdb", "15/bin/postgres", "15/bin/initdb", "17/bin/postgres" /* no initdb */} {
		path := filepath.Join(root, exe(bin))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	p := nowhere()
	p.postgres = []string{filepath.Join(root, "*", "bin")}
	if got, want := p.postgresBin(), filepath.Join(root, "15", "bin"); got != want {
		t.Errorf("found %q, want %q", got, want)
	}
	p.path = func(name string) (string, error) { return filepath.Join(root, "9.6", "bin", name), nil }
	if got, want := p.postgresBin(), filepath.Join(root, "9.6", "bin"); got != want {
		t.Errorf("found %q, want the one on the PATH, %q", got, want)
	}
}

func TestReplacedFileComesBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	there, absent := filepath.Join(dir, "there"), filepath.Join(dir, "absent")
	if err := os.WriteFile(there, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{there, absent} {
		restore, err := replaceFile(path, "new", 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); string(b) != "new" {
			t.Errorf("%s holds %q, %v", path, b, err)
		}
		if err := restore(); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(there); string(b) != "old" {
		t.Errorf("restored to %q, %v", b, err)
	}
	if _, err := os.Stat(absent); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that was not there is left: %v", err)
	}
}

func passwordOf(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	return password
}

// refused checks that nothing listens at the URL any more.
func refused(t *testing.T, dsn string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if conn, err := net.DialTimeout("tcp", u.Host, time.Second); err == nil {
		_ = conn.Close()
		t.Errorf("something still listens at %s", u.Host)
	}
}
