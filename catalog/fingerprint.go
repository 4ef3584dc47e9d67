package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Roles says which roles a fingerprint covers. Roles belong to the whole cluster,
// and where credentials are made for each client and for an hour they come and go
// all day.
type Roles uint8

const (
	// OwnRoles are those that matter to sessions of the user who asks: the user, the
	// owners of the database's objects, who lend views and functions their rights,
	// and all that these are members of. A superuser may take any role, so for one
	// these are all roles.
	OwnRoles Roles = iota
	// AllRoles serve where the sessions belong to several users.
	AllRoles
)

// Fingerprint asks the server for what identifies the state of the schema, in one
// query that takes about 10 ms for 1,000 tables. As long as it equals
// [Snapshot.Fingerprint], the snapshot is true.
//
// It covers whatever can change the answer to a query, or the effect of a write,
// without a row being written: schemas, relations and their columns, defaults,
// constraints, inheritance, rules, triggers, event triggers, policies, expressions of statistics, those of indexes that call functions of the user, functions, aggregates,
// operators and their classes, casts, types, enums, ranges, collations, text
// search configurations, extensions, foreign tables, rights, roles and their
// memberships, and the defaults of settings for roles and databases.
//
// It does not change by VACUUM, ANALYZE, CREATE INDEX otherwise, REINDEX (unless
// CONCURRENTLY), CLUSTER,
// TRUNCATE, REFRESH MATERIALIZED VIEW or the temporary tables of other sessions.
//
// How it works: every row of a system catalog carries the number of the
// transaction that wrote it (xmin), which neither VACUUM nor the in-place updates
// of ANALYZE change, so a sum of hashes over (oid, xmin) tells whether a row came,
// went or changed. Only pg_class is compared by value, since TRUNCATE and its
// like write a new row there for a new file.
func Fingerprint(ctx context.Context, q Querier, roles Roles) (string, error) {
	f, err := fingerprint(ctx, q, roles)
	if err != nil {
		return "", fmt.Errorf("mlcache: catalog: %w", err)
	}
	return f, nil
}

func fingerprint(ctx context.Context, q Querier, roles Roles) (string, error) {
	query := queryFingerprint
	if roles == AllRoles {
		query = queryFingerprintAllRoles
	}
	rows, err := q.Query(ctx, query)
	if err != nil {
		return "", err
	}
	if len(rows) != 1 || len(rows[0]) != 1 || rows[0][0] == nil {
		return "", errShape
	}
	// The digest is taken here and not by md5() on the server, which fails where
	// only FIPS algorithms are allowed.
	sum := sha256.Sum256([]byte(*rows[0][0]))
	return hex.EncodeToString(sum[:16]), nil
}

// rowHash begins the sum over a catalog's rows; the object's identifier and
// rowHashEnd follow. All names are qualified since the query also runs outside
// Load, on whatever search path the connection has.
const (
	rowHash    = `(SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashtextextended(x.xmin::pg_catalog.text, `
	rowHashEnd = `::pg_catalog.int8))) FROM pg_catalog.`
)

// ownRoles begins the roles with the session's user, or with all of them if it is a
// superuser, who may take any role.
const ownRoles = `rolname = session_user OR (SELECT u.rolsuper FROM pg_catalog.pg_roles u WHERE u.rolname = session_user)`

const (
	queryFingerprint         = fingerprintHead + ownRoles + fingerprintTail
	queryFingerprintAllRoles = fingerprintHead + `true` + fingerprintTail
)

const fingerprintHead = `WITH RECURSIVE names AS MATERIALIZED (
  SELECT oid, nspname, nspname LIKE 'pg\_temp\_%' OR nspname LIKE 'pg\_toast%' AS hidden FROM pg_catalog.pg_namespace
), temps AS MATERIALIZED (
  SELECT oid FROM pg_catalog.pg_class WHERE relpersistence = 't'
), rels AS MATERIALIZED (
  SELECT c.oid, pg_catalog.hashtextextended(pg_catalog.concat_ws(',', c.relnamespace, c.relname, c.relkind, c.relpersistence,
    c.relowner, c.relacl, c.reloptions, c.relrowsecurity, c.relforcerowsecurity, c.relispartition), c.oid::pg_catalog.int8) AS hash
  FROM pg_catalog.pg_class c
  WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND c.relpersistence <> 't'
), roles(oid) AS (
  SELECT oid FROM pg_catalog.pg_roles WHERE `

