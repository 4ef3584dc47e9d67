package main

import (
	"database/sql"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mlcache/mlcache/cmd/mlcache/internal/servers"
	"github.com/mlcache/mlcache/cmd/mlcache/internal/trial"
)

// tried runs bench --json and reads what it says.
func tried(t *testing.T, want int, in string, args ...string) (r trial.Report, errOut string) {
	t.Helper()
	code, out, errOut := command(t, in, append([]string{"bench", "--json"}, args...)...)
	if code != want {
		t.Fatalf("exit code %d, want %d: %s%s", code, want, out, errOut)
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return r, errOut
}

func statementOf(t *testing.T, r trial.Report, text string) trial.StatementReport {
	t.Helper()
	i := slices.IndexFunc(r.Statements, func(s trial.StatementReport) bool { return s.Text == text })
	if i < 0 {
		t.Fatalf("%s is not in the report", text)
	}
	return r.Statements[i]
}

func TestBench(t *testing.T) {
	pg, err := servers.Postgres(t.Context(), servers.Options{Sources: []servers.Source{servers.Binary, servers.Container, servers.Packages}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Close() })
	rd, _ := ownRedis(t)
	dsn := pg.URL + "&mlcache_redis=" + url.QueryEscape(rd)
	past, err := sql.Open("pgx", pg.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = past.Close() })
	if _, err := past.Exec(`CREATE TABLE item AS SELECT i AS id, 'name ' || i AS name FROM generate_series(1, 20000) i;
		CREATE FUNCTION sly() RETURNS int STABLE LANGUAGE sql AS 'SELECT 1'`); err != nil {
		t.Fatal(err)
	}
	const (
		sum, one = "SELECT sum(id) FROM item", "SELECT name FROM item WHERE id = 7"
		write    = "UPDATE item SET name = 'written'"
		deletes  = "WITH d AS (DELETE FROM item RETURNING id) SELECT count(*) FROM d"
		moment   = "SELECT now()"
		values   = "SELECT name FROM item WHERE id = $1"
		broken   = "SELECT nothing FROM item"
		slow     = "SELECT count(*) FROM item a, item b, item c"
	)
	file := filepath.Join(t.TempDir(), "queries.sql")
	if err := os.WriteFile(file, []byte(strings.Join([]string{sum, one, write, deletes, moment, values, broken, slow}, ";\n")), 0o600); err != nil {
		t.Fatal(err)
	}

	began := time.Now()
	r, errOut := tried(t, exitOK, "", "--dsn", dsn, "--file", file, "--for", "4s")
	if took := time.Since(began); took > 8*time.Second || errOut != "" {
		t.Errorf("took %v, said %q", took, errOut)
	}
	for _, text := range []string{sum, one} {
		s := statementOf(t, r, text)
		if s.Skipped != nil || s.Rows != 1 || len(s.Levels) != 4 || s.Levels[0].Level != trial.Origin {
			t.Errorf("%s: %+v, %+v", text, s, s.Skipped)
			continue
		}
		if s.Ratio[trial.L1] <= 0 || s.Ratio[trial.L1] >= 1 {
			t.Errorf("%s: a hit in memory takes %v of the time", text, s.Ratio[trial.L1])
		}
		if s.PaysFrom == nil || *s.PaysFrom < 0 || *s.PaysFrom > 1 {
			t.Errorf("%s: pays from %v", text, s.PaysFrom)
		}
	}
	for text, reason := range map[string]string{
		write: "not_a_read", deletes: "not_a_read", moment: "time_function",
		values: "parameters", broken: "failed", slow: "time",
	} {
		if s := statementOf(t, r, text); s.Skipped == nil || s.Skipped.Reason != reason || len(s.Levels) > 0 {
			t.Errorf("%s: %+v, want %s", text, s.Skipped, reason)
		}
	}
	if r.Run != 2 || r.Refused != 3 || r.Parameters != 1 || r.Failed != 1 || r.Late != 1 || len(r.Levels) != 4 {
		t.Errorf("%+v", r)
	}
	if r.L1Hits == 0 || r.HitRatio <= 0.5 || r.HitRatio > 1 {
		t.Errorf("%d hits, ratio %v", r.L1Hits, r.HitRatio)
	}
	var rows, written int
	if err := past.QueryRow("SELECT count(*), count(*) FILTER (WHERE name = 'written') FROM item").Scan(&rows, &written); err != nil || rows != 20000 || written != 0 {
		t.Errorf("%d rows, %d written, %v", rows, written, err)
	}

	t.Run("without Redis, for a person", func(t *testing.T) {
		code, out, errOut := command(t, sum+";"+values, "bench", "--dsn", pg.URL, "--file", "-", "--for", "1s")
		for _, want := range []string{"1 of 2 statements", "Hit ratio", "over pgx: ", "hit in memory (L1): ", "miss, ", "█", "pays from", sum, "parameters: "} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is missing", want)
			}
		}
		if code != exitOK || errOut != "" || strings.Contains(out, "hit in Redis") || strings.Contains(out, "\x1b") {
			t.Errorf("exit code %d\n%s%s", code, out, errOut)
		}
	})
	t.Run("nothing to run", func(t *testing.T) {
		if _, errOut := tried(t, exitFailed, write, "--dsn", dsn, "--file", "-", "--for", "5s"); !strings.Contains(errOut, "none of the statements") {
			t.Errorf("said %q", errOut)
		}
		for _, args := range [][]string{
			{"--file", filepath.Join(t.TempDir(), "none")}, {"--file", os.DevNull}, {"--pg-stat-statements"},
		} {
			code, out, errOut := command(t, "", append([]string{"bench", "--dsn", dsn}, args...)...)
			if code != exitFailed || out != "" || errOut == "" {
				t.Errorf("%q: exit code %d, %s%s", args, code, out, errOut)
			}
		}
	})
}
