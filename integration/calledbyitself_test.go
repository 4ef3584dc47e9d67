package integration

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/integration/harness"
)

// What the server calls by itself, though no text names it, and no privilege is needed to have it do so.
const calledByItself = `
CREATE TABLE log (n int); INSERT INTO log VALUES (0);
CREATE FUNCTION writer() RETURNS int LANGUAGE plpgsql AS 'BEGIN UPDATE public.log SET n = n + 1; RETURN 1; END';
CREATE FUNCTION differ(a int, b int) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.writer(); RETURN a - b; END';
CREATE TYPE span AS RANGE (subtype = int, subtype_diff = differ);
CREATE TABLE spans (a span); CREATE INDEX ON spans USING gist (a);
CREATE TABLE by_expression (a int, b int); CREATE INDEX ON by_expression USING gist (span(a, b));
CREATE TABLE measured (a span); INSERT INTO measured SELECT span(i, i + 1) FROM generate_series(1, 100) i;
CREATE TABLE estimated (a span); INSERT INTO estimated SELECT span(i, i + 1) FROM generate_series(1, 100) i; ANALYZE estimated;
CREATE FUNCTION eq(a int, b int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN a = b; END';
CREATE FUNCTION ne(a int, b int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM public.writer(); RETURN a <> b; END';
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = eq, NEGATOR = !==);
CREATE OPERATOR !== (LEFTARG = int, RIGHTARG = int, FUNCTION = ne, NEGATOR = ===);
CREATE TABLE negated (a int, b int CHECK (NOT (b === 7)));
CREATE FUNCTION less(a int, b int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN a < b; END';
CREATE FUNCTION more(a int, b int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.writer(); RETURN a > b; END';
CREATE OPERATOR <<< (LEFTARG = int, RIGHTARG = int, FUNCTION = less, COMMUTATOR = >>>, RESTRICT = scalarltsel);
CREATE OPERATOR >>> (LEFTARG = int, RIGHTARG = int, FUNCTION = more, COMMUTATOR = <<<, RESTRICT = scalargtsel);
CREATE FUNCTION passes(i int) RETURNS boolean LANGUAGE sql AS 'SELECT public.writer() = 1';
CREATE DOMAIN checked AS int CHECK (passes(VALUE));
CREATE TYPE of_checked AS RANGE (subtype = checked);
CREATE FUNCTION sly(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.writer(); RETURN i; END';
CREATE TABLE plain (v int); CREATE TABLE sink (v int);
CREATE VIEW sly_view AS SELECT * FROM plain WHERE sly(1) = 1;
CREATE TABLE by_default (v int, d int DEFAULT sly(1));
CREATE TABLE ruled (v int); CREATE RULE r AS ON INSERT TO ruled DO ALSO INSERT INTO sink VALUES (sly(7));
CREATE FUNCTION explains() RETURNS void LANGUAGE sql AS 'EXPLAIN DELETE FROM sly_view';
CREATE TABLE guessed (a int); INSERT INTO guessed SELECT i % 5 FROM generate_series(1, 100) i; ANALYZE guessed;
CREATE TABLE thing (a int); INSERT INTO thing VALUES (1); CREATE VIEW things AS SELECT * FROM thing;
CREATE FUNCTION of_thing(thing) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN public.writer(); END'; CREATE CAST (thing AS int) WITH FUNCTION of_thing(thing) AS ASSIGNMENT;
CREATE FUNCTION of_things(things) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN public.writer(); END'; CREATE CAST (things AS text) WITH FUNCTION of_things(things);
CREATE FUNCTION row_of_thing() RETURNS int LANGUAGE sql AS 'SELECT t::int FROM thing t';
CREATE TABLE counted (a int); INSERT INTO counted SELECT generate_series(1, 100)`

// Multiranges come with PostgreSQL 14.
const multiranges = `CREATE TABLE many (x of_checked_multirange)`

// Of expressions that statistics are made of, from PostgreSQL 14 on.
const countedStatistics = `CREATE STATISTICS by_text ON (length(query_to_xml('SELECT public.writer()', true, true, '')::text)), a FROM counted`

