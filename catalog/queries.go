package catalog

// The queries read the system catalogs of PostgreSQL ("System Catalogs" in its
// manual) and name only columns that exist in every version since 13, unless
// they ask for the version. All columns are cast to text, so that any client
// library hands them over alike. Objects below OID 16384 (FirstNormalObjectId)
// come with the server; users cannot make or alter them in ways that matter here.

// querySettings makes names in deparsed texts unambiguous, bounds the wait for
// locks, and asks for the version. It is one query, since the functions take
// effect as they are called and nothing here depends on their order.
const querySettings = `SELECT current_setting('server_version_num')
FROM (SELECT set_config('search_path', 'pg_catalog, pg_temp', true),
             set_config('lock_timeout', '1000', true)) AS s(a, b)
WHERE a IS NOT NULL AND b IS NOT NULL`

// part is one query of Load and what takes its rows.
type part struct {
	sql     string
	columns int
	add     func(*builder, *rowReader)
}

func parts(version int) []part {
	functions := queryFunctions13
	if version >= 140000 {
		functions = queryFunctions14
	}
	return []part{
		{queryRelations, 7, (*builder).addRelation},
		{queryColumns, 2, (*builder).addColumns},
		{functions, 17, (*builder).addFunction},
		{queryBuiltins, 3, (*builder).addBuiltin},
		{queryRules, 5, (*builder).addRule},
		{queryPolicies, 3, (*builder).addPolicy},
		{queryLinks, 6, (*builder).addLink},
		{queryDepends, 4, (*builder).addDepend},
		{queryTimes, 4, (*builder).addTime},
		{queryTypes, 5, (*builder).addType},
		{queryBuiltinCalls, 3, (*builder).addBuiltinCall},
	}
}

// queryRelations takes the system's relations too: a name that means one of them
// must not be taken for a column. Temporary ones belong to single sessions.
const queryRelations = `SELECT c.oid::text, n.nspname::text, c.relname::text, c.relkind::text,
  c.relpersistence::text, c.relrowsecurity::text, pg_get_userbyid(c.relowner)::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't' AND n.nspname <> 'pg_toast'`

// queryColumns gives the columns of each relation in one text, separated by the
// character 31 and marked with ! where a cast to a date may find a text: not in
// those whose type's category is boolean (B), date (D), number (N), time span (T),
// geometry (G) or network address (I), nor in ranges and arrays of dates. It takes
// composite types, too.
const queryColumns = `SELECT a.attrelid::text, string_agg(CASE WHEN t.typcategory IN ('B', 'D', 'N', 'T', 'G', 'I')
    OR t.typname IN ('daterange', 'tsrange', 'tstzrange', '_date', '_time', '_timestamp', '_timestamptz')
  THEN '' ELSE '!' END || a.attname, chr(31))
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
GROUP BY 1`

// Of a function's settings search_path and the role matter: they decide what the names
// in the body mean; and standard_conforming_strings, by which it is read. The path comes behind a "=", which tells an empty one from none;
// the owner only if the function runs as that role.
const queryFunctionsHead = `SELECT p.oid::text, n.nspname::text, p.proname::text, p.prokind::text,
  p.provolatile::text, l.lanname::text, e.extname::text,
  (p.pronargs - p.pronargdefaults)::text, p.pronargs::text,
  (SELECT substr(s, 12) FROM unnest(p.proconfig) AS s WHERE s LIKE 'search_path=%' LIMIT 1)::text,
  pg_get_expr(p.proargdefaults, 0)::text,
  CASE WHEN l.lanname IN ('sql', 'plpgsql') THEN p.prosrc END::text,
`

const queryFunctionsTail = `,
  CASE WHEN p.prosecdef THEN pg_get_userbyid(p.proowner) END::text,
  EXISTS (SELECT FROM unnest(p.proconfig) AS s WHERE s LIKE 'role=%' OR s LIKE 'session\_authorization=%')::text,
  EXISTS (SELECT FROM unnest(p.proconfig) AS s WHERE s LIKE 'standard\_conforming\_strings=%' AND s NOT LIKE '%=on')::text,
  EXISTS (SELECT FROM unnest(p.proargtypes::oid[]) AS a(typ) JOIN pg_type y ON y.oid = a.typ
    WHERE y.typcategory NOT IN ('B', 'D', 'N', 'T', 'G', 'I', 'E') OR y.typname LIKE 'reg%')::text
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
LEFT JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.objsubid = 0
  AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
LEFT JOIN pg_extension e ON e.oid = d.refobjid
WHERE (p.oid >= 16384 OR n.nspname <> 'pg_catalog') AND n.nspname NOT LIKE 'pg\_temp\_%'`

