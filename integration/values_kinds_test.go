package integration

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// kinds are PostgreSQL's types with values at their edges: the built-in ones
// (PostgreSQL manual, chapter 8), what can be made of them, and two extensions
// whose types no driver knows by OID.
var kinds = []struct {
	name     string // of the table
	typeName string
	values   []string // expressions
}{
	{"bools", "bool[]", []string{`'{t,f,NULL}'`, `'{}'`, `'{{t},{f}}'`}},
	{"int2s", "int2[]", []string{`'{-32768,32767}'`, `'[0:1]={1,2}'`}},
	{"int8s", "int8[]", []string{`'{-9223372036854775808,NULL}'`, `'[-1:0][2:3]={{1,2},{3,4}}'`}},
	{"float8s", "float8[]", []string{`'{NaN,Infinity,-0,1e-300}'`}},
	{"numerics", "numeric(8,2)[]", []string{`'{1.5,NaN,-999999.99}'`}},
	{"texts", "text[]", []string{`'{"a,b","{}","\"","\\","NULL",NULL,""}'`}},
	{"byteas", "bytea[]", []string{`ARRAY['\x00ff'::bytea, '', NULL]`}},
	{"instants", "timestamptz[]", []string{`'{2024-02-29 12:00+00,infinity,NULL}'`}},
	{"dates", "date[]", []string{`'{-infinity,0044-03-15 BC}'`}},
	{"uuids", "uuid[]", []string{`'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'`}},
	{"jsonbs", "jsonb[]", []string{`ARRAY['{"a": [1]}'::jsonb, 'null', NULL]`}},
	{"intervals", "interval[]", []string{`'{1 year -2 days,"-00:00:00.000001"}'`}},
	{"int4r", "int4range", []string{`'[1,5)'`, `'empty'`, `'(,)'`, `'[7,]'`}},
	{"int8r", "int8range", []string{`'[-9223372036854775808,9223372036854775806]'`}},
	{"numr", "numrange", []string{`'(1.5,2.50]'`, `'[0.1,0.1]'`}},
	{"tsr", "tsrange", []string{`'["2024-01-01 00:00","2024-02-01 12:00:00.5")'`, `'[-infinity,infinity]'`}},
	{"tstzr", "tstzrange", []string{`'["2024-03-10 01:59:59-05","2024-03-10 03:00-04")'`}},
	{"dater", "daterange", []string{`'[0044-03-15 BC,2024-02-29]'`}},
	{"int4rs", "int4range[]", []string{`'{"[1,2)",empty,NULL}'`}},
	{"int4m", "int4multirange", []string{`'{[1,3),[5,7)}'`, `'{}'`, `'{(,)}'`}},
	{"nummr", "nummultirange", []string{`'{[1.5,2.5],(3,4)}'`}},
	{"tstzm", "tstzmultirange", []string{`'{["2024-01-01 00:00+00","2024-01-02 00:00+00")}'`}},
	{"datem", "datemultirange", []string{`'{[2024-01-01,2024-02-01),[2024-03-01,)}'`}},
	{"moods", "mood", []string{`'happy'`, `'so so'`}},
	{"moodss", "mood[]", []string{`'{happy,"so so",NULL}'`}},
	{"pairs", "pair", []string{`ROW(1,'a "b",c')`, `ROW(NULL,NULL)`, `ROW(2,'')`}},
	{"pairss", "pair[]", []string{`ARRAY[ROW(1,'x')::pair, NULL]`}},
	{"nested", "nest", []string{`ROW(ROW(1,'y'),'{1,2}','[1,2)')`}},
	{"positives", "positive", []string{`7`, `NULL`}},
	{"shorts", "short", []string{`'abc'`}},
	{"lists", "list", []string{`'{1,2}'`}},
	{"positivess", "positive[]", []string{`'{1,2}'`}},
	{"days", "date", []string{`'infinity'`, `'-infinity'`, `'4713-01-01 BC'`, `'0001-12-31 BC'`, `'5874897-12-31'`, `'10000-01-01'`}},
	{"stamps", "timestamp", []string{`'infinity'`, `'-infinity'`, `'4713-01-01 00:00 BC'`, `'294276-12-31 23:59:59.999999'`, `'10000-01-01'`}},
	{"zoned", "timestamptz", []string{`'infinity'`, `'-infinity'`, `'4713-01-02 00:00+00 BC'`, `'294276-12-31 00:00+00'`, `'1883-11-18 12:03:57-05'`}},
	{"clocks", "timetz", []string{`'23:59:59.999999-15:59'`, `'24:00:00+00'`}},
	{"times", "time", []string{`'24:00:00'`, `'00:00:00.000001'`}},
	{"spans", "interval", []string{`'178000000 years'`, `'-1 mon 2 days -00:00:00.5'`, `'P1Y2M3DT4H5M6S'`}},
	{"thousand", "numeric", []string{`(repeat('9', 1000))::numeric`, `('0.' || repeat('1', 1000))::numeric`, `(repeat('12', 250) || '.' || repeat('34', 250))::numeric`, `'NaN'`, `'-Infinity'`, `0.00`}},
	{"fixed", "numeric(12,4)", []string{`1.5`, `-12345678.9999`, `'NaN'`}},
	{"scaled", "numeric(3,-2)", []string{`12345`}},
	{"cash", "money", []string{`'-92233720368547758.08'`, `'1234.5'`}},
	{"fixedbits", "bit(5)", []string{`B'10110'`}},
	{"bits", "varbit", []string{`B''`, `B'1'`, `(repeat('10', 100))::varbit`}},
	{"fewbits", "varbit(10)", []string{`B'101'`}},
	{"xmls", "xml", []string{`'<a b="1">x</a>'`, `'two <b/> parts'`}},
	{"jsons", "json", []string{`'{"b" : 1,  "a":[null,"\u00e9"], "b":2}'`, `'1e1000'`}},
	{"jsonb1", "jsonb", []string{`'{"b": 1, "a": [null, "é"], "b": 2}'`, `'"\u0001"'`, `'123456789012345678901234567890.5'`}},
	{"paths", "jsonpath", []string{`'$.a[*] ? (@ > 1)'`}},
	{"vectors", "tsvector", []string{`'a:1A fat:2B,3 ''q q'''`, `''`}},
	{"queries", "tsquery", []string{`'fat & (rat | !cat)'`}},
	{"hosts", "inet", []string{`'::ffff:1.2.3.4'`, `'10.0.0.1'`, `'fe80::1/64'`}},
	{"nets", "cidr", []string{`'10.0.0.0/8'`, `'2001:db8::/32'`}},
	{"macs", "macaddr", []string{`'08:00:2b:01:02:03'`}},
	{"macs8", "macaddr8", []string{`'08:00:2b:01:02:03:04:05'`}},
	{"lsns", "pg_lsn", []string{`'0/0'`, `'FFFFFFFF/FFFFFFFF'`}},
	{"oids", "oid", []string{`0`, `4294967295`}},
	{"xids", "xid", []string{`'4294967295'`}},
	{"cids", "cid", []string{`'7'`}},
	{"xids8", "xid8", []string{`'18446744073709551615'`}},
	{"tids", "tid", []string{`'(4294967295,65535)'`}},
	{"names", "name", []string{`'pg_name'`}},
	{"chars", `"char"`, []string{`'x'`, `''`}},
	{"padded", "char(6)", []string{`'ab'`, `''`}},
	{"classes", "regclass", []string{`'pg_class'`, `0`}},
	{"typenames", "regtype", []string{`'int4'`}},
	{"procs", "regprocedure", []string{`'abs(int4)'`}},
	{"roles", "regrole", []string{`0`}},
	{"schemas", "regnamespace", []string{`'pg_catalog'`}},
	{"oidvectors", "oidvector", []string{`'1 2 3'`}},
	{"int2vectors", "int2vector", []string{`'1 2 3'`}},
	{"snapshots", "pg_snapshot", []string{`'10:20:10,14,15'`}},
	{"points", "point", []string{`'(1.5,-2)'`, `'(NaN,Infinity)'`}},
	{"lines", "line", []string{`'{1,2,3}'`}},
	{"segments", "lseg", []string{`'[(0,0),(1,1)]'`}},
	{"boxes", "box", []string{`'(2,2),(1,1)'`}},
	{"ways", "path", []string{`'[(0,0),(1,1)]'`, `'((0,0),(1,1))'`}},
	{"polygons", "polygon", []string{`'((0,0),(1,1),(1,0))'`}},
	{"circles", "circle", []string{`'<(1,2),3>'`}},
	{"stores", "hstore", []string{`'a=>1, "b c"=>NULL'`, `''`}},
	{"foldeds", "citext", []string{`'MiXed'`}},
}

