package catalog

import (
	"strings"

	"github.com/mlcache/mlcache/sqlinfo"
)

// Where a text becomes a date or time, the answer may depend on the clock: a text can say 'now' ("Date/Time Input" in the manual).
// And time with time zone takes its offset from the current date, in comparisons, conversions and input, none of which a
// statement must write out. So both are followed by type: what a relation, a function, a type or a cast holds or gives,
// at whatever depth.

// queryTimes tells by type what may make times of texts, and what holds a time with time zone. A type holds what its elements,
// its base type, its bounds and its columns hold. What the columns after the first hold depends on it.
//
//	type:     name, whether it holds a timetz, whether its name counts where a type is declared only: that of a relation's rows,
//	          or of information_schema; all of them hold a time
//	relation: OID, whether it holds a timetz, and in which columns; likewise
//	function: OID, whether a parameter or its result holds a timetz; likewise
//	names:    OID of a function, and the names under which it takes or gives values that may hold a text
//	reader:   OID of a function in C that makes a value of any type out of something with texts in it
//	poly:     OID of a function with a parameter or a result of a polymorphic type, and whether one type stands for all of these and
//	          nothing else that it takes holds a text
//	record:   OID of a function with a parameter of type record
//	start:    OID of an aggregate that begins with a text that is read as a time, or may be
//	cast:     a cast that is not written and reads a time
const queryTimes = `WITH RECURSIVE parts AS MATERIALIZED (
  SELECT oid AS whole, typelem AS part FROM pg_type WHERE typelem <> 0 AND typcategory = 'A'
  UNION ALL SELECT oid, typbasetype FROM pg_type WHERE typtype = 'd'
  UNION ALL SELECT rngtypid, rngsubtype FROM pg_range
  UNION ALL SELECT m.oid, d.refobjid FROM pg_depend d JOIN pg_type m ON m.oid = d.objid
    WHERE m.typtype = 'm' AND d.classid = 'pg_type'::regclass AND d.refclassid = 'pg_type'::regclass
  UNION ALL SELECT c.reltype, a.atttypid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.reltype <> 0 AND c.relpersistence <> 't' AND a.attnum > 0 AND NOT a.attisdropped
), holds(oid, zone) AS (
  SELECT typ::oid, typ = 'timetz'::regtype FROM unnest(ARRAY['date', 'time', 'timetz', 'timestamp', 'timestamptz',
    'datemultirange', 'tsmultirange', 'tstzmultirange']) n, to_regtype(n) typ WHERE typ IS NOT NULL
  UNION SELECT p.whole, h.zone FROM holds h JOIN parts p ON p.part = h.oid
), held AS MATERIALIZED (SELECT oid, bool_or(zone) AS zone FROM holds GROUP BY oid),
texts AS MATERIALIZED (
  SELECT oid FROM pg_type WHERE typcategory NOT IN ('B', 'D', 'N', 'T', 'G', 'I', 'P') AND typname NOT IN
    ('daterange', 'tsrange', 'tstzrange', '_date', '_time', '_timestamp', '_timestamptz')
), polymorphic AS MATERIALIZED (
  SELECT oid, typname LIKE 'anycompatible%' AS common, typname <> 'anyenum' AS open FROM pg_type WHERE typtype = 'p' AND typname LIKE 'any%'
), numbers AS MATERIALIZED (
  SELECT oid FROM pg_type WHERE oid < 16384 AND ltrim(typname, '_') IN ('bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'interval')
)
SELECT 'type', t.typname::text, h.zone::text, (t.typtype = 'c' AND c.relkind <> 'c' OR t.oid < 16384)::text
FROM held h JOIN pg_type t ON t.oid = h.oid LEFT JOIN pg_class c ON c.oid = t.typrelid WHERE t.oid >= 16384 OR t.typname IN ('time_stamp', '_time_stamp')
UNION ALL
SELECT 'relation', c.oid::text, h.zone::text, (SELECT string_agg(a.attname, chr(31)) FROM pg_attribute a
  JOIN held x ON x.oid = a.atttypid AND x.zone WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
FROM held h JOIN pg_class c ON c.reltype = h.oid WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
UNION ALL
SELECT 'function', p.oid::text, bool_or(h.zone)::text, NULL
FROM pg_proc p, unnest(COALESCE(p.proallargtypes, p.proargtypes::oid[]) || p.prorettype) a(typ) JOIN held h ON h.oid = a.typ
WHERE p.oid >= 16384 GROUP BY p.oid
UNION ALL
SELECT 'names', p.oid::text, string_agg(a.name, chr(31)), NULL
FROM pg_proc p, LATERAL (
  SELECT name FROM unnest(p.proargnames, COALESCE(p.proallargtypes, p.proargtypes::oid[])) u(name, typ)
    WHERE name <> '' AND (typ IN (SELECT oid FROM texts) OR typ IN (SELECT oid FROM polymorphic))
  UNION SELECT x.attname::text FROM pg_type t JOIN pg_attribute x ON x.attrelid = t.typrelid
    WHERE t.oid = p.prorettype AND t.typrelid <> 0 AND x.attnum > 0 AND NOT x.attisdropped AND x.atttypid IN (SELECT oid FROM texts)
) a WHERE p.oid >= 16384 GROUP BY p.oid
UNION ALL
SELECT 'reader', p.oid::text, NULL, NULL
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_type r ON r.oid = p.prorettype
WHERE p.oid >= 16384 AND l.lanname IN ('c', 'internal') AND p.proargtypes::oid[] && ARRAY(SELECT oid FROM texts)
  AND (r.typtype = 'p' AND r.typname LIKE 'any%' OR r.typname = 'record' AND p.proallargtypes IS NULL)
UNION ALL
SELECT 'poly', p.oid::text, (count(DISTINCT y.common) = 1 AND NOT EXISTS (SELECT FROM unnest(p.proargtypes::oid[]) i(typ)
  WHERE typ NOT IN (SELECT oid FROM numbers) AND typ NOT IN (SELECT oid FROM polymorphic)))::text, NULL
FROM pg_proc p, unnest(COALESCE(p.proallargtypes, p.proargtypes::oid[]) || p.prorettype) a(typ) JOIN polymorphic y ON y.oid = a.typ
WHERE p.oid >= 16384 GROUP BY p.oid, p.proargtypes HAVING bool_or(y.open)
UNION ALL
SELECT 'record', p.oid::text, NULL, NULL
FROM pg_proc p WHERE p.oid >= 16384 AND 'record'::regtype = ANY (COALESCE(p.proallargtypes, p.proargtypes::oid[]))
UNION ALL
SELECT 'start', a.aggfnoid::oid::text, NULL, NULL
FROM pg_aggregate a WHERE a.aggfnoid >= 16384 AND (a.agginitval IS NOT NULL AND a.aggtranstype IN (SELECT oid FROM held)
  OR a.aggminitval IS NOT NULL AND a.aggmtranstype IN (SELECT oid FROM held)
  OR a.agginitval ~* '[a-z]' AND a.aggtranstype IN (SELECT oid FROM polymorphic)
  OR a.aggminitval ~* '[a-z]' AND a.aggmtranstype IN (SELECT oid FROM polymorphic))
UNION ALL
SELECT 'cast', NULL, NULL, NULL
WHERE EXISTS (SELECT FROM pg_cast c WHERE c.oid >= 16384 AND c.castfunc < 16384 AND c.castmethod <> 'b' AND c.castcontext <> 'e'
  AND c.casttarget IN (SELECT oid FROM held) AND c.castsource IN (SELECT oid FROM texts))`

