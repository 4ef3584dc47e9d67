package integration

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

// A statement can have committed a part of its work before the error with which it
// ends. Each of these changes the row to $N first.
func TestStatementsThatCommitAndThenFail(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, `
		CREATE TABLE item (id int PRIMARY KEY, n int NOT NULL);
		INSERT INTO item VALUES (1, 0), (2, 0);
		CREATE TABLE once (id int PRIMARY KEY);
		CREATE PROCEDURE fails(x int) LANGUAGE plpgsql AS $$ BEGIN UPDATE item SET n = x WHERE id = 1; COMMIT; RAISE EXCEPTION 'later'; END $$;
		CREATE PROCEDURE fails_inside(x int) LANGUAGE plpgsql AS $$ BEGIN CALL fails(x); END $$;
		CREATE PROCEDURE bad_text(x int) LANGUAGE plpgsql AS $$ BEGIN UPDATE item SET n = x WHERE id = 1; COMMIT; EXECUTE 'no SQL'; END $$;
		CREATE PROCEDURE like_a_typo(x int) LANGUAGE plpgsql AS $$ BEGIN UPDATE item SET n = x WHERE id = 1; COMMIT; RAISE EXCEPTION 'later' USING ERRCODE = '42601'; END $$;
		CREATE PROCEDURE divides(x int) LANGUAGE plpgsql AS $$ BEGIN UPDATE item SET n = x WHERE id = 1; COMMIT; PERFORM x / 0; END $$;
		CREATE EXTENSION dblink;
		CREATE FUNCTION elsewhere(x int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
			PERFORM dblink_exec(current_setting('my.dsn'), format('UPDATE item SET n = %s WHERE id = 1', x));
			RAISE EXCEPTION 'later';
		END $$;
		CREATE FUNCTION elsewhere_too() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM elsewhere(NEW.id); RETURN NEW; END $$;
		CREATE TRIGGER t BEFORE INSERT ON once FOR EACH ROW EXECUTE FUNCTION elsewhere_too();`)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	link := fmt.Sprintf("host=%s port=%s dbname=%s user=%s", u.Hostname(), u.Port(), strings.Trim(u.Path, "/"), u.User.Username())
	if p, ok := u.User.Password(); ok {
		link += " password=" + p
	}
	pgx := harness.Open(t, "pgx", dsn)
	reachable := harness.TryQuery(harness.Context(t), pgx, "SELECT dblink_exec($1, 'SELECT 1')", link)
	for _, redis := range []bool{false, true} {
		for _, wrapped := range []bool{false, true} {
			t.Run(fmt.Sprintf("redis=%t wrapped=%t", redis, wrapped), func(t *testing.T) {
				dsn := harness.With(dsn, "mlcache_namespace", harness.NewNamespace(t))
				if redis {
					dsn = withPatientRedis(t, dsn)
				}
				db := harness.Open(t, "mlcache", dsn)
				if wrapped {
					db = openWrapped(t, dsn)
				}
				untilServing(t, db)
				n := 0
				for _, text := range []string{
					"CALL fails(%d)",
					"CALL fails_inside(%d)",
					"CALL bad_text(%d)",
					"CALL like_a_typo(%d)",
					"CALL divides(%d)",
					"DO $$ BEGIN UPDATE item SET n = %d WHERE id = 1; COMMIT; RAISE EXCEPTION 'later'; END $$",
					"DO $$ BEGIN UPDATE item SET n = %d WHERE id = 1; COMMIT; PERFORM 1/0; END $$",
					"DO $$ BEGIN UPDATE item SET n = %d WHERE id = 1; COMMIT; RAISE EXCEPTION 'later' USING ERRCODE = '42601'; END $$",
					"SELECT elsewhere(%d)",
					"INSERT INTO once VALUES (%d)",
				} {
					if strings.Contains(text, "elsewhere") || strings.Contains(text, "once") {
						if reachable.Err != "" && !strings.Contains(reachable.Err, "statement returning results not allowed") {
							t.Logf("the server does not reach itself: %s", reachable.Err)
							continue
						}
					}
					n++
					conn, err := db.Conn(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					harness.Exec(t, conn, "SELECT set_config('my.dsn', $1, false)", link)
					const query = "SELECT n FROM item WHERE id = 1"
					for range 3 {
						harness.Query(t, db, query)
					}
					written := fmt.Sprintf(text, 1000+n)
					if _, err := conn.ExecContext(harness.Context(t), written); err == nil {
						t.Errorf("%s: no error", written)
					}
					conn.Close()
					want := harness.Query(t, pgx, query)
					if want.String() != fmt.Sprintf("[int64 %d]", 1000+n) && !strings.Contains(want.String(), fmt.Sprint(1000+n)) {
						t.Errorf("%s has written nothing: %s", written, want)
					}
					for range 2 {
						harness.Same(t, "after "+written, harness.Query(t, db, query), want)
					}
				}
			})
		}
	}
}

// A plain statement that fails has changed nothing: what is cached stays.
func TestFailedInsertKeepsWhatIsCached(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, `CREATE TABLE item (id int PRIMARY KEY, n int); INSERT INTO item VALUES (1, 1)`)
	db := harness.Open(t, "mlcache", dsn)
	untilServing(t, db)
	untilHit(t, db, "SELECT n FROM item")
	for _, text := range []string{
		"INSERT INTO item VALUES (1, 2)", "WITH a AS (SELECT 1) UPDATE item SET n = n / 0", "DELETE FROM item WHERE 1/0 = 1", "UPDTE item SET n = 3",
		"(SELECT 1/0)",
	} {
		if _, err := db.ExecContext(t.Context(), text); err == nil {
			t.Errorf("%s: no error", text)
		}
		before := stats(t, db)
		harness.Query(t, db, "SELECT n FROM item")
		if c := since(before, stats(t, db)); c.L1Hits != 1 {
			t.Errorf("after %s: %+v", text, c)
		}
	}
}
