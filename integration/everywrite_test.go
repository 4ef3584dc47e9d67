package integration

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// everyKindOfTable has something behind each way in which a write can reach a
// table that it does not name.
const everyKindOfTable = `
CREATE TABLE t (id int PRIMARY KEY, v text, n int DEFAULT 0);
CREATE TABLE u (id int PRIMARY KEY, v text);
CREATE TABLE log (id serial PRIMARY KEY, what text);
CREATE TABLE "Quoted Table" (id int PRIMARY KEY, v text);
CREATE TABLE "größe" (id int PRIMARY KEY, v text);
CREATE SCHEMA other;
CREATE TABLE other.t (id int PRIMARY KEY, v text);

CREATE TABLE parent (id int PRIMARY KEY, v text);
CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE, v text);
CREATE TABLE grandchild (id int PRIMARY KEY, c int REFERENCES child ON DELETE SET NULL);

CREATE TABLE measure (id int, at date, v text) PARTITION BY RANGE (at);
CREATE TABLE measure_old PARTITION OF measure FOR VALUES FROM ('2000-01-01') TO ('2020-01-01');
CREATE TABLE measure_new PARTITION OF measure FOR VALUES FROM ('2020-01-01') TO ('2040-01-01');

CREATE TABLE base (id int, v text);
CREATE TABLE derived (extra int) INHERITS (base);

CREATE TABLE audited (id int PRIMARY KEY, v text);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log (what) VALUES (TG_OP); RETURN COALESCE(NEW, OLD); END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON audited FOR EACH ROW EXECUTE FUNCTION audit();
CREATE TABLE dynamic (id int PRIMARY KEY, v text);
CREATE FUNCTION dynamic_audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('INSERT INTO %I (what) VALUES (%L)', 'log', 'dynamic'); RETURN NULL; END $$;
CREATE TRIGGER audit AFTER UPDATE ON dynamic FOR EACH STATEMENT EXECUTE FUNCTION dynamic_audit();

CREATE TABLE ruled (id int PRIMARY KEY, v text);
CREATE RULE r AS ON UPDATE TO ruled DO ALSO INSERT INTO log (what) VALUES ('rule');
CREATE VIEW tv AS SELECT id, v FROM t WHERE id < 1000;
CREATE VIEW tvv AS SELECT v FROM tv;
CREATE VIEW joined AS SELECT t.v AS a, u.v AS b FROM t JOIN u USING (id);
CREATE MATERIALIZED VIEW mat AS SELECT count(*) AS n, max(v) AS m FROM t;

CREATE FUNCTION write_t(x int) RETURNS int LANGUAGE sql VOLATILE AS $$ UPDATE t SET n = n + x WHERE id = 1 RETURNING n $$;
CREATE FUNCTION write_dynamic() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'UPDATE t SET n = n + 1'; END $$;
CREATE FUNCTION write_atomic() RETURNS void BEGIN ATOMIC UPDATE t SET n = n + 7; END;
CREATE PROCEDURE proc(x int) LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET n = x; END $$;
CREATE PROCEDURE proc_commit() LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET n = 71; COMMIT; UPDATE u SET v = 'after'; END $$;

INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 5) i;
INSERT INTO u SELECT i, 'u' || i FROM generate_series(1, 5) i;
INSERT INTO other.t VALUES (1, 'other');
INSERT INTO "Quoted Table" VALUES (1, 'q');
INSERT INTO "größe" VALUES (1, 'g');
INSERT INTO parent SELECT i, 'p' || i FROM generate_series(1, 9) i;
INSERT INTO child SELECT i, i, 'c' || i FROM generate_series(1, 9) i;
INSERT INTO grandchild SELECT i, i FROM generate_series(1, 9) i;
INSERT INTO measure VALUES (1, '2010-01-01', 'old'), (2, '2030-01-01', 'new');
INSERT INTO base VALUES (1, 'base'); INSERT INTO derived VALUES (2, 'derived', 1);
INSERT INTO audited VALUES (1, 'a'); INSERT INTO dynamic VALUES (1, 'd'); INSERT INTO ruled VALUES (1, 'r');
REFRESH MATERIALIZED VIEW mat`