const (
	queryFunctions13 = queryFunctionsHead + `  NULL::text` + queryFunctionsTail
	// Since 14 a body may be kept parsed (BEGIN ATOMIC, RETURN), and prosrc is
	// empty then.
	queryFunctions14 = queryFunctionsHead +
		`  CASE WHEN p.prosqlbody IS NOT NULL THEN pg_get_function_sqlbody(p.oid) END::text` + queryFunctionsTail
)

// queryBuiltins gives one row for each name of a built-in function: whether all
// functions of that name are immutable, and whether one that is not can be
// called with a single argument, and so as x.name.
const queryBuiltins = `SELECT p.proname::text, bool_and(p.provolatile = 'i')::text,
  bool_or(p.provolatile <> 'i' AND p.pronargs >= 1 AND p.pronargs - p.pronargdefaults <= 1)::text
FROM pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.oid < 16384
GROUP BY p.proname`

// queryRules gives the query of each view; of other rules queryDepends tells
// enough.
const queryRules = `SELECT r.oid::text, r.ev_class::text, r.ev_type::text, r.rulename::text,
  CASE WHEN r.ev_type = '1' THEN pg_get_viewdef(r.ev_class) END::text
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
WHERE r.oid >= 16384 AND c.oid >= 16384 AND c.relpersistence <> 't'`

// queryPolicies gives the expressions of a policy as a query, which is how they
// are read.
const queryPolicies = `SELECT p.oid::text, p.polrelid::text,
  concat('SELECT ', concat_ws(', ', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)))::text
FROM pg_policy p`

// queryLinks gathers the small catalogs in one round trip. What the columns a to
// e hold depends on the first.
const queryLinks = `SELECT 'inherits', inhrelid::text, inhparent::text, NULL::text, NULL::text, NULL::text
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind IN ('r', 'p', 'f')
UNION ALL
SELECT 'foreign key', conrelid::text, confrelid::text, confdeltype::text, confupdtype::text, conname::text
FROM pg_constraint WHERE contype = 'f'
UNION ALL
SELECT 'trigger', oid::text, tgrelid::text, tgfoid::text, tgtype::text,
  tgname || CASE WHEN tgdeferrable THEN chr(31) ELSE '' END
FROM pg_trigger WHERE tgfoid >= 16384 AND tgenabled <> 'D'
UNION ALL
SELECT 'aggregate', a.aggfnoid::oid::text, f::oid::text, NULL, NULL, NULL
FROM pg_aggregate a, unnest(ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
  a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]) AS f
WHERE a.aggfnoid >= 16384 AND f >= 16384
UNION ALL
SELECT 'operator', o.oid::text, n.nspname::text, o.oprname::text, o.oprcode::oid::text,
  concat_ws(' ', p.provolatile, o.oprcom, o.oprnegate, p.proname)
FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace JOIN pg_proc p ON p.oid = o.oprcode
WHERE o.oid >= 16384
UNION ALL
SELECT 'cast', c.castfunc::text, t.typname::text, (t.oid >= 16384)::text, c.castcontext::text, s.typname::text
FROM pg_cast c JOIN pg_type s ON s.oid = c.castsource JOIN pg_type t ON t.oid = c.casttarget
WHERE c.castfunc >= 16384
UNION ALL
SELECT 'domain', t.oid::text, n.nspname::text, t.typname::text, t.typbasetype::text, NULL
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype = 'd' AND t.oid >= 16384 AND n.nspname NOT LIKE 'pg\_temp\_%'
UNION ALL
SELECT 'event trigger', evtname::text, evtevent::text, evtfoid::oid::text, NULL, NULL FROM pg_event_trigger WHERE evtenabled <> 'D'
UNION ALL
SELECT 'closed schema', n.nspname::text, NULL, NULL, NULL, NULL
FROM pg_namespace n
WHERE NOT has_schema_privilege('public', n.oid, 'USAGE') AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast%'
  OR n.nspname = 'information_schema' AND EXISTS (SELECT FROM pg_roles WHERE rolname = n.nspname)
UNION ALL
SELECT 'date type', t.typname::text, NULL, NULL, NULL, NULL
FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
WHERE t.oid >= 16384 AND (t.typtype IN ('r', 'm') OR t.typtype = 'c' AND c.relkind = 'c'
  OR t.typtype = 'd' AND t.typcategory IN ('A', 'C', 'D', 'R'))
UNION ALL
SELECT 'domain column', a.attrelid::text, a.atttypid::text, NULL, NULL, NULL
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE t.typtype = 'd' AND t.oid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
` + queryRunsAnything

