package integration

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

// inTransactions are what programs do there with what mlcache has to know of the session.
var inTransactions = [][]string{
	{`SET LOCAL search_path = a`, `SELECT v FROM things`, `UPDATE things SET v = v || '+'`},
	{`SET LOCAL TimeZone = 'Asia/Tokyo'`, `SELECT v FROM a.things`, `UPDATE a.things SET v = v || '+'`},
	{`SET LOCAL ROLE pg_monitor`, `SELECT v FROM a.things`, `UPDATE a.things SET v = v || '+'`},
	{`SELECT set_config('app.tenant', '7', true)`, `SELECT v FROM guarded`, `UPDATE guarded SET v = v || '+'`},
	{`SELECT set_config('search_' || 'path', 'a', true)`, `SELECT v FROM things`, `UPDATE things SET v = v || '+'`},
	{`DO $$ BEGIN SET LOCAL search_path = a; END $$`, `SELECT v FROM things`, `UPDATE things SET v = v || '+'`},
	{`CREATE TEMP TABLE things (v text)`, `SELECT v FROM things`, `UPDATE things SET v = v || '+'`, `DROP TABLE things`},
	{`SAVEPOINT s`, `SET LOCAL search_path = b`, `SELECT v FROM things`, `ROLLBACK TO s`, `UPDATE a.things SET v = v || '+'`},
	{`SET LOCAL standard_conforming_strings = off`, `SELECT v FROM a.things WHERE v <> '\''`, `UPDATE a.things SET v = v || '+'`},
}

// Between a transaction's begin and its end the server gets what the program sends, and nothing else.
func TestNothingIsAskedInATransaction(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, undoTables+`;
		CREATE TABLE guarded (v text); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
		CREATE POLICY p ON guarded USING (current_setting('app.tenant', true) = '7'); INSERT INTO guarded VALUES ('x')`)
	for _, origin := range []struct {
		name string
		open func(testing.TB, string) *sql.DB
	}{
		{"pgx", func(t testing.TB, dsn string) *sql.DB { return harness.Open(t, "mlcache", dsn) }},
		{"wrapped", openWrapped},
	} {
		t.Run(origin.name, func(t *testing.T) {
			log := harness.NewStatementLog(t, dsn)
			db := origin.open(t, harness.With(log.DSN(), "default_query_exec_mode", "exec"))
			for _, statements := range inTransactions {
				for _, text := range []bool{false, true} {
					conn := connOf(t, db) // of whose session nothing is known
					inOneTransaction(t, conn, statements, text)
					all := log.Statements()
					of := all[slices.IndexFunc(all, func(s harness.Statement) bool { return s.SQL == statements[0] })].Conn
					var got []string
					for _, s := range all {
						if s.Conn == of {
							got = append(got, s.SQL)
						}
					}
					// What is asked may come before the transaction, or after it.
					start, end := slices.IndexFunc(got, isBegin), slices.IndexFunc(got, isCommit)
					if start < 0 || end < 0 || !slices.Equal(got[start+1:end], statements) {
						t.Errorf("sent: %q\nthe server got: %q", statements, got)
					}
					log.Reset()
				}
			}
		})
	}
}

func isBegin(s string) bool  { return strings.EqualFold(s, "begin") }
func isCommit(s string) bool { return strings.EqualFold(s, "commit") }

// inOneTransaction runs the statements in a transaction that is begun by text or by database/sql.
func inOneTransaction(t *testing.T, conn *sql.Conn, statements []string, text bool) {
	t.Helper()
	type runner interface {
		harness.Queryer
		harness.Execer
	}
	var in runner = conn
	commit := func() error {
		_, err := conn.ExecContext(context.Background(), "COMMIT")
		return err
	}
	if text {
		harness.Exec(t, conn, "BEGIN")
	} else {
		tx, err := conn.BeginTx(harness.Context(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		in, commit = tx, tx.Commit
	}
	for _, s := range statements {
		if strings.HasPrefix(s, "SELECT") {
			harness.Query(t, in, s)
		} else {
			harness.Exec(t, in, s)
		}
	}
	if err := commit(); err != nil {
		t.Fatal(err)
	}
}

// A snapshot is taken by the first query of a transaction, and LOCK TABLE is none: what is locked then cannot be old.
func TestALockComesBeforeTheSnapshot(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, `CREATE TABLE t (n int); INSERT INTO t VALUES (1)`)
	db, other := harness.Open(t, "mlcache", dsn), harness.Open(t, "pgx", dsn)
	harness.Ready(t, db)
	tx, err := db.BeginTx(harness.Context(t), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	harness.Exec(t, tx, "SET LOCAL search_path = public")
	harness.Exec(t, tx, "LOCK TABLE t IN ACCESS SHARE MODE")
	harness.Exec(t, other, "UPDATE t SET n = 2")
	harness.Exec(t, tx, "LOCK TABLE t IN SHARE MODE")
	var n int
	if err := tx.QueryRow("SELECT n FROM t").Scan(&n); err != nil || n != 2 {
		t.Errorf("%d, %v: want 2", n, err)
	}
}

// A role that may not read the settings has a transaction all the same.
func TestATransactionOfARoleThatMayNotReadTheSettings(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, undoTables, `REVOKE SELECT ON pg_catalog.pg_settings FROM PUBLIC`)
	db := harness.Open(t, "mlcache", dsn)
	harness.Ready(t, db)
	conn := connOf(t, db)
	harness.Exec(t, conn, "SET ROLE pg_monitor")
	inOneTransaction(t, conn, []string{`SET LOCAL search_path = a`, `SELECT v FROM things`, `UPDATE things SET v = v || '+'`}, true)
	inOneTransaction(t, conn, []string{`SET LOCAL search_path = a`, `SELECT v FROM things`, `UPDATE things SET v = v || '+'`}, false)
}