var callsByItself = []struct {
	name, sql string
	since     int
}{
	{"subtype_diff of an index", `INSERT INTO spans SELECT span(i, i + 1) FROM generate_series(1, 500) i`, 0},
	{"subtype_diff of an index of an expression", `INSERT INTO by_expression SELECT i, i + 1 FROM generate_series(1, 500) i`, 0},
	{"subtype_diff of ANALYZE", `ANALYZE measured`, 0},
	{"subtype_diff of an estimate", `SELECT count(*) FROM estimated WHERE a && span(4, 5)`, 0},
	{"a domain in a multirange", `INSERT INTO many VALUES ('{[1,2)}')`, 140000},
	{"a negator in front of ANY", `SELECT NOT 1 === ANY (ARRAY[5])`, 0},
	{"EXPLAIN of a write to a view", `EXPLAIN DELETE FROM sly_view`, 0},
	{"EXPLAIN of a write with a default", `EXPLAIN INSERT INTO by_default (v) VALUES (1)`, 0},
	{"EXPLAIN of a write with a rule", `EXPLAIN INSERT INTO ruled VALUES (1)`, 0},
	{"EXPLAIN in a function", `SELECT explains()`, 0},
	{"a negator", `SELECT NOT (1 === 2)`, 0},
	{"a negator in a check", `INSERT INTO negated VALUES (1, 2)`, 0},
	{"a commutator of an estimate", `SELECT count(*) FROM guessed WHERE 3 <<< a`, 0},
	{"a cast of a table's row", `SELECT t::int FROM thing t`, 0},
	{"a cast of a view's row", `SELECT CAST(t AS text) FROM things t`, 0},
	{"a cast of a row in a function", `SELECT row_of_thing()`, 0},
	{"a cast of a row that is returned", `UPDATE thing SET a = 2 RETURNING thing::int`, 0},
	{"an assignment of a row", `UPDATE thing SET a = thing`, 0},
	{"ANALYZE with statistics over a text", `ANALYZE counted`, 140000},
}

func TestWritesThatTheServerCallsByItself(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, calledByItself)
	plain, db := harness.Open(t, "pgx", dsn), harness.Open(t, "mlcache", dsn)
	version := serverVersion(t, plain)
	if version >= 140000 {
		harness.Exec(t, plain, countedStatistics)
		harness.Exec(t, plain, multiranges)
	}
	harness.Ready(t, db)
	const query = "SELECT n FROM log"
	for _, c := range callsByItself {
		if version < c.since {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			untilHit(t, db, query)
			before := harness.Query(t, plain, query)
			harness.Exec(t, db, c.sql)
			want := harness.Query(t, plain, query)
			if want.String() == before.String() {
				t.Fatal("nothing was written")
			}
			harness.Same(t, query, harness.Query(t, db, query), want)
		})
	}
}

// The first query of a process does not go ahead of the catalog if the estimate for it may write.
func TestFirstQueryThatIsEstimatedByAWriter(t *testing.T) {
	t.Parallel()
	plainDSN := harness.NewDatabase(t, `CREATE TABLE log (n int); INSERT INTO log VALUES (0);
		CREATE FUNCTION writer() RETURNS int LANGUAGE plpgsql AS 'BEGIN UPDATE public.log SET n = n + 1; RETURN 1; END';
		CREATE FUNCTION differ(a int, b int) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.writer(); RETURN a - b; END';
		CREATE TYPE span AS RANGE (subtype = int, subtype_diff = differ);
		CREATE TABLE estimated (a span); INSERT INTO estimated SELECT span(i, i + 1) FROM generate_series(1, 100) i; ANALYZE estimated`)
	dsn := withPatientRedis(t, plainDSN)
	plain, reader := harness.Open(t, "pgx", plainDSN), harness.Open(t, "mlcache", dsn)
	harness.Ready(t, reader)
	const query = "SELECT n FROM log"
	before := untilHit(t, reader, query)
	harness.Query(t, harness.Open(t, "mlcache", dsn), `SELECT count(*) FROM estimated WHERE a && '[4,5)'`)
	want := harness.Query(t, plain, query)
	if want.String() == before.String() {
		t.Fatal("nothing was written")
	}
	harness.Same(t, query, harness.Query(t, reader, query), want)
}

