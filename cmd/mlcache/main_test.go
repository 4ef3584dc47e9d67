package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/mlcache/mlcache/cmd/mlcache/internal/demo"
)

// The test binary stands in for the program when the demo starts it again.
// With careless set, its applications use a cache that hears of no other
// process's writes.
const careless = "MLCACHE_TEST_CARELESS"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == applicationCommand && os.Getenv(careless) != "" {
		if err := demo.Serve(os.Stdin, os.Stdout, openCareless); err != nil {
			os.Exit(exitFailed)
		}
		os.Exit(exitOK)
	}
	if len(os.Args) > 1 && (os.Args[1] == applicationCommand || os.Args[1] == "demo" || os.Args[1] == "top") {
		main()
	}
	os.Exit(m.Run())
}

// openCareless takes the Redis out of the DSN: each process has a cache of its
// own, as with a library that knows nothing of other processes.
func openCareless(dsn, listen string) (*sql.DB, func() demo.Counts, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, nil, err
	}
	query := u.Query()
	query.Del("mlcache_redis")
	u.RawQuery = query.Encode()
	return openCached(u.String(), listen)
}

func command(t *testing.T, in string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(args, strings.NewReader(in), &o, &e)
	return code, o.String(), e.String()
}

func TestWrongUsageEndsWithTwo(t *testing.T) {
	for _, args := range [][]string{
		{"nonsense"}, {"--nonsense"}, {"demo", "--products", "many"}, {"demo", "--orders", "0"}, {"demo", "extra"},
		{"invalidate", "t"}, {"invalidate", "--dsn", "postgres://127.0.0.1/x", "t"}, {"invalidate", "--dsn", "postgres://127.0.0.1/x?mlcache_nonsense=1", "t"},
		{"invalidate", "--dsn", "postgres://127.0.0.1/x?mlcache_redis=redis://127.0.0.1"}, {"invalidate", "--dsn", "postgres://127.0.0.1/x?mlcache_redis=redis://127.0.0.1", "--all", "t"},
		{"watch"}, {"watch", "--redis", "nonsense"}, {"watch", "--redis", "redis://127.0.0.1", "--for", "-1s"}, {"stats"}, {"stats", "--dsn", "postgres://127.0.0.1/x"}, {"stats", "--redis", "redis://127.0.0.1", "--namespace", "a{b"},
		{"bench"}, {"bench", "--dsn", "postgres://127.0.0.1/x"}, {"bench", "--file", "x"}, {"bench", "--dsn", "postgres://127.0.0.1/x", "--file", "x", "--pg-stat-statements"},
		{"bench", "--dsn", "postgres://127.0.0.1/x", "--file", "x", "--for", "0s"}, {"bench", "--dsn", "postgres://127.0.0.1/x?mlcache_nonsense=1", "--file", "x"},
		{"explain"}, {"explain", "--json", "SELECT 1"}, {"version", "extra"},
	} {
		code, out, errOut := command(t, "", args...)
		if code != exitUsage || out != "" || !strings.HasPrefix(errOut, "mlcache: ") {
			t.Errorf("%q: exit code %d, said %q and %q", args, code, out, errOut)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "Exit codes"}, {[]string{"--help"}, "explain"}, {[]string{"version"}, "mlcache version "},
		{[]string{"--version"}, "mlcache version "}, {[]string{"demo", "--help"}, "DATABASE_URL"},
		{[]string{"completion", "bash"}, "bash completion"},
		{[]string{"watch", "--help"}, "missed"}, {[]string{"bench", "--help"}, "Nothing is written"}, {[]string{"doctor", "--help"}, "2 if there are errors"}, {[]string{"stats", "--help"}, "Handle.Stats"},
	} {
		code, out, errOut := command(t, "", test.args...)
		if code != exitOK || !strings.Contains(out, test.want) || errOut != "" {
			t.Errorf("%q: exit code %d, said %q and %q", test.args, code, out, errOut)
		}
		if strings.Contains(out, applicationCommand) {
			t.Errorf("%q lists the demo's own command", test.args)
		}
	}
}

func TestCompletion(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"", "doctor\t"}, {"invalidate --redis-mode=", "sentinel\n"}, {"watch --redis-mode ", "cluster\n"}, {"stats --na", "--namespace\t"},
		{"invalidate ", ":4\n"}, {"doctor --dsn ", ":4\n"}, {"bench --pg", "--pg-stat-statements\t"}, {"bench --file ", ":0\n"}, // 4: no names of files
	} {
		// The last word is the one to be completed.
		code, out, _ := command(t, "", append([]string{"__complete"}, strings.Split(test.args, " ")...)...)
		if code != exitOK || !strings.Contains(out, test.want) || strings.Contains(out, applicationCommand) {
			t.Errorf("%q: exit code %d, said %q", test.args, code, out)
		}
	}
}

func TestExplainATextForAPerson(t *testing.T) {
	code, out, errOut := command(t, "", "explain", `SELECT name FROM shop.products WHERE added < now()`)
	if code != exitOK || errOut != "" {
		t.Fatalf("exit code %d, %q", code, errOut)
	}
	for _, want := range []string{"kind       read\n", "shop.products", "functions  now\n", "cacheable  no, time_function"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestExplainJSONLines(t *testing.T) {
	in := `"SELECT id FROM s.t WHERE x = 1"` + "\n" + `"UPDATE u SET a = 1"` + "\n" + "not json\n" + `"COMMIT"`
	code, out, errOut := command(t, in, "explain", "--json")
	if code != exitOK || errOut != "" {
		t.Fatalf("exit code %d, %q", code, errOut)
	}
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines:\n%s", len(lines), out)
	}
	var kinds []string
	for _, line := range lines {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for _, key := range []string{"kind", "reads", "writes", "funcs", "cacheable", "reason"} {
			if v[key] == nil {
				t.Errorf("%q has no %s", line, key)
			}
		}
		kinds = append(kinds, v["kind"].(string))
	}
	if got := strings.Join(kinds, " "); got != "read write unknown tx" {
		t.Errorf("kinds: %s", got)
	}
	if !strings.Contains(lines[0], `"cacheable":true,"reason":""`) || !strings.Contains(lines[1], `"writes":["u"]`) {
		t.Errorf("%s\n%s", lines[0], lines[1])
	}
}