// kindTables is the DDL for kinds: one table for each.
func kindTables() []string {
	ddl := []string{warmup, "CREATE EXTENSION hstore", "CREATE EXTENSION citext",
		`CREATE TYPE mood AS ENUM ('so so', 'happy');
		CREATE TYPE pair AS (n int, "the text" text);
		CREATE TYPE nest AS (p pair, a int[], r int4range);
		CREATE DOMAIN positive AS int CHECK (VALUE > 0);
		CREATE DOMAIN short AS varchar(5);
		CREATE DOMAIN list AS int[]`}
	for _, k := range kinds {
		var b strings.Builder
		fmt.Fprintf(&b, "CREATE TABLE %s (id int, v %s); INSERT INTO %[1]s VALUES (0, NULL)", k.name, k.typeName)
		for i, v := range k.values {
			fmt.Fprintf(&b, ", (%d, %s)", i+1, v)
		}
		ddl = append(ddl, b.String())
	}
	return ddl
}

// A value of every type is pgx's when it passes by the cache, fills it, and comes
// from memory and from Redis; where pgx cannot read it, so is the error.
func TestValuesOfEveryType(t *testing.T) {
	t.Parallel()
	base := harness.NewDatabase(t, kindTables()...)
	harness.InEveryExecMode(t, base, func(t *testing.T, dsn string) {
		t.Parallel()
		pgx := harness.Open(t, "pgx", dsn)
		cached := withPatientRedis(t, dsn)
		memory := harness.Open(t, "mlcache", cached)
		redis := harness.Open(t, "mlcache", harness.With(cached, "mlcache_l1_size", "0"))
		untilServing(t, memory)
		untilServing(t, redis)
		ctx := harness.Context(t)
		var wants []harness.Result
		for _, k := range kinds {
			for i := range len(k.values) + 1 {
				// By itself, since an error at one value would hide the others.
				query := fmt.Sprintf("SELECT v FROM %s WHERE id = $1", k.name)
				want := harness.TryQuery(ctx, pgx, query, i)
				what := fmt.Sprintf("%s, value %d, ", k.typeName, i)
				if i > 0 && len(want.Rows) != 1 && want.Err == "" {
					t.Fatalf("%s%d rows", what, len(want.Rows))
				}
				harness.Same(t, what+"past the cache", harness.TryQuery(mlcache.WithBypass(ctx), memory, query, i), want)
				harness.Same(t, what+"filling", harness.TryQuery(ctx, memory, query, i), want)
				before := stats(t, memory)
				harness.Same(t, what+"from memory", harness.TryQuery(ctx, memory, query, i), want)
				if c := since(before, stats(t, memory)); c.L1Hits != 1 {
					t.Errorf("%scounted %+v, want a hit in memory: %v", what, c, stats(t, memory).Reasons)
				}
				wants = append(wants, want)
			}
		}
		for _, k := range kinds { // by now Redis has them: it is told behind the answer's back
			for i := range len(k.values) + 1 {
				query := fmt.Sprintf("SELECT v FROM %s WHERE id = $1", k.name)
				harness.Same(t, fmt.Sprintf("%s, value %d, from Redis", k.typeName, i), untilHitOrError(t, redis, query, i), wants[0])
				wants = wants[1:]
			}
		}
		for _, k := range kinds { // and all values at once, as a column with others around it
			query := fmt.Sprintf("SELECT id, v, v AS again, NULL FROM %s WHERE id < 2 ORDER BY id", k.name)
			want := harness.TryQuery(ctx, pgx, query)
			for _, how := range []string{"filling", "from memory"} {
				harness.Same(t, k.typeName+", a column of several, "+how, harness.TryQuery(ctx, memory, query), want)
			}
		}
	})
}

// untilHitOrError is untilHit for a query whose values pgx may not be able to read.
func untilHitOrError(t *testing.T, db *sql.DB, query string, args ...any) (r harness.Result) {
	t.Helper()
	harness.Eventually(t, settling, "a hit for "+query, func() bool {
		before := stats(t, db)
		r = harness.TryQuery(harness.Context(t), db, query, args...)
		c := since(before, stats(t, db))
		return c.L1Hits+c.L2Hits == 1
	})
	return r
}