// everyRead reads every table, by itself and through what stands over it.
var everyRead = []string{
	`SELECT id, v, n FROM t ORDER BY id`, `SELECT * FROM u ORDER BY id`, `SELECT what, count(*) FROM log GROUP BY what ORDER BY what`,
	`SELECT * FROM "Quoted Table" ORDER BY id`, `SELECT * FROM "größe" ORDER BY id`, `SELECT * FROM other.t ORDER BY id`,
	`SELECT * FROM parent ORDER BY id`, `SELECT * FROM child ORDER BY id`, `SELECT * FROM grandchild ORDER BY id`,
	`SELECT * FROM measure ORDER BY id`, `SELECT * FROM measure_old ORDER BY id`, `SELECT * FROM measure_new ORDER BY id`,
	`SELECT * FROM base ORDER BY id`, `SELECT * FROM ONLY base ORDER BY id`, `SELECT * FROM derived ORDER BY id`,
	`SELECT * FROM audited`, `SELECT * FROM dynamic`, `SELECT * FROM ruled`,
	`SELECT * FROM tv ORDER BY id`, `SELECT v FROM tvv ORDER BY v`, `SELECT * FROM joined ORDER BY a`, `SELECT * FROM mat`,
	`WITH x AS (SELECT v FROM t) SELECT max(v) FROM x`, `SELECT EXISTS (SELECT 1 FROM u WHERE v = 'u1')`,
	`SELECT (SELECT max(n) FROM t) + 1`, `TABLE u ORDER BY id`,
}

// everyWrite is each kind of statement that can change a table. Run once, in
// this order; each must change at least one of everyRead's answers.
var everyWrite = []string{
	`INSERT INTO t VALUES (6, 'six')`,
	`INSERT INTO t (id, v) SELECT id + 100, v FROM u`,
	`INSERT INTO t VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET v = 'conflict'`,
	`UPDATE t SET n = 3 WHERE id = 2`,
	`UPDATE ONLY t AS x SET n = 4 WHERE x.id = 2`,
	`UPDATE t SET v = u.v || '!' FROM u WHERE u.id = t.id`,
	`DELETE FROM t WHERE id = 6`,
	`DELETE FROM t USING u WHERE t.id = u.id + 100`,
	`MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET n = 50 WHEN NOT MATCHED THEN INSERT VALUES (u.id, u.v)`,
	`UPDATE "Quoted Table" SET v = 'changed'`,
	`UPDATE "größe" SET v = 'changed'`,
	`UPDATE größe SET v = 'again'`,
	`UPDATE other.t SET v = 'changed'`,
	`UPDATE /* t */ u /* ; */ SET v = 'u''1' -- t
	  WHERE id = 1`,
	`WITH x AS (UPDATE t SET n = 60 RETURNING id) SELECT count(*) FROM x`,
	`WITH x AS (DELETE FROM t WHERE id = 3 RETURNING *) INSERT INTO u SELECT id + 30, v FROM x`,
	`INSERT INTO u VALUES (99, 'ret') RETURNING id`,
	`SELECT write_t(5)`,
	`SELECT write_dynamic()`,
	`SELECT write_atomic()`,
	`SELECT id FROM u WHERE write_t(id) > 0`,
	`CALL proc(70)`,
	`CALL proc_commit()`,
	`DO $$ BEGIN UPDATE t SET n = 72; END $$`,
	`DO $$ BEGIN EXECUTE 'UPDATE ' || 'u' || ' SET v = ''do'' WHERE id = 2'; END $$`,
	`DELETE FROM parent WHERE id = 1`,
	`UPDATE parent SET id = 22 WHERE id = 2`,
	`INSERT INTO measure VALUES (3, '2031-01-01', 'routed')`,
	`UPDATE measure SET at = '2011-01-01' WHERE id = 3`,
	`DELETE FROM measure_old WHERE id = 3`,
	`INSERT INTO measure_new VALUES (4, '2032-01-01', 'direct')`,
	`UPDATE base SET v = 'both'`,
	`UPDATE derived SET v = 'only the child'`,
	`UPDATE audited SET v = 'b'`,
	`UPDATE dynamic SET v = 'e'`,
	`UPDATE ruled SET v = 's'`,
	`UPDATE tv SET v = 'through a view' WHERE id = 4`,
	`REFRESH MATERIALIZED VIEW mat`,
	`EXPLAIN ANALYZE UPDATE u SET v = 'explained' WHERE id = 3`,
	`TRUNCATE log`,
	`TRUNCATE parent CASCADE`,
	`ALTER TABLE u ADD COLUMN added int DEFAULT 5`,
	`ALTER TABLE u RENAME COLUMN added TO renamed`,
	`ALTER TABLE u ALTER COLUMN renamed TYPE text USING 'x'`,
	`ALTER TABLE u DROP COLUMN renamed`,
	`CREATE OR REPLACE VIEW tvv AS SELECT v || '?' AS v FROM tv`,
	`ALTER TABLE measure DETACH PARTITION measure_old`,
	`ALTER TABLE measure ATTACH PARTITION measure_old FOR VALUES FROM ('2000-01-01') TO ('2020-01-01')`,
	`CREATE TABLE measure_far PARTITION OF measure FOR VALUES FROM ('2040-01-01') TO ('2060-01-01')`,
	`INSERT INTO measure VALUES (9, '2041-01-01', 'in the new one')`,
	`DROP TABLE measure_far`,
	`CREATE TABLE IF NOT EXISTS unrelated AS SELECT 1 AS x`,
	`CREATE RULE silent AS ON INSERT TO u DO INSTEAD UPDATE t SET n = 99`,
	`INSERT INTO u VALUES (1000, 'becomes an update of t')`,
}

