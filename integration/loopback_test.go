package integration

import (
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

// A foreign table may lead back into the same database, so what is written through it
// may be anything.
func TestForeignTableThatLeadsBack(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, `
		CREATE TABLE t (id int, v text); INSERT INTO t VALUES (1, 'a');
		CREATE EXTENSION postgres_fdw;
		DO $$ BEGIN EXECUTE format('CREATE SERVER back FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)',
			split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database());
		EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER back OPTIONS (user %L)', current_user); END $$;
		CREATE FOREIGN TABLE far (id int, v text) SERVER back OPTIONS (table_name 't');
		CREATE VIEW over AS SELECT * FROM far;
		CREATE TABLE parts (id int, v text) PARTITION BY LIST (id);
		CREATE FOREIGN TABLE part PARTITION OF parts FOR VALUES IN (1, 2, 3, 4, 5) SERVER back OPTIONS (table_name 't');
		CREATE TABLE parent (id int, v text);
		CREATE FOREIGN TABLE heir () INHERITS (parent) SERVER back OPTIONS (table_name 't');
		CREATE TABLE source (id int);
		CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO far VALUES (NEW.id, 'trigger'); RETURN NEW; END $$;
		CREATE TRIGGER follow AFTER INSERT ON source FOR EACH ROW EXECUTE FUNCTION follow();
		CREATE TABLE ruled (id int);
		CREATE RULE follow AS ON INSERT TO ruled DO ALSO UPDATE far SET v = 'rule';
		CREATE FUNCTION changes() RETURNS void LANGUAGE sql AS $$ UPDATE far SET v = 'function' $$`)
	plain, db := harness.Open(t, "pgx", dsn), harness.Open(t, "mlcache", dsn)
	harness.Ready(t, db)
	const query = "SELECT id, v FROM t ORDER BY id, v"
	for _, write := range []string{
		"UPDATE far SET v = 'b'", "INSERT INTO far VALUES (2, 'c')", "UPDATE over SET v = 'd'", "UPDATE parts SET v = 'e'",
		"INSERT INTO parts VALUES (3, 'f')", "UPDATE parent SET v = 'g'", "INSERT INTO source VALUES (4)", "INSERT INTO ruled VALUES (5)",
		"SELECT changes()", "DO 'BEGIN DELETE FROM far WHERE id = 4; END'", "DELETE FROM over WHERE id = 3", "TRUNCATE far",
	} {
		if write == "TRUNCATE far" && serverVersion(t, plain) < 140000 {
			continue // a foreign table could not be emptied so
		}
		untilHit(t, db, query)
		before := harness.Query(t, plain, query)
		harness.Query(t, db, write)
		want := harness.Query(t, plain, query)
		if want.String() == before.String() {
			t.Fatalf("%s: nothing was written", write)
		}
		harness.Same(t, write, harness.Query(t, db, query), want)
	}
	for _, query := range []string{"SELECT * FROM far", "SELECT * FROM over", "SELECT * FROM parts", "SELECT * FROM parent"} {
		harness.Query(t, db, query)
		harness.Query(t, db, query)
		harness.Exec(t, plain, "INSERT INTO t VALUES (1, 'past')")
		harness.Same(t, query, harness.Query(t, db, query), harness.Query(t, plain, query))
	}
}

// What code does over a session of its own (dblink) is visible at once, also inside a
// transaction, and a rollback takes nothing of it back.
func TestWhatCommitsByItselfInATransaction(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, `
		CREATE TABLE t (v int); INSERT INTO t VALUES (1);
		CREATE EXTENSION dblink;
		CREATE FUNCTION aside() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
			RETURN dblink_exec(format('host=%s port=%s dbname=%s user=%s', split_part(current_setting('unix_socket_directories'), ',', 1),
				current_setting('port'), current_database(), current_user), 'UPDATE t SET v = v + 1'); END $$;
		CREATE TABLE source (id int);
		CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM aside(); RETURN NEW; END $$;
		CREATE TRIGGER follow AFTER INSERT ON source FOR EACH ROW EXECUTE FUNCTION follow()`)
	plain, db := harness.Open(t, "pgx", dsn), harness.Open(t, "mlcache", dsn)
	harness.Ready(t, db)
	const query = "SELECT v FROM t"
	for _, write := range []string{"SELECT aside()", "INSERT INTO source VALUES (1)", "DO 'BEGIN PERFORM aside(); END'"} {
		before := untilHit(t, db, query)
		tx, err := db.BeginTx(harness.Context(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		harness.Query(t, tx, write)
		want := harness.Query(t, plain, query)
		if want.String() == before.String() {
			t.Fatalf("%s: nothing was written", write)
		}
		harness.Same(t, write+", inside", harness.Query(t, db, query), want)
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		harness.Same(t, write+", rolled back", harness.Query(t, db, query), want)
	}
}