// times is what queryTimes tells of types. What it tells of relations and functions is kept with them.
type times struct {
	// types hold a time; zones are those of them that hold one with time zone. rows are types of relations' rows and of information_schema.
	types, zones, rows map[string]bool
	// cast: texts become times where nothing is written.
	cast bool
}

// timed is what is known of a function.
type timed struct {
	time, zone    bool     // a parameter or its result holds such a value
	reader, start bool     // see queryTimes
	poly, linked  bool     // a parameter or its result is polymorphic; no text comes in beside those
	record        bool     // a parameter is a record
	names         []string // likewise
}

func (b *builder) addTime(r *rowReader) {
	kind, name, value, row := r.text(), r.text(), r.text(), r.text()
	if b.times.types == nil {
		b.times = times{types: make(map[string]bool), zones: make(map[string]bool), rows: make(map[string]bool)}
	}
	switch kind {
	case "type":
		if row == "true" {
			b.times.rows[name] = true
		} else {
			b.times.types[name] = true
		}
		if value == "true" {
			b.times.zones[name] = true
		}
	case "relation":
		if rel := b.relations[id(name)]; rel != nil {
			rel.time, rel.zone = true, value == "true"
			rel.zones = strings.Split(row, "\x1f")
		}
	case "cast":
		b.times.cast = true
	default:
		f := b.functions[id(name)]
		if f == nil {
			return
		}
		switch kind {
		case "function":
			f.time, f.zone = true, value == "true"
		case "names":
			f.names = strings.Split(value, "\x1f")
		case "poly":
			f.poly, f.linked = true, value == "true"
		case "record":
			f.record = true
		case "reader":
			f.reader = true
		case "start":
			f.start = true
		}
	}
}

