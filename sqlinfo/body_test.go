package sqlinfo

import (
	"slices"
	"strings"
	"testing"
)

func TestParseBody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, lang, body string
		reads            string // must be among those read
		writes, funcs    string // exactly
		flags            string
	}{
		{"sql", "sql", "SELECT * FROM a WHERE f(x); INSERT INTO b SELECT * FROM c;", "a c", "b", "f", ""},
		{"sql in capitals", "SQL", "SELECT 1", "", "", "", ""},
		{"empty", "sql", " ", "", "", "", ""},
		{"atomic", "sql", "BEGIN ATOMIC\n SELECT CASE WHEN x THEN 1 END FROM a;\n DELETE FROM b;\nEND", "a", "b", "", ""},
		{"return", "sql", "RETURN (SELECT lower(x) FROM a)", "a", "", "lower", ""},
		{"sql with the clock", "sql", "SELECT now()", "", "", "now", "refusal:time_function"},
		{"sql that sets", "sql", "SET x = 1; SELECT 1", "", "", "", "session"},
		{"sql with DDL", "sql", "DROP TABLE a", "a", "a", "", "ddl"},
		{"sql not understood", "sql", "FROB", "", "", "", "unknown all refusal:syntax"},
		{"assignment", "plpgsql", "DECLARE v a.b%TYPE; r c%ROWTYPE; BEGIN v := (SELECT x FROM d); RETURN v; END", "a.b c d", "", "", ""},
		{"loop", "plpgsql", "BEGIN FOR r IN SELECT * FROM a LOOP UPDATE b SET x = r.x WHERE g(r.y); END LOOP; END", "a", "b", "g", ""},
		{"after THEN", "plpgsql", "BEGIN IF x THEN INSERT INTO a VALUES (1); ELSE DELETE FROM b; END IF; EXCEPTION WHEN others THEN MERGE INTO c USING d ON true WHEN MATCHED THEN DELETE; END", "d", "a b c", "", ""},
		{"upsert", "plpgsql", "BEGIN INSERT INTO a VALUES (1) ON CONFLICT (x) DO UPDATE SET y = 2; END", "", "a", "", ""},
		{"cte", "plpgsql", "BEGIN WITH x AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM x; END", "x", "a b", "", ""},
		{"for update", "plpgsql", "BEGIN PERFORM 1 FROM a FOR UPDATE; END", "a", "", "", "refusal:for_update"},
		{"perform", "plpgsql", "BEGIN PERFORM app.f(x); CALL p(); RETURN NEW; END", "new", "", "app.f p", ""},
		{"cast", "plpgsql", "BEGIN x := CAST(y AS ty) || z::ty2; END", "ty ty2", "", "", ""},
		{"execute", "plpgsql", "BEGIN EXECUTE 'DELETE FROM a'; END", "", "", "", "unknown all refusal:syntax"},
		{"return query execute", "plpgsql", "BEGIN RETURN QUERY EXECUTE q; END", "", "", "", "unknown all refusal:syntax"},
		{"nested do", "plpgsql", "BEGIN DO 'x'; END", "", "", "", "unknown all refusal:syntax"},
		{"truncate", "plpgsql", "BEGIN TRUNCATE a; END", "a", "", "", "all"},
		{"ddl", "plpgsql", "BEGIN CREATE TEMP TABLE a AS SELECT * FROM b; END", "a b", "", "", "all ddl"},
		{"set", "plpgsql", "BEGIN SET LOCAL search_path = x; END", "", "", "", "session"},
		{"set_config", "plpgsql", "BEGIN PERFORM set_config('a.b', 'c', true); END", "", "", "set_config", "session refusal:session_function"},
		{"commit", "plpgsql", "BEGIN COMMIT; END", "", "", "", "session"},
		{"words as columns", "plpgsql", "BEGIN SELECT comment, t.copy, x.set FROM a; NEW.create := 1; END", "a", "", "", ""},
		{"comments and strings", "plpgsql", "BEGIN /* EXECUTE x */ RAISE NOTICE 'DELETE FROM a'; -- EXECUTE\n END", "", "", "", ""},
		{"merge behind cte", "plpgsql", "BEGIN NULL; WITH x AS (SELECT 1) MERGE INTO a USING db.app.b ON true WHEN MATCHED THEN DELETE; END", "db.app.b", "a", "", ""},
		{"join called", "plpgsql", "BEGIN FOR r IN SELECT * FROM a LOOP v := join(x); END LOOP; END", "a", "", "join", ""},
		{"clock", "plpgsql", "BEGIN NEW.at := CURRENT_TIMESTAMP; RETURN NEW; END", "new", "", "current_timestamp", "refusal:time_function"},
		{"other language", "plperl", "return 1", "", "", "", "unknown all refusal:syntax"},
		{"unterminated", "plpgsql", "BEGIN x := 'a; END", "", "", "", "unknown all refusal:syntax"},
		{"too long", "plpgsql", strings.Repeat(" ", 2<<20), "", "", "", "unknown all refusal:syntax"},
	} {
		b := ParseBody(c.lang, c.body)
		var flags []string
		for _, f := range []struct {
			on   bool
			name string
		}{{b.Unknown, "unknown"}, {b.WritesAll, "all"}, {b.DDL, "ddl"}, {b.Session, "session"}, {b.Refusal != "", "refusal:" + string(b.Refusal)}} {
			if f.on {
				flags = append(flags, f.name)
			}
		}
		if got := strings.Join(flags, " "); got != c.flags {
			t.Errorf("%s: flags %q, want %q", c.name, got, c.flags)
		}
		reads := strings.Fields(names(b.Reads))
		for r := range strings.FieldsSeq(c.reads) {
			if !slices.Contains(reads, r) {
				t.Errorf("%s: %s is not among the reads %v", c.name, r, reads)
			}
		}
		if got := names(b.Writes); got != c.writes {
			t.Errorf("%s: writes %q, want %q", c.name, got, c.writes)
		}
		if got := names(b.Funcs); got != c.funcs {
			t.Errorf("%s: functions %q, want %q", c.name, got, c.funcs)
		}
	}
}

