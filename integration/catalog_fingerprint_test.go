package integration

import (
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/integration/harness"
)

const fingerprintSchema = `
CREATE TABLE t (id int PRIMARY KEY, v text, n int DEFAULT 1);
CREATE TABLE child (id int, t int);
CREATE TABLE p (id int, d date) PARTITION BY RANGE (d);
CREATE TABLE p1 (id int, d date);
CREATE VIEW w AS SELECT id FROM t;
CREATE MATERIALIZED VIEW m AS SELECT id FROM t;
CREATE FUNCTION f(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i';
CREATE FUNCTION trg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (a int, b int);
CREATE DOMAIN small AS int CHECK (VALUE < 10);
CREATE SEQUENCE s;
CREATE TEXT SEARCH CONFIGURATION cfg (COPY = simple);
INSERT INTO t SELECT i, i::text FROM generate_series(1, 500) i;
`

// TestCatalogFingerprintSeesDDL changes the schema in every way that can change
// an answer or the effect of a write, one after the other.
func TestCatalogFingerprintSeesDDL(t *testing.T) {
	dsn := harness.NewDatabase(t)
	c := catalogConnect(t, dsn)
	c.exec(t, fingerprintSchema)
	last := mustFingerprint(t, c)
	if s := c.load(t); s.Fingerprint() != last {
		t.Fatal("Load and Fingerprint disagree on one state of the schema")
	}
	role := catalogRole(t, dsn)
	var statistics []string
	if serverVersion(t, harness.Open(t, "pgx", dsn)) >= 140000 {
		statistics = []string{`CREATE STATISTICS st ON (f(id)), v FROM t`, `DROP STATISTICS st`}
	}
	for _, ddl := range append(statistics,
		`CREATE TABLE u (id int)`, `DROP TABLE u`,
		`ALTER TABLE t ADD COLUMN x int`, `ALTER TABLE t RENAME COLUMN x TO y`, `ALTER TABLE t ALTER COLUMN y TYPE bigint`,
		`ALTER TABLE t ALTER COLUMN y SET DEFAULT 4`, `ALTER TABLE t ALTER COLUMN y SET DEFAULT 5`, `ALTER TABLE t DROP COLUMN y`,
		`ALTER TABLE child RENAME TO kid`, `ALTER TABLE kid RENAME TO child`, `CREATE SCHEMA z`, `ALTER TABLE child SET SCHEMA z`, `ALTER TABLE z.child SET SCHEMA public`,
		`ALTER SCHEMA z RENAME TO zz`, `DROP SCHEMA zz`,
		`ALTER TABLE child ADD CONSTRAINT fk FOREIGN KEY (t) REFERENCES t ON DELETE CASCADE`, `ALTER TABLE child DROP CONSTRAINT fk`,
		`ALTER TABLE child ADD CONSTRAINT ck CHECK (id > 0)`, `ALTER TABLE child DROP CONSTRAINT ck`,
		`ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')`, `ALTER TABLE p DETACH PARTITION p1`,
		`CREATE OR REPLACE VIEW w AS SELECT id FROM child`, `ALTER VIEW w SET (security_barrier)`,
		`CREATE RULE r AS ON UPDATE TO t DO ALSO NOTIFY x`, `DROP RULE r ON t`,
		`CREATE TRIGGER trg BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trg()`, `ALTER TABLE t DISABLE TRIGGER trg`, `DROP TRIGGER trg ON t`,
		`CREATE INDEX ix ON t (f(id))`, `DROP INDEX ix`, `CREATE INDEX ix ON t (id) WHERE f(id) > 0`, `DROP INDEX ix`,
		`CREATE OR REPLACE FUNCTION f(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i + 1'`, `ALTER FUNCTION f STABLE`, `REVOKE EXECUTE ON FUNCTION f FROM PUBLIC`,
		`REVOKE EXECUTE ON FUNCTION lower(text) FROM PUBLIC`, `GRANT EXECUTE ON FUNCTION lower(text) TO PUBLIC`,
		`ALTER TABLE t ENABLE ROW LEVEL SECURITY`, `CREATE POLICY pol ON t USING (id > 1)`, `ALTER POLICY pol ON t USING (id > 2)`, `ALTER TABLE t FORCE ROW LEVEL SECURITY`, `DROP POLICY pol ON t`,
		`CREATE FUNCTION evt() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'`, `CREATE EVENT TRIGGER evt ON ddl_command_end EXECUTE FUNCTION evt()`,
		`ALTER EVENT TRIGGER evt DISABLE`, `ALTER EVENT TRIGGER evt ENABLE`, `DROP EVENT TRIGGER evt`,
		`ALTER TYPE mood ADD VALUE 'happy'`, `ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'`, `ALTER TYPE pair ADD ATTRIBUTE c int`,
		`ALTER DOMAIN small ADD CONSTRAINT pos CHECK (VALUE > 0)`,
		`CREATE OPERATOR |+| (RIGHTARG = int, FUNCTION = f)`, `CREATE AGGREGATE agg(int) (SFUNC = int4pl, STYPE = int)`,
		`CREATE CAST (text AS pair) WITH INOUT`,
		`CREATE COLLATION nocase (provider = icu, locale = 'und', deterministic = false)`,
		`ALTER TEXT SEARCH CONFIGURATION cfg ALTER MAPPING FOR word WITH english_stem`,
		`CREATE ROLE `+role, `GRANT SELECT ON t TO `+role, `GRANT UPDATE (v) ON t TO `+role, `REVOKE SELECT ON t FROM `+role,
		`GRANT pg_monitor TO `+role, `ALTER ROLE `+role+` BYPASSRLS`, `ALTER ROLE `+role+` SET search_path = zz`,
		`ALTER TABLE child OWNER TO `+role, `ALTER TABLE child SET UNLOGGED`,
		`CREATE EXTENSION citext`,
	) {
		c.exec(t, ddl)
		now := mustFingerprint(t, c)
		if now == last {
			t.Errorf("not seen: %s", ddl)
		}
		last = now
	}
}