// notFollowed are the columns of the system catalogs that hold a function, an operator or an expression and that no query
// of package catalog reads, each with the reason why it needs none.
var notFollowed = map[string]string{
	"pg_am.amhandler":                      onlySuperuser,
	"pg_amop.amopopr":                      onlySuperuser,
	"pg_amproc.amproc":                     onlySuperuser,
	"pg_aggregate.aggsortop":               "used only where an operator class has it, too",
	"pg_class.relpartbound":                "holds constants",
	"pg_constraint.conexclop":              ofOperatorClasses,
	"pg_constraint.conffeqop":              ofOperatorClasses,
	"pg_constraint.conpfeqop":              ofOperatorClasses,
	"pg_constraint.conppeqop":              ofOperatorClasses,
	"pg_conversion.conproc":                takesInternal,
	"pg_foreign_data_wrapper.fdwhandler":   onlySuperuser,
	"pg_foreign_data_wrapper.fdwvalidator": "called by DDL, which changes everything",
	"pg_language.laninline":                takesInternal,
	"pg_language.lanplcallfoid":            takesInternal,
	"pg_language.lanvalidator":             "called by DDL, which changes everything",
	"pg_operator.oprjoin":                  takesInternal,
	"pg_operator.oprrest":                  takesInternal,
	"pg_proc.prosupport":                   takesInternal,
	"pg_publication_rel.prqual":            "computed by the process that decodes the log, of built-in immutable functions",
	"pg_statistic.staop1":                  ofOperatorClasses,
	"pg_statistic.staop2":                  ofOperatorClasses,
	"pg_statistic.staop3":                  ofOperatorClasses,
	"pg_statistic.staop4":                  ofOperatorClasses,
	"pg_statistic.staop5":                  ofOperatorClasses,
	"pg_transform.trffromsql":              takesInternal,
	"pg_transform.trftosql":                takesInternal,
	"pg_ts_parser.prsend":                  onlySuperuser,
	"pg_ts_parser.prsheadline":             onlySuperuser,
	"pg_ts_parser.prslextype":              onlySuperuser,
	"pg_ts_parser.prsstart":                onlySuperuser,
	"pg_ts_parser.prstoken":                onlySuperuser,
	"pg_ts_template.tmplinit":              onlySuperuser,
	"pg_ts_template.tmpllexize":            onlySuperuser,
	"pg_type.typanalyze":                   onlySuperuser,
	"pg_type.typinput":                     onlySuperuser,
	"pg_type.typmodin":                     onlySuperuser,
	"pg_type.typmodout":                    onlySuperuser,
	"pg_type.typoutput":                    onlySuperuser,
	"pg_type.typreceive":                   onlySuperuser,
	"pg_type.typsend":                      onlySuperuser,
	"pg_type.typsubscript":                 onlySuperuser,
}

const (
	onlySuperuser     = "only a superuser makes it: see what docs/consistency.md takes at its word"
	ofOperatorClasses = "an operator of an operator class, which only a superuser makes"
	takesInternal     = "a function with an argument or a result of a type that none but those in C can have"
)

// Whatever a catalog of the server may call is followed, or it is known why not.
func TestEachFunctionOfTheCatalogsIsFollowed(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t)
	conn := catalogConnect(t, dsn)
	recorded := &recordingQuerier{Querier: conn}
	if _, err := catalog.Load(harness.Context(t), recorded, catalog.OwnRoles); err != nil {
		t.Fatal(err)
	}
	plain := harness.Open(t, "pgx", dsn)
	query := `SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r'
		AND a.atttypid::regtype::text IN ('regproc', 'regprocedure', 'regoper', 'regoperator', 'pg_node_tree')`
	if serverVersion(t, plain) >= 140000 {
		query += ` UNION SELECT c.relname, col FROM pg_get_catalog_foreign_keys() k JOIN pg_class c ON c.oid = k.fktable, unnest(k.fkcols) col
			WHERE k.pktable IN ('pg_proc'::regclass, 'pg_operator'::regclass)`
	}
	rows, err := plain.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			t.Fatal(err)
		}
		n++
		followed, word := false, regexp.MustCompile(`\b`+column+`\b`)
		for _, sql := range recorded.asked {
			followed = followed || strings.Contains(sql, table) && word.MatchString(sql)
		}
		if why := notFollowed[table+"."+column]; followed == (why != "") {
			t.Errorf("%s.%s: read: %v; why it need not be: %q", table, column, followed, why)
		}
	}
	if err := rows.Err(); err != nil || n < 40 {
		t.Errorf("%d columns: %v", n, err)
	}
}

// recordingQuerier notes what is asked.
type recordingQuerier struct {
	catalog.Querier
	asked []string
}

func (q *recordingQuerier) Query(ctx context.Context, sql string) ([][]*string, error) {
	q.asked = append(q.asked, sql)
	return q.Querier.Query(ctx, sql)
}

// An answer that a cast of a table's row has made depends on what the cast reads.
func TestAnswerThatACastOfARowMakes(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, "CREATE TABLE thing (id int)", "INSERT INTO thing VALUES (1)", "CREATE TABLE rate (n int)", "INSERT INTO rate VALUES (10)",
		"CREATE FUNCTION rated(thing) RETURNS int LANGUAGE sql STABLE AS 'SELECT n FROM rate'", "CREATE CAST (thing AS int) WITH FUNCTION rated(thing)")
	db := harness.Open(t, "mlcache", dsn)
	harness.Ready(t, db)
	const query = "SELECT t::int FROM thing t"
	for range 3 {
		harness.Query(t, db, query)
	}
	harness.Exec(t, db, "UPDATE rate SET n = 20")
	harness.Same(t, query, harness.Query(t, db, query), harness.Query(t, harness.Open(t, "pgx", dsn), query))
}