func TestTimesOfBodies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body, flags, declared string
	}{
		{"BEGIN RETURN QUERY SELECT a FROM t WHERE b = 1; RETURN; END", "", ""},
		{"BEGIN RETURN t; END", "assigns", ""},
		{"BEGIN RETURN NEXT; END", "assigns", ""},
		{"DECLARE d app.moment; BEGIN d := t; END", "assigns", "moment"},
		{"DECLARE d constant moment DEFAULT t; BEGIN NULL; END", "assigns", "moment"},
		{"DECLARE d timestamp; BEGIN d = t; END", "assigns named", "timestamp"},
		{"BEGIN IF a = b THEN d.x[1] = t; END IF; END", "assigns", ""},
		{"DECLARE d t.at%TYPE; e t%ROWTYPE; BEGIN NULL; END", "assigns like", "at t"},
		{"DECLARE r record; BEGIN SELECT a INTO r.at FROM t; END", "assigns named", "record"},
		{"DECLARE r record; BEGIN SELECT a INTO r FROM t; n := r.n; END", "assigns", "record"},
		{"DECLARE r record; BEGIN FOR n, r.at IN SELECT a FROM t LOOP NULL; END LOOP; END", "assigns named", "record"},
		{"DECLARE r record; BEGIN SELECT a INTO STRICT n, r.at FROM t; END", "assigns named", "record"},
		{"DECLARE r record; BEGIN SELECT a INTO r FROM app.t; END", "assigns", "record"},
		{"DECLARE r record; BEGIN FOREACH r.at IN ARRAY t LOOP NULL; END LOOP; END", "assigns named", "record"},
		{"DECLARE r record; BEGIN GET STACKED DIAGNOSTICS n = ROW_COUNT, r.at = MESSAGE_TEXT; END", "assigns named", "record"},
		{"DECLARE r record; BEGIN FOR r IN SELECT t.a FROM t LOOP n := r.a; END LOOP; GET DIAGNOSTICS n = ROW_COUNT; END", "assigns", "record"},
		{"DECLARE z time(3) with time zone; BEGIN NULL; END", "assigns named zone", "time"},
		{"BEGIN RETURN QUERY SELECT t.date, a % b FROM t; END", "", ""},
	} {
		b := ParseBody("plpgsql", c.body)
		var flags []string
		for _, f := range []struct {
			on   bool
			name string
		}{{b.Times.Assigns, "assigns"}, {b.Times.Named, "named"}, {b.Times.Zone, "zone"}, {b.Times.Like, "like"}} {
			if f.on {
				flags = append(flags, f.name)
			}
		}
		if got := strings.Join(flags, " "); got != c.flags {
			t.Errorf("%s: %q, want %q", c.body, got, c.flags)
		}
		for d := range strings.FieldsSeq(c.declared) {
			if !b.Times.Declared[d] {
				t.Errorf("%s: %s is not declared", c.body, d)
			}
		}
	}
}

func TestBodiesThatMakeNoTexts(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		"BEGIN RETURN a; END":                  true,
		"BEGIN RETURN (a + $2 * 2.5) % 3; END": true,
		"DECLARE x a%TYPE := b; y ALIAS FOR $1; BEGIN IF x < y THEN x := y; END IF; RETURN x; END":      true,
		"BEGIN FOR i IN 1..array_length(a, 1) LOOP s := s + a[i]; END LOOP; RETURN coalesce(s, 0); END": true,
		"DECLARE x numeric(10, 2); BEGIN x := a::text; RETURN x; END":                                   true,
		"BEGIN RETURN 'now'; END":                       false,
		"BEGIN RETURN E'now'; END":                      false,
		"BEGIN RETURN $a$now$a$; END":                   false,
		"BEGIN RETURN chr(110); END":                    false,
		"BEGIN RETURN \"lower\"(a); END":                false,
		"BEGIN RETURN app.lower(a); END":                false,
		"BEGIN RETURN a.b; END":                         false,
		"BEGIN RETURN txt FROM t; END":                  false,
		"BEGIN RETURN (SELECT txt); END":                false,
		"BEGIN FOR a IN c LOOP RETURN a; END LOOP; END": true,
		"DECLARE c CURSOR FOR TABLE t; BEGIN OPEN c; FETCH c INTO a; RETURN a; END": false,
		"BEGIN FOREACH a, b IN ARRAY d LOOP RETURN a; END LOOP; END":                false,
		"BEGIN a := 1 / 0; EXCEPTION WHEN others THEN RETURN sqlerrm; END":          false,
		"BEGIN GET DIAGNOSTICS a = PG_CONTEXT; RETURN a; END":                       false,
		"BEGIN RETURN current_user; END":                                            false,
		"BEGIN RETURN k::regclass; END":                                             false,
		"BEGIN RETURN 110::\"char\"; END":                                           false,
		"BEGIN RETURN 110::bytea; END":                                              false,
		"BEGIN RETURN a -> 0; END":                                                  false,
		"BEGIN RETURN U&\"a\"; END":                                                 false,
	} {
		if got := ParseBody("plpgsql", body).Times.Closed; got != want {
			t.Errorf("%s: %t", body, got)
		}
	}
}