// silent are the writes above that change no answer.
var silent = map[string]bool{
	`CREATE TABLE measure_far PARTITION OF measure FOR VALUES FROM ('2040-01-01') TO ('2060-01-01')`: true,
	`CREATE TABLE IF NOT EXISTS unrelated AS SELECT 1 AS x`:                                          true,
	`CREATE RULE silent AS ON INSERT TO u DO INSTEAD UPDATE t SET n = 99`:                            true,
}

func TestEveryKindOfWriteInvalidatesWhatItMust(t *testing.T) {
	// Not beside tests that make roles: those belong to the whole server, and a
	// change of them is one of every database's schema.
	for _, way := range []string{"exec", "query", "transaction", "rolled back"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			// Without prepared statements, which the server refuses once when their table has changed.
			dsn := harness.With(harness.NewDatabase(t, everyKindOfTable), "default_query_exec_mode", "exec")
			cached := harness.Open(t, "mlcache", withPatientRedis(t, dsn))
			direct := harness.Open(t, "pgx", dsn)
			handle, err := mlcache.From(cached)
			if err != nil {
				t.Fatal(err)
			}
			harness.Ready(t, cached)
			ctx := t.Context()
			answers := func() []harness.Result {
				out := make([]harness.Result, len(everyRead))
				for i, q := range everyRead {
					out[i] = harness.Query(t, cached, q)
					harness.Same(t, q, out[i], harness.Query(t, direct, q))
				}
				return out
			}
			for _, write := range everyWrite {
				answers()
				warm := handle.Stats()
				before := answers()
				if now := handle.Stats(); now.L1Hits-warm.L1Hits < uint64(len(everyRead)) {
					t.Errorf("before %q: only %d of %d reads were hits: %v", write, now.L1Hits-warm.L1Hits, len(everyRead), now.Reasons)
				}
				if err := runWrite(ctx, cached, way, write); err != nil {
					t.Fatalf("%s: %v", write, err)
				}
				after := answers()
				if way != "rolled back" && !silent[write] && fmt.Sprint(before) == fmt.Sprint(after) {
					t.Errorf("%q changed nothing: the test is void", write)
				}
			}
		})
	}
}

// runWrite runs a statement in one of the ways that programs have. What cannot
// run inside a transaction runs outside, and what a rollback is to undo is run
// again afterwards, so that the next statement finds what it expects.
func runWrite(ctx context.Context, db *sql.DB, way, write string) error {
	commits := write == `CALL proc_commit()`
	switch {
	case way == "query":
		rows, err := db.QueryContext(ctx, write)
		if err != nil {
			return err
		}
		return readAll(rows)
	case way == "exec" || commits:
		_, err := db.ExecContext(ctx, write)
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "SAVEPOINT a"); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, write); err != nil {
		return err
	}
	if way == "transaction" {
		if _, err := tx.ExecContext(ctx, "RELEASE SAVEPOINT a"); err != nil {
			return err
		}
		return tx.Commit()
	}
	if _, err := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT a"); err != nil {
		return err
	}
	if err := tx.Rollback(); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, write)
	return err
}