// TestCatalogFingerprintIgnoresUpkeep does what leaves the schema as it is.
func TestCatalogFingerprintIgnoresUpkeep(t *testing.T) {
	dsn := harness.NewDatabase(t)
	c, other := catalogConnect(t, dsn), catalogConnect(t, dsn)
	c.exec(t, fingerprintSchema+"CREATE INDEX ix ON t (v);")
	first := mustFingerprint(t, c)
	for _, upkeep := range []string{
		`SELECT nextval('s')`, `INSERT INTO t VALUES (-1, 'x')`, `UPDATE t SET v = v || 'x'`, `DELETE FROM t WHERE id < 100`,
		`ANALYZE`, `VACUUM t`, `VACUUM (FREEZE, ANALYZE)`, `VACUUM FULL t`, `CLUSTER t USING ix`, `TRUNCATE child`, `TRUNCATE t RESTART IDENTITY`,
		`REINDEX TABLE t`, `CREATE INDEX ix3 ON t (lower(v)) WHERE n > 0`, `DROP INDEX ix3`, `CREATE INDEX ix2 ON t (n)`, `DROP INDEX ix2`, `REFRESH MATERIALIZED VIEW m`,
		`CREATE TEMP TABLE scratch (id serial PRIMARY KEY, v text DEFAULT 'x' CHECK (v > ''))`,
		`CREATE TEMP VIEW scratch_view AS SELECT * FROM scratch`,
		`CREATE TRIGGER trg BEFORE INSERT ON scratch FOR EACH ROW EXECUTE FUNCTION trg()`,
		`CREATE FUNCTION pg_temp.x() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
		`CREATE DOMAIN pg_temp.d AS int CHECK (VALUE > 0)`,
		`DISCARD TEMP`,
		`VACUUM (FULL, FREEZE) pg_attribute`, `VACUUM (FULL, FREEZE) pg_class`, `VACUUM (FULL, FREEZE) pg_proc`,
		`SET search_path = pg_catalog`, `SET TimeZone = 'Asia/Tokyo'`, `SET DateStyle = 'German'`,
	} {
		other.exec(t, upkeep)
		if now := mustFingerprint(t, c); now != first {
			t.Errorf("taken for DDL: %s", upkeep)
			first = now
		}
		if now := mustFingerprint(t, other); now != first {
			t.Errorf("another session sees another schema after %s", upkeep)
		}
	}
}

// TestCatalogLoadsWithoutPrivileges loads as a role that may do nothing but
// connect, and finds the same schema.
func TestCatalogLoadsWithoutPrivileges(t *testing.T) {
	dsn := harness.NewDatabase(t)
	c := catalogConnect(t, dsn)
	c.exec(t, catalogSchema)
	role := catalogRole(t, dsn)
	c.exec(t, "CREATE ROLE "+role)
	full := c.load(t)
	c.exec(t, "SET ROLE "+role)
	bare := c.load(t)
	if bare.Fingerprint() != full.Fingerprint() {
		t.Error("the fingerprint depends on who asks")
	}
	c.exec(t, "RESET ROLE")
	sess := c.session(t)
	for _, scope := range []string{"public.open_of", "public.order_lines", "public.events", "public.totals_of"} {
		a, b := readers(full, sess, scope), readers(bare, sess, scope)
		if len(a.Reads) == 0 || len(a.Reads) != len(b.Reads) || a.Refusal != b.Refusal {
			t.Errorf("%s: %v as owner, %v without rights", scope, a, b)
		}
	}
}

// TestCatalogLoadLeavesConnectionClean checks that neither a load nor a failed
// one changes the session.
func TestCatalogLoadLeavesConnectionClean(t *testing.T) {
	dsn := harness.NewDatabase(t)
	c := catalogConnect(t, dsn)
	c.exec(t, catalogSchema)
	c.exec(t, "SET search_path = other, public")
	c.load(t)

	locker := catalogConnect(t, dsn)
	locker.exec(t, "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
	start := time.Now()
	if _, err := catalog.Load(harness.Context(t), c, catalog.OwnRoles); err == nil {
		t.Error("a schema that is being changed was loaded")
	} else if took := time.Since(start); took > 10*time.Second {
		t.Errorf("waited %s for a lock", took)
	}
	locker.exec(t, "ROLLBACK")
	c.load(t)

	rows, err := c.Query(harness.Context(t), "SELECT current_setting('search_path'), current_setting('lock_timeout')")
	if err != nil {
		t.Fatal(err)
	}
	if *rows[0][0] != "other, public" || *rows[0][1] != "0" || c.PgConn().TxStatus() != 'I' {
		t.Errorf("the session was left with search_path %s, lock_timeout %s, transaction status %c",
			*rows[0][0], *rows[0][1], c.PgConn().TxStatus())
	}
}

// TestCatalogLoadTime loads a schema of 1,000 tables. The limit is generous, so
// that a busy machine does not fail; the log has the figures.
func TestCatalogLoadTime(t *testing.T) {
	dsn := harness.NewDatabase(t)
	c := catalogConnect(t, dsn)
	c.exec(t, `DO $$ BEGIN FOR i IN 1..1000 LOOP
		EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, parent int REFERENCES t%s ON DELETE CASCADE, a text, b text, c numeric, d timestamptz, e jsonb, f boolean)', i, greatest(i - 1, 1));
		IF i % 10 = 0 THEN EXECUTE format('CREATE VIEW v%s AS SELECT x.id, y.a FROM t%s x JOIN t%s y ON y.parent = x.id', i, i, i - 1); END IF;
	END LOOP; END $$; ANALYZE`)
	c.load(t)
	best, cheapest := time.Hour, time.Hour
	for range 5 {
		start := time.Now()
		s := c.load(t)
		best = min(best, time.Since(start))
		start = time.Now()
		if mustFingerprint(t, c) != s.Fingerprint() {
			t.Error("the fingerprint changes by itself")
		}
		cheapest = min(cheapest, time.Since(start))
	}
	t.Logf("Load %s, Fingerprint %s", best, cheapest)
	if best > time.Second || cheapest > 300*time.Millisecond {
		t.Errorf("Load took %s, Fingerprint %s", best, cheapest)
	}
}

var _ catalog.Querier = catalogConn{(*pgx.Conn)(nil)}

// TestCatalogFingerprintOfRoles changes roles that lend the session nothing, which
// must not drop what is cached (credentials may be made every minute), and roles
// that do.
func TestCatalogFingerprintOfRoles(t *testing.T) {
	dsn := harness.NewDatabase(t)
	admin := catalogConnect(t, dsn)
	user, group, owner, other := catalogRole(t, dsn), catalogRole(t, dsn), catalogRole(t, dsn), catalogRole(t, dsn)
	admin.exec(t, "CREATE ROLE "+user+" LOGIN PASSWORD '"+user+"'; CREATE ROLE "+group+"; CREATE ROLE "+owner+"; CREATE TABLE t (id int); CREATE VIEW v AS SELECT * FROM t; ALTER VIEW v OWNER TO "+owner)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, user)
	c := catalogConnect(t, u.String())
	fingerprint := func(roles catalog.Roles) string {
		f, err := catalog.Fingerprint(harness.Context(t), c, roles)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, tt := range []struct {
		ddl  string
		seen bool
	}{
		{"CREATE ROLE " + other + " LOGIN", false},
		{"GRANT " + group + " TO " + other, false},
		{"ALTER ROLE " + other + " BYPASSRLS", false},
		{"ALTER ROLE " + other + " SET search_path = x", false},
		{"GRANT " + group + " TO " + user, true},
		{"ALTER ROLE " + group + " BYPASSRLS", true},
		{"ALTER ROLE " + user + " BYPASSRLS", true},
		{"ALTER ROLE " + user + " SET search_path = x", true},
		{"ALTER ROLE " + owner + " BYPASSRLS", true},
		{"GRANT " + other + " TO " + owner, true},
		{"REVOKE " + group + " FROM " + user, true},
	} {
		own, all := fingerprint(catalog.OwnRoles), fingerprint(catalog.AllRoles)
		admin.exec(t, tt.ddl)
		if seen := fingerprint(catalog.OwnRoles) != own; seen != tt.seen {
			t.Errorf("%s: seen %t", tt.ddl, seen)
		}
		if fingerprint(catalog.AllRoles) == all {
			t.Errorf("%s: not seen among all roles", tt.ddl)
		}
	}
}