const fingerprintTail = `
  UNION SELECT relowner FROM pg_catalog.pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p', 'v', 'm', 'f')
  UNION SELECT proowner FROM pg_catalog.pg_proc WHERE oid >= 16384
  UNION SELECT datdba FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
  UNION SELECT m.roleid FROM pg_catalog.pg_auth_members m JOIN roles r ON m.member = r.oid
)
SELECT pg_catalog.concat_ws(',', pg_catalog.current_setting('server_version_num'),
  (SELECT pg_catalog.concat(oid, '.', datname, '.', datdba) FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(hash)) FROM rels),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashtextextended(
     pg_catalog.concat_ws(',', rolname, rolsuper, rolinherit, rolbypassrls), oid::pg_catalog.int8))) FROM pg_catalog.pg_roles WHERE oid IN (SELECT oid FROM roles)),
` + rowHash + `x.oid` + rowHashEnd + `pg_namespace x WHERE x.oid IN (SELECT oid FROM names WHERE NOT hidden)),
` + rowHash + `x.attrelid` + rowHashEnd + `pg_attribute x WHERE x.attnum > 0 AND x.attrelid IN (SELECT oid FROM rels)),
` + rowHash + `x.oid` + rowHashEnd + `pg_attrdef x WHERE x.adrelid NOT IN (SELECT oid FROM temps)),
` + rowHash + `x.oid` + rowHashEnd + `pg_constraint x WHERE x.contype <> 'n' AND x.connamespace IN (SELECT oid FROM names WHERE NOT hidden)),
` + rowHash + `x.inhrelid` + rowHashEnd + `pg_inherits x WHERE x.inhrelid IN (SELECT oid FROM rels)),
` + rowHash + `x.oid` + rowHashEnd + `pg_rewrite x WHERE x.ev_class NOT IN (SELECT oid FROM temps)),
` + rowHash + `x.oid` + rowHashEnd + `pg_trigger x WHERE x.tgfoid >= 16384 AND x.tgrelid NOT IN (SELECT oid FROM temps)),
(SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat_ws(',', x.indexprs, x.indpred), x.indrelid::pg_catalog.int8)))
  FROM pg_catalog.pg_index x WHERE (x.indexprs IS NOT NULL OR x.indpred IS NOT NULL) AND x.indrelid NOT IN (SELECT oid FROM temps)
  AND EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = x.indexrelid AND d.refobjid >= 16384
    AND d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass))),
(SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashtextextended(s.exprs, s.stxrelid::pg_catalog.int8)))
  FROM (SELECT x.stxrelid, pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(x), 'stxexprs') AS exprs FROM pg_catalog.pg_statistic_ext x) s WHERE s.exprs IS NOT NULL),
` + rowHash + `x.oid` + rowHashEnd + `pg_event_trigger x),
` + rowHash + `x.oid` + rowHashEnd + `pg_policy x),
` + rowHash + `x.oid` + rowHashEnd + `pg_proc x WHERE x.pronamespace IN (SELECT oid FROM names WHERE NOT hidden)),
` + rowHash + `x.aggfnoid::pg_catalog.oid` + rowHashEnd + `pg_aggregate x WHERE x.aggfnoid >= 16384),
` + rowHash + `x.oid` + rowHashEnd + `pg_operator x WHERE x.oid >= 16384),
` + rowHash + `x.oid` + rowHashEnd + `pg_opclass x WHERE x.oid >= 16384),
` + rowHash + `x.oid` + rowHashEnd + `pg_amop x WHERE x.oid >= 16384),
` + rowHash + `x.oid` + rowHashEnd + `pg_amproc x WHERE x.oid >= 16384),
` + rowHash + `x.oid` + rowHashEnd + `pg_cast x),
` + rowHash + `x.oid` + rowHashEnd + `pg_type x WHERE x.oid >= 16384 AND x.typtype <> 'c' AND x.typcategory <> 'A' AND x.typnamespace IN (SELECT oid FROM names WHERE NOT hidden)),
` + rowHash + `x.oid` + rowHashEnd + `pg_enum x),
` + rowHash + `x.rngtypid` + rowHashEnd + `pg_range x),
` + rowHash + `x.oid` + rowHashEnd + `pg_collation x WHERE x.oid >= 16384),
` + rowHash + `x.oid` + rowHashEnd + `pg_ts_config x),
` + rowHash + `x.mapcfg` + rowHashEnd + `pg_ts_config_map x),
` + rowHash + `x.oid` + rowHashEnd + `pg_ts_dict x),
` + rowHash + `x.oid` + rowHashEnd + `pg_language x),
` + rowHash + `x.oid` + rowHashEnd + `pg_extension x),
` + rowHash + `x.ftrelid` + rowHashEnd + `pg_foreign_table x),
` + rowHash + `x.roleid` + rowHashEnd + `pg_auth_members x WHERE x.member IN (SELECT oid FROM roles)),
` + rowHash + `x.setdatabase` + rowHashEnd + `pg_db_role_setting x WHERE (x.setrole = 0 OR x.setrole IN (SELECT oid FROM roles))
  AND (x.setdatabase = 0 OR x.setdatabase IN (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))))`
