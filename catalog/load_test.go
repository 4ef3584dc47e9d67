package catalog

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// server answers the queries of Load as an empty database of a given version
// would, except where a test has something to say.
type server struct {
	version string
	answers map[string][][]*string // by a part of the query
	fail    string                 // a part of the query that fails
	asked   []string
}

var errServer = errors.New("server says no")

func (s *server) Query(ctx context.Context, sql string) ([][]*string, error) {
	s.asked = append(s.asked, sql)
	if s.fail != "" && strings.Contains(sql, s.fail) {
		return nil, errServer
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for part, rows := range s.answers {
		if strings.Contains(sql, part) {
			return rows, nil
		}
	}
	switch sql {
	case querySettings:
		return [][]*string{{&s.version}}, nil
	case queryFingerprint, queryFingerprintAllRoles:
		state := "state"
		return [][]*string{{&state}}, nil
	}
	return nil, nil
}

func (s *server) last() string { return s.asked[len(s.asked)-1] }

func TestLoadInOneTransaction(t *testing.T) {
	t.Parallel()
	srv := &server{version: "150004"}
	snap, err := Load(t.Context(), srv, OwnRoles)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(srv.asked[0], "BEGIN") || srv.last() != "COMMIT" {
		t.Errorf("asked %q first and %q last", srv.asked[0], srv.last())
	}
	again, err := Fingerprint(t.Context(), srv, OwnRoles)
	if err != nil || again == "" || again != snap.Fingerprint() {
		t.Errorf("fingerprints %q and %q, %v", snap.Fingerprint(), again, err)
	}
}

func TestLoadOfOlderServer(t *testing.T) {
	t.Parallel()
	srv := &server{version: "130022"}
	if _, err := Load(t.Context(), srv, OwnRoles); err != nil {
		t.Fatal(err)
	}
	for _, sql := range srv.asked {
		if strings.Contains(sql, "sqlbody") {
			t.Error("PostgreSQL 13 is asked for what it does not have")
		}
	}
}

// Whatever fails, and wherever, the transaction is rolled back and the error is
// the server's own.
func TestLoadRollsBack(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"server_version_num')\n", "names AS MATERIALIZED", "pg_proc p\nJOIN", "pg_policy p", "pg_inherits i", "pg_depend d\nLEFT JOIN pg_attrdef"} {
		srv := &server{version: "150004", fail: part}
		_, err := Load(t.Context(), srv, OwnRoles)
		if !errors.Is(err, errServer) || !strings.HasPrefix(err.Error(), "mlcache: ") {
			t.Errorf("%s: error %v", part, err)
		}
		if srv.last() != "ROLLBACK" {
			t.Errorf("%s: the last statement is %q", part, srv.last())
		}
	}
	srv := &server{version: "150004", fail: "BEGIN"}
	if _, err := Load(t.Context(), srv, OwnRoles); !errors.Is(err, errServer) || len(srv.asked) != 1 {
		t.Errorf("no transaction: %v after %q", err, srv.asked)
	}
}

// The rollback reaches the server although the caller's context has ended.
func TestLoadRollsBackAfterCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	srv := &canceling{server: server{version: "150004"}, cancel: cancel}
	if _, err := Load(ctx, srv, OwnRoles); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if !srv.rolledBack {
		t.Error("the transaction was left open")
	}
}

type canceling struct {
	server
	cancel     context.CancelFunc
	rolledBack bool
}

func (c *canceling) Query(ctx context.Context, sql string) ([][]*string, error) {
	if sql == queryRelations {
		c.cancel()
	}
	rows, err := c.server.Query(ctx, sql)
	c.rolledBack = c.rolledBack || sql == "ROLLBACK" && err == nil
	return rows, err
}

// A server that answers in another shape is refused, and never a panic.
func TestLoadOfStrangeAnswers(t *testing.T) {
	t.Parallel()
	text := func(columns ...string) [][]*string {
		r := make([]*string, len(columns))
		for i := range columns {
			r[i] = &columns[i]
		}
		return [][]*string{r}
	}
	for part, rows := range map[string][][]*string{
		"server_version_num')\n":  text("fifteen"),
		"names AS MATERIALIZED":   {{nil}},
		"pg_class c JOIN":         text("x", "public", "t", "r", "p", "false"),
		"pg_type t ON t.oid":      text("1"),
		"pg_proc p\nJOIN":         text("1", "public", "f", "long", "v", "sql", "", "0", "0", "", "", "", ""),
		"p.proname::text, bool_a": text("lower"),
		"pg_policy p":             {{}},
	} {
		srv := &server{version: "150004", answers: map[string][][]*string{part: rows}}
		if _, err := Load(t.Context(), srv, OwnRoles); !errors.Is(err, errShape) {
			t.Errorf("%s: %v", part, err)
		}
	}
}

func TestRowsOfUnknownObjects(t *testing.T) {
	t.Parallel()
	s := newSchema()
	s.queryOf(1, "SELECT 1", 2)
	s.rule(1, "2", "r", 3)
	s.b.addPolicy(row(4, 5, "SELECT 1"))
	s.b.addColumns(row(6, "c"))
	s.trigger("t", 7, 8, onInsert)
	s.key("k", 9, 10, "c", "c")
	s.inherits(11, 12)
	for _, kind := range []string{"aggregate", "cast", "domain column", "of a later version"} {
		s.link(kind, 13, 14)
	}
	for _, kind := range []string{"rule", "policy", "function", "trigger", "relation", "domain", "of a later version"} {
		for _, used := range []string{"relation", "function", "operator"} {
			s.b.addDepend(row(kind, 15, used, 16))
		}
	}
	s.table("t")
	wantReads(t, s.resolve("SELECT * FROM t"), "public.t")
}
