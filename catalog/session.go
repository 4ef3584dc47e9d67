package catalog

// Session is what the meaning of names depends on.
type Session struct {
	// SearchPath holds the schemas that unqualified names are looked up in, in
	// order, as the server's current_schemas(true) gives them: with pg_catalog, and
	// with pg_temp_N once the session has a temporary schema.
	SearchPath []string
	// AnyOrder: which of the schemas in SearchPath are searched, and in which order, is
	// not known, so an unqualified name stands for every relation and function of that
	// name in them. Defaults to false.
	AnyOrder bool
	// AnyPath: the path is not known (it may have been set, or set back, by something
	// that the text of no statement shows), so an unqualified name stands for every
	// relation, function, type and operator of that name in any schema. Of SearchPath
	// only a temporary schema counts then. Defaults to false.
	AnyPath bool
	// Role is the role in force, as current_user gives it. Code that runs as the same
	// role finds the same relations; where another one is in force, a name stands for
	// every relation of that name. Defaults to a role that is not known: then every
	// change of the role counts.
	Role string
	// BackslashEscapes is that of sqlinfo.Options: by it the text was read. Defaults to false.
	BackslashEscapes bool
	// TempRelations holds the names of the relations in the session's temporary
	// schema, which hide others of the same name. It is asked only if SearchPath
	// has such a schema; nil then means that they are not known, and no answer is
	// kept. A temporary schema outlives its last table, so a session that has
	// dropped all of them shows an empty list here and not nil.
	TempRelations []string
	// TempPlain holds those of TempRelations that [QueryTemporary] calls plain: a
	// write to one of them changes nothing else. A write to any other counts as a
	// write to everything, since its triggers are in no snapshot. Defaults to none.
	TempPlain []string
}

// QueryTemporary asks a session for its temporary relations: the name of each,
// and 'true' if it is plain: a table of PostgreSQL's own types, on which nothing hangs
// that runs code when it is written. What may hang there is listed, and nothing else
// is plain: identity columns, defaults that are constants, the time, numbers from a sequence,
// primary and unique keys, and indexes of columns. It is 'child' for one whose rows are
// those of a permanent table, too, for this session only, and 'type' for what is no relation
// but a type, which hides others of its name as a table does.
const QueryTemporary = `SELECT c.relname::pg_catalog.text, CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class p ON p.oid = h.inhparent
    WHERE h.inhrelid = c.oid AND p.relpersistence <> 't') THEN 'child' ELSE (c.relkind = 'r' AND NOT c.relhasrules AND NOT c.relrowsecurity
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid OR h.inhparent = c.oid)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype NOT IN ('p', 'u', 'n'))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_statistic_ext x WHERE x.stxrelid = c.oid)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_attrdef a WHERE a.adrelid = c.oid
    AND (pg_catalog.pg_get_expr(a.adbin, a.adrelid) !~ E'^\\(?(-?[0-9.]+|\'[^\']*\'|true|false|NULL|now\\(\\)|CURRENT_(DATE|TIME|TIMESTAMP)|nextval\\(\'[^\']*\'::regclass\\))\\)?(::[a-z ]+([(][0-9, ]+[)])?)?$'
      OR EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = a.oid AND d.refobjid >= 16384
        AND d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass))))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = c.oid AND NOT a.attisdropped AND (t.oid >= 16384 OR t.typtype <> 'b'
      OR EXISTS (SELECT FROM pg_catalog.pg_cast k WHERE k.casttarget = t.oid AND k.castfunc >= 16384)))
  )::pg_catalog.text END
FROM pg_catalog.pg_class c
WHERE c.relnamespace = pg_catalog.pg_my_temp_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
UNION ALL SELECT t.typname::pg_catalog.text, 'type' FROM pg_catalog.pg_type t
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
WHERE t.typnamespace = pg_catalog.pg_my_temp_schema() AND coalesce(c.relkind, 'c') = 'c' AND (e.oid IS NULL OR e.typrelid = 0)`