// queryDepends gives what parsed expressions refer to, by identity and not by
// name: who uses it (the first two columns) and what is used. PostgreSQL records
// no dependency on objects that come with the server, so the texts are read as
// well.
const queryDepends = `SELECT CASE d.classid WHEN 'pg_rewrite'::regclass THEN 'rule' WHEN 'pg_policy'::regclass THEN 'policy'
    WHEN 'pg_proc'::regclass THEN 'function' WHEN 'pg_trigger'::regclass THEN 'trigger' WHEN 'pg_type'::regclass THEN 'domain'
    WHEN 'pg_attrdef'::regclass THEN 'relation' WHEN 'pg_class'::regclass THEN 'index'
    WHEN 'pg_statistic_ext'::regclass THEN 'index' ELSE CASE WHEN c.conrelid = 0 THEN 'domain' ELSE 'relation' END END,
  (CASE d.classid WHEN 'pg_attrdef'::regclass THEN a.adrelid WHEN 'pg_statistic_ext'::regclass THEN x.stxrelid
    WHEN 'pg_class'::regclass THEN coalesce(i.indrelid, d.objid)
    WHEN 'pg_constraint'::regclass THEN CASE WHEN c.conrelid = 0 THEN c.contypid ELSE c.conrelid END
    ELSE d.objid END)::text,
  CASE d.refclassid WHEN 'pg_class'::regclass THEN 'relation' WHEN 'pg_proc'::regclass THEN 'function'
    WHEN 'pg_type'::regclass THEN 'type' ELSE 'operator' END,
  d.refobjid::text
FROM pg_depend d
LEFT JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid
LEFT JOIN pg_constraint c ON d.classid = 'pg_constraint'::regclass AND c.oid = d.objid
LEFT JOIN pg_index i ON d.classid = 'pg_class'::regclass AND i.indexrelid = d.objid
LEFT JOIN pg_statistic_ext x ON d.classid = 'pg_statistic_ext'::regclass AND x.oid = d.objid
WHERE d.refobjid >= 16384 AND (
  d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
    AND d.classid IN ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_proc'::regclass, 'pg_trigger'::regclass,
      'pg_type'::regclass, 'pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_class'::regclass, 'pg_statistic_ext'::regclass)
  OR d.refclassid = 'pg_type'::regclass AND d.classid IN ('pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_rewrite'::regclass)
  OR d.refclassid = 'pg_class'::regclass
    AND d.classid IN ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_proc'::regclass))
GROUP BY 1, 2, 3, 4`

// queryTypes gives the types of the user and what they are made of, the columns and
// functions that have one, and the casts by functions of the user, and what ranges call;
// nothing where neither such a cast, nor such a range, nor a domain with a check is there. What the columns a to d hold
// depends on the first.
const queryTypes = `WITH wanted AS MATERIALIZED (
  SELECT EXISTS (SELECT FROM pg_cast WHERE castfunc >= 16384) OR EXISTS (SELECT FROM pg_constraint WHERE contypid <> 0 AND oid >= 16384)
    OR EXISTS (SELECT FROM pg_range WHERE rngcanonical >= 16384 OR rngsubdiff >= 16384) AS yes
)
SELECT 'type', t.oid::text, t.typname::text, t.typrelid::text,
  CASE WHEN t.typtype = 'd' THEN t.typbasetype WHEN t.typelem <> 0 THEN t.typelem ELSE r.rngsubtype END::text
FROM wanted, pg_type t LEFT JOIN pg_range r ON r.rngtypid = t.oid
WHERE yes AND t.oid >= 16384
UNION ALL
SELECT 'column', a.attrelid::text, NULL, NULL, a.atttypid::text
FROM wanted, pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE yes AND a.attrelid >= 16384 AND a.atttypid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND c.relpersistence <> 't'
UNION ALL
SELECT DISTINCT 'function', p.oid::text, NULL, NULL, a.typ::text
FROM wanted, pg_proc p, unnest(p.proargtypes::oid[] || p.prorettype || p.proallargtypes) AS a(typ)
WHERE yes AND p.oid >= 16384 AND a.typ >= 16384
UNION ALL
SELECT 'range', r.rngtypid::text, f.fn::text, NULL, NULL
FROM wanted, pg_range r, unnest(ARRAY[r.rngcanonical, r.rngsubdiff]::oid[]) AS f(fn)
WHERE yes AND f.fn >= 16384
UNION ALL
SELECT 'multirange', m.oid::text, NULL, NULL, d.refobjid::text
FROM wanted, pg_type m JOIN pg_depend d ON d.classid = 'pg_type'::regclass AND d.objid = m.oid AND d.refclassid = 'pg_type'::regclass
WHERE yes AND m.typtype = 'm' AND m.oid >= 16384
UNION ALL
SELECT 'cast', castfunc::text, castcontext::text, castsource::text, casttarget::text
FROM wanted, pg_cast
WHERE yes AND castfunc >= 16384`
