package catalog

import (
	"strings"

	"github.com/mlcache/mlcache/sqlinfo"
)

// queryBuiltinCalls finds the functions of PostgreSQL's own that are called in what
// the server keeps parsed and no text of ours shows: rules, WHEN of triggers, defaults,
// constraints, domains, indexes, partition keys, statistics; and those that aggregates and
// casts are made of. Immutable ones compute and nothing else; so do the two that most
// defaults call, and those of PostgreSQL's own operators and aggregates. A "!" before the
// name says that what is read depends on it, too.
const queryBuiltinCalls = `SELECT f.kind, f.owner::text, CASE WHEN f.kind IN ('domain', 'aggregate', 'cast') THEN '!' ELSE '' END ||
  CASE WHEN p.proname = 'age' AND p.pronargs = 1 THEN 'now' ELSE p.proname END
FROM (
  SELECT DISTINCT t.kind, t.owner, m[1]::oid AS fn
  FROM (
    SELECT 'rule' AS kind, oid AS owner, concat(ev_qual, ev_action) AS tree FROM pg_rewrite WHERE ev_type <> '1' AND oid >= 16384
    UNION ALL SELECT 'trigger', oid, tgqual::text FROM pg_trigger WHERE tgqual IS NOT NULL
    UNION ALL SELECT 'relation', adrelid, adbin::text FROM pg_attrdef
    UNION ALL SELECT CASE WHEN conrelid = 0 THEN 'domain' ELSE 'relation' END,
      CASE WHEN conrelid = 0 THEN contypid ELSE conrelid END, conbin::text FROM pg_constraint WHERE conbin IS NOT NULL
    UNION ALL SELECT 'domain default', oid, typdefaultbin::text FROM pg_type WHERE typdefaultbin IS NOT NULL
    UNION ALL SELECT 'relation', indrelid, concat(indexprs, indpred) FROM pg_index WHERE indexprs IS NOT NULL OR indpred IS NOT NULL
    UNION ALL SELECT 'relation', stxrelid, to_jsonb(x)->>'stxexprs' FROM pg_statistic_ext x
    UNION ALL SELECT 'relation', partrelid, partexprs::text FROM pg_partitioned_table WHERE partexprs IS NOT NULL
  ) t, regexp_matches(t.tree, ':(?:op)?(?:funcid|aggfnoid|winfnoid) (\d+)', 'g') AS m
  UNION SELECT 'aggregate', a.aggfnoid::oid, f::oid FROM pg_aggregate a, unnest(ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn,
    a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]) AS f WHERE a.aggfnoid >= 16384
  UNION SELECT 'cast', oid, castfunc FROM pg_cast WHERE oid >= 16384
) f JOIN pg_proc p ON p.oid = f.fn
WHERE f.owner >= 16384 AND p.oid < 16384 AND p.provolatile <> 'i' AND (p.proname NOT IN ('nextval', 'now') OR f.kind IN ('domain', 'aggregate', 'cast'))
  AND p.oid NOT IN (SELECT oprcode FROM pg_operator WHERE oid < 16384)
  AND p.oid NOT IN (SELECT unnest(ARRAY[aggtransfn, aggfinalfn]) FROM pg_aggregate WHERE aggfnoid < 16384)
UNION ALL
SELECT 'domain', contypid::text, name
FROM pg_constraint, unnest(ARRAY[
  CASE WHEN conbin::text ~ 'SQLVALUEFUNCTION :op ([0-8]) ' THEN '!current_timestamp' END,
  CASE WHEN conbin::text ~ 'SQLVALUEFUNCTION :op (9|[1-9][0-9]) ' THEN '!current_user' END,
  CASE WHEN conbin::text ~ 'COERCEVIAIO' AND conbin::text ~ ':resulttype (1082|1083|1114|1184|1266) ' THEN '!now' END]) AS name
WHERE contypid <> 0 AND name IS NOT NULL`

func (b *builder) addBuiltinCall(r *rowReader) {
	b.builtinCalls = append(b.builtinCalls, depend{kind: r.text(), owner: r.oid(), used: r.text()})
}

// tieChecks ties together what is known only when all links are.
func (b *builder) tieChecks(s *Snapshot) {
	for _, c := range b.builtinCalls {
		if name, ok := strings.CutPrefix(c.used, "!"); ok && (b.builtins[name].immutable || sqlinfo.SafeFunction(name)) {
			c.used = name
		}
		switch c.kind {
		case "cast":
			s.castBuiltins = append(s.castBuiltins, c.used)
		case "rule":
			if r := b.rules[c.owner]; r != nil {
				r.builtins = append(r.builtins, c.used)
			}
		case "trigger":
			if t := b.triggers[c.owner]; t != nil {
				t.builtins = append(t.builtins, c.used)
			}
		case "domain", "domain default":
			if t := b.userTypes[c.owner]; t != nil {
				t.builtins = append(t.builtins, c.used)
			}
		case "aggregate":
			if f := b.functions[c.owner]; f != nil {
				f.builtins = append(f.builtins, c.used)
			}
		default:
			if rel := b.relations[c.owner]; rel != nil {
				rel.builtins = append(rel.builtins, c.used)
			}
		}
	}
	for id := range b.types {
		if t := b.userTypes[id]; t != nil {
			t.checks = b.domainCalls(id)
		}
	}
}

// builtins visits functions of PostgreSQL's own that stand in what the server keeps
// parsed.
func (w *walk) builtins(names []string, f frame) {
	for _, name := range names {
		if judged, ok := strings.CutPrefix(name, "!"); ok {
			name = judged
			w.refuse(f, sqlinfo.ReasonUnsafeFunction, name)
		}
		w.builtin(name)
	}
}