// readsZone refuses what reads a relation with a time with time zone in it, unless the statement names it itself and does no more
// with such columns than to hand them out.
func (w *walk) readsZone(r *relation, f frame) {
	if f.via != nil || f.policy || w.statementText == "" || !sqlinfo.OnlySelected(w.statementText, r.zones) {
		w.refuse(f, sqlinfo.ReasonTimeWithZone, r.scope)
	}
}

// timesOfCall refuses what a call may make of texts, whatever its author declares: he knows his code, and not
// that it reads times out of texts.
func (w *walk) timesOfCall(fn *function, f frame) {
	switch {
	case fn.zone:
		w.refuse(f, sqlinfo.ReasonTimeWithZone, fn.String())
	case fn.reader, fn.start:
		w.refuse(f, sqlinfo.ReasonSpecialDate, fn.String())
	}
	for _, name := range fn.names {
		if w.named == nil {
			w.named = make(map[string]bool)
		}
		w.named[name] = true
	}
}

// timesOfBody refuses a body of PL/pgSQL that may put a text into a variable, a parameter or a result that holds a time.
// What it makes of values that are times already is refused along with that: which they are, the text does not tell.
func (w *walk) timesOfBody(fn *function, r *reading, f frame) {
	t := &r.times
	if t.Zone {
		w.refuse(f, sqlinfo.ReasonTimeWithZone, fn.String())
	}
	if !t.Assigns || f.immutable {
		return
	}
	found := fn.time || t.Named || fn.record && t.Fields || fn.poly && !w.keepsType(fn, r)
	for word := range t.Words {
		found = found || w.s.times.types[word]
	}
	for word := range t.Declared {
		found = found || w.s.times.rows[word]
	}
	if t.Like && !found {
		// Whether a name is a relation's depends on the path, so those of all schemas are taken.
		for _, n := range r.reads {
			for _, part := range []string{n.Name, n.Schema} {
				for _, rel := range w.s.relationsNamed[part] {
					found = found || rel.time
				}
			}
		}
	}
	if found {
		w.refuse(f, sqlinfo.ReasonSpecialDate, fn.String())
	}
}

// keepsType tells that what a polymorphic function assigns and returns is made of values of the one type that it is called with, and
// of numbers: so a text is assigned only where that type holds texts, and then to nothing that holds a time.
func (w *walk) keepsType(fn *function, r *reading) bool {
	if !fn.linked || !r.times.Closed {
		return false
	}
	for word := range r.times.Words {
		if len(w.s.typesNamed[word]) > 0 {
			return false // a cast by a function of the user may stand behind it
		}
	}
	for _, n := range r.funcs {
		if len(w.s.functionsNamed[n.Name]) > 0 {
			return false
		}
	}
	for _, token := range r.operators {
		for _, o := range w.s.operators[token] {
			if o.calls != nil && !harmless[o.calls.extension] {
				return false
			}
		}
	}
	return true
}
